//! How often a kind of client may call.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::problem::Problem;
use axum::http::StatusCode;

/// After how many calls a table looks whether it has grown.
const PRUNE_EVERY: usize = 1024;

/// Requests a minute, per client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Without a key, per address.
    pub anonymous: NonZeroU32,
    /// With a key.
    pub key: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            anonymous: const { NonZeroU32::new(100).unwrap() },
            key: const { NonZeroU32::new(1000).unwrap() },
        }
    }
}

/// Counts calls. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Limiter {
    anonymous: Arc<Table>,
    key: Arc<Table>,
    /// Keys that have to be looked up in the log: whoever invents keys costs reads.
    unseen: Arc<Table>,
}

impl Limiter {
    /// A limiter that has counted nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let keyed = |a_minute| Arc::new(Table::new(a_minute));
        Self {
            anonymous: keyed(limits.anonymous),
            key: keyed(limits.key),
            unseen: keyed(limits.key),
        }
    }

    /// Counts a call without a key, from this address.
    pub fn anonymous(&self, address: &str) -> Result<(), Problem> {
        self.anonymous.check(address)
    }

    /// Counts a key that was not seen lately, from this address.
    pub fn unseen(&self, address: &str) -> Result<(), Problem> {
        self.unseen.check(address)
    }

    /// Counts a call with this key.
    pub fn key(&self, key: &str) -> Result<(), Problem> {
        self.key.check(key)
    }
}

/// What is counted of one kind of client. Who has not called for long enough to be as good as new is
/// forgotten, so that it holds about as many clients as call.
#[derive(Debug)]
struct Table {
    clients: DefaultKeyedRateLimiter<String>,
    calls: AtomicUsize,
    /// From how many clients on the forgotten are looked for again: twice as many as were left the last
    /// time, so that each call pays for a bounded part of it.
    prune_at: AtomicUsize,
}

impl Table {
    fn new(a_minute: NonZeroU32) -> Self {
        Self {
            clients: RateLimiter::keyed(Quota::per_minute(a_minute)),
            calls: AtomicUsize::new(0),
            prune_at: AtomicUsize::new(PRUNE_EVERY),
        }
    }

    fn check(&self, client: &str) -> Result<(), Problem> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if calls % PRUNE_EVERY == PRUNE_EVERY - 1 {
            self.prune();
        }
        self.clients
            .check_key(&client.to_owned())
            .map_err(|until| too_many(until.wait_time_from(DefaultClock::default().now())))
    }

    fn prune(&self) {
        if self.clients.len() < self.prune_at.load(Ordering::Relaxed) {
            return;
        }
        self.clients.retain_recent();
        self.clients.shrink_to_fit();
        let next = PRUNE_EVERY.max(self.clients.len() * 2);
        self.prune_at.store(next, Ordering::Relaxed);
    }
}

fn too_many(wait: Duration) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "/problems/rate-limit",
        "Too many requests",
    )
    .detail("Wait as long as Retry-After says, or ask the operator for a higher limit")
    .retry_after(u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::{PRUNE_EVERY, Table};

    #[test]
    fn clients_that_went_away_are_forgotten() {
        // Each is as good as new after a microsecond.
        let table = Table::new(NonZeroU32::new(60_000_000).unwrap());
        for client in 0..100 * PRUNE_EVERY {
            table.check(&client.to_string()).unwrap();
        }
        let left = table.clients.len();
        assert!(left < 10 * PRUNE_EVERY, "{left} clients are remembered");
    }

    #[test]
    fn who_called_too_often_is_remembered() {
        let table = Table::new(NonZeroU32::new(1).unwrap());
        table.check("greedy").unwrap();
        for client in 0..3 * PRUNE_EVERY {
            table.check(&client.to_string()).unwrap();
        }
        assert_eq!(table.check("greedy").unwrap_err().status, 429);
    }
}
