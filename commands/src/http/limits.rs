//! How often a kind of client may call.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::problem::Problem;
use axum::http::StatusCode;

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
    anonymous: Arc<DefaultKeyedRateLimiter<String>>,
    key: Arc<DefaultKeyedRateLimiter<String>>,
    /// Keys that have to be looked up in the log: whoever invents keys costs reads.
    unseen: Arc<DefaultKeyedRateLimiter<String>>,
}

impl Limiter {
    /// A limiter that has counted nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let keyed = |a_minute| Arc::new(RateLimiter::keyed(Quota::per_minute(a_minute)));
        Self {
            anonymous: keyed(limits.anonymous),
            key: keyed(limits.key),
            unseen: keyed(limits.key),
        }
    }

    /// Counts a call without a key, from this address.
    pub fn anonymous(&self, address: &str) -> Result<(), Problem> {
        check(&self.anonymous, address)
    }

    /// Counts a key that was not seen lately, from this address.
    pub fn unseen(&self, address: &str) -> Result<(), Problem> {
        check(&self.unseen, address)
    }

    /// Counts a call with this key.
    pub fn key(&self, key: &str) -> Result<(), Problem> {
        check(&self.key, key)
    }
}

fn check(limiter: &DefaultKeyedRateLimiter<String>, client: &str) -> Result<(), Problem> {
    limiter.check_key(&client.to_owned()).map_err(|until| {
        let wait: Duration = until.wait_time_from(DefaultClock::default().now());
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "/problems/rate-limit",
            "Too many requests",
        )
        .detail("Wait as long as Retry-After says, or ask the operator for a higher limit")
        .retry_after(wait.as_secs() + 1)
    })
}
