//! Calls to the outside that are under way: a process that is stopped begins none, and lets these end.

use std::sync::Arc;

use tokio::sync::watch;

/// The calls of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Calls {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    stopping: bool,
    under_way: usize,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::default())),
        }
    }
}

/// A call that is under way until this is dropped.
#[derive(Debug)]
pub struct UnderWay(Calls);

impl Calls {
    /// Begins one; `None` once the process is being stopped.
    #[must_use]
    pub fn begin(&self) -> Option<UnderWay> {
        let mut begun = false;
        self.state.send_modify(|state| {
            begun = !state.stopping;
            state.under_way += usize::from(begun);
        });
        begun.then(|| UnderWay(self.clone()))
    }

    /// From now on none is begun.
    pub fn stop(&self) {
        self.state.send_modify(|state| state.stopping = true);
    }

    /// Waits until none is under way.
    pub async fn end(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as this does.
        drop(state.wait_for(|state| state.under_way == 0).await);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.under_way -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::Calls;

    #[tokio::test]
    async fn a_process_that_is_stopped_begins_no_call_and_waits_for_those_under_way() {
        let calls = Calls::default();
        let one = calls.begin().unwrap();
        calls.stop();
        assert!(calls.begin().is_none());
        assert!(calls.end().now_or_never().is_none(), "one is under way");
        drop(one);
        assert!(calls.end().now_or_never().is_some());
    }
}
