//! How far the active generations are, for reads that wait for a write.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use journal::position::Position;
use tokio::sync::watch;

/// The last sequence that each active generation shows, per partition.
#[derive(Debug, Clone)]
pub struct Progress(Arc<watch::Sender<HashMap<String, Vec<u64>>>>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(HashMap::new())))
    }
}

impl Progress {
    /// Tells that a projection shows everything up to these positions.
    pub fn tell<'a>(&self, news: impl IntoIterator<Item = (&'a str, Position)>) {
        self.0.send_modify(|known| {
            for (name, position) in news {
                let partition = usize::from(position.partition);
                let shown = match known.get_mut(name) {
                    Some(shown) => shown,
                    None => known.entry(name.to_owned()).or_default(),
                };
                if shown.len() <= partition {
                    shown.resize(partition + 1, 0);
                }
                shown[partition] = shown[partition].max(position.sequence);
            }
        });
    }

    /// Whether a projection shows this position.
    #[must_use]
    pub fn shows(&self, name: &str, position: Position) -> bool {
        shows(&self.0.borrow(), name, position)
    }

    /// Whether any projection shows this position.
    #[must_use]
    pub fn has_shown(&self, position: Position) -> bool {
        let known = self.0.borrow();
        known.keys().any(|name| shows(&known, name, position))
    }

    /// Waits until a projection shows this position, at most this long; tells whether it does.
    pub async fn wait(&self, name: &str, position: Position, within: Duration) -> bool {
        let mut watch = self.0.subscribe();
        let shown = watch.wait_for(|known| shows(known, name, position));
        matches!(tokio::time::timeout(within, shown).await, Ok(Ok(_)))
    }
}

fn shows(known: &HashMap<String, Vec<u64>>, name: &str, position: Position) -> bool {
    let shown = known
        .get(name)
        .and_then(|shown| shown.get(usize::from(position.partition)));
    shown.copied().unwrap_or(0) >= position.sequence
}
