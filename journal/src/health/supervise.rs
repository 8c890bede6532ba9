//! A task that panics or ends where it never should is counted, named and begun again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use futures::FutureExt as _;

use super::Part;

/// The first pause; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// After so much time without a fault, pauses begin anew.
const CALM: Duration = Duration::from_mins(2);
// What a panic says may quote what it was about; standard error has it, where the hook wrote it.
const PANICKED: &str = "it panicked, and is begun again; the log of this process says where";
const ENDED: &str = "it ended by itself, and is begun again; the log of this process may say why";

/// Runs a task for ever; whoever drops the future ends it.
pub async fn supervised<F: Future<Output = ()>>(part: Part, begin: impl Fn(Part) -> F) {
    let mut pauses = Pauses::default();
    loop {
        let run = AssertUnwindSafe(async { begin(part.clone()).await });
        let reason = match run.catch_unwind().await {
            Ok(()) => ENDED,
            Err(_panic) => PANICKED,
        };
        part.broke(reason);
        tracing::error!(
            task = part.name(),
            reason,
            "a background task is begun again"
        );
        tokio::time::sleep(pauses.next()).await;
    }
}

/// Runs a thread's work until it returns; a panic begins it again.
pub fn supervised_thread(part: &Part, mut work: impl FnMut()) {
    let mut pauses = Pauses::default();
    while catch_unwind(AssertUnwindSafe(&mut work)).is_err() {
        part.broke(PANICKED);
        tracing::error!(task = part.name(), "a background thread is begun again");
        thread::sleep(pauses.next());
    }
}

struct Pauses {
    next: Duration,
    begun: Instant,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            next: FIRST_PAUSE,
            begun: Instant::now(),
        }
    }
}

impl Pauses {
    fn next(&mut self) -> Duration {
        let now = Instant::now();
        if now.duration_since(self.begun) > CALM {
            self.next = FIRST_PAUSE;
        }
        let pause = self.next;
        self.begun = now + pause;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{Pauses, supervised, supervised_thread};
    use crate::health::Health;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_or_ends_is_begun_again_and_named() {
        let health = Health::default();
        let runs = AtomicU32::new(0);
        let task = supervised(health.part("test"), |_| async {
            match runs.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("on purpose"),
                1 => {}
                _ => std::future::pending().await,
            }
        });
        tokio::select! {
            () = task => unreachable!("it never ends"),
            () = async {
                while runs.load(Ordering::SeqCst) < 3 {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            } => {}
        }
        let named = health.standing_still();
        assert!(named.is_empty(), "its handle went with it: {named:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_panicked_is_named_while_it_waits_for_its_next_turn() {
        let health = Health::default();
        let part = health.part("test");
        let task = supervised(part.clone(), |_| async { panic!("on purpose") });
        let soon = std::time::Duration::from_millis(10);
        assert!(tokio::time::timeout(soon, task).await.is_err());
        let named = health.standing_still();
        assert_eq!(named[0].task, "test");
        assert!(named[0].reason.starts_with("it panicked"), "{named:?}");
    }

    #[test]
    fn a_thread_goes_on_with_the_next_piece_of_work() {
        let health = Health::default();
        let mut runs = 0;
        supervised_thread(&health.part("thread"), || {
            runs += 1;
            assert!(runs > 1, "on purpose");
        });
        assert_eq!(runs, 2);
    }

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let mut pauses = Pauses::default();
        let all: Vec<_> = (0..8).map(|_| pauses.next().as_secs()).collect();
        assert_eq!(all, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
