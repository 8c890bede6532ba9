//! Claims: who carries out a request that must happen once, kept for 30 days.

use std::time::Duration;

use crate::token::Token;

/// How long a claim is kept.
pub const KEPT: Duration = Duration::from_hours(720);

/// What a claim is for: a workspace, and a hash of caller, route and idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimKey {
    /// Whose.
    pub workspace: Token,
    /// What for.
    pub key: Token,
}

/// A claim as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Changes with every put; what the next put must name.
    pub revision: u64,
    /// What the claimant keeps there.
    pub body: Vec<u8>,
}
