//! The copies of the log in NATS, looked at for as long as the process lives.
//!
//! A broken copy stops nothing while the others are a majority, so it makes no process unready: it is
//! named by `/ready`, by the gauge of its stream and node, and by an alert.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use journal::health::{Health, supervised};
use journal::meters;
use journal::nats::NatsJournal;
use journal::nats::replicas::Look;

const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What was wrong with the copies when somebody looked last. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Copies {
    faults: Arc<Mutex<Vec<String>>>,
}

impl Copies {
    /// What is wrong, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// Looks again and again.
    pub async fn watch(self, nats: NatsJournal, health: Health) {
        supervised(health.part("copies"), |part| {
            let (copies, nats) = (self.clone(), nats.clone());
            async move {
                let mut known = BTreeSet::new();
                loop {
                    let look = nats.look().await;
                    part.works();
                    copies.keep(&look);
                    known = meters::copies(&look, &known);
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        })
        .await;
    }

    fn keep(&self, look: &Look) {
        let found: Vec<_> = look.faults.iter().map(ToString::to_string).collect();
        let mut faults = self.lock();
        for fault in found.iter().filter(|fault| !faults.contains(fault)) {
            tracing::warn!(fault, "the log's copies in NATS are not whole");
        }
        if found.is_empty() && !faults.is_empty() {
            tracing::info!("the log's copies in NATS are whole again");
        }
        *faults = found;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
