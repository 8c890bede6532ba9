//! What clients saw, and whether one lead after the other could have shown it to them.
//!
//! Read in this order: [`lead`] (what one lead would answer if it did one thing at a time),
//! [`search`] (an order of all calls that explains every answer), then [`History`].
//!
//! Invariant: a history is accepted only if every lead is linearizable: each call took effect
//! once, at one moment between its invocation and its answer. A call without an answer may have
//! taken effect at any moment after its invocation, once or never.

pub mod lead;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lead::{Asked, Heard};
pub use search::{Violation, explain};

/// One call of a client, from its first try to its answer.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who called.
    pub client: u64,
    /// What for.
    pub asked: Asked,
    /// When it was tried first.
    pub invoked: Duration,
    /// When it was answered, and what; none where the client gave up without knowing.
    pub answered: Option<(Duration, Heard)>,
}

/// What all clients saw. Times are since it was begun, by a clock that never jumps.
#[derive(Debug)]
pub struct History {
    began: Instant,
    leads: Mutex<BTreeMap<u64, Vec<Call>>>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            leads: Mutex::default(),
        }
    }
}

impl History {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Remembers a call that concerned this lead.
    pub fn add(&self, lead: u64, call: Call) {
        self.lock().entry(lead).or_default().push(call);
    }

    /// The leads that were called.
    #[must_use]
    pub fn leads(&self) -> Vec<u64> {
        self.lock().keys().copied().collect()
    }

    /// How many calls there were, and how many of them without an answer.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let leads = self.lock();
        let calls = || leads.values().flatten();
        let unknown = calls().filter(|call| call.answered.is_none()).count();
        (calls().count(), unknown)
    }

    /// Checks every lead; answers the first that no order explains, with the reason.
    ///
    /// # Errors
    ///
    /// The number of that lead, and how far an explanation goes.
    pub fn check(&self) -> Result<(), (u64, Violation)> {
        for (lead, calls) in self.lock().iter() {
            explain(calls).map_err(|violation| (*lead, violation))?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<Call>>> {
        self.leads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
