//! Cursors: how far those have come who act on the log, kept beside it for as long as it lives.
//!
//! Unlike a claim a cursor never expires: a policy that was quiet for a month must not begin anew.

use domain::policy::PolicyId;

use crate::JournalError;
use crate::token::Token;

/// A cursor as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Changes with every put; what the next put must name.
    pub revision: u64,
    /// What its holder keeps there.
    pub body: Vec<u8>,
}

/// The name of a policy's cursor in a partition.
pub fn name_of(policy: PolicyId, partition: u16) -> Result<Token, JournalError> {
    let name = format!("policy-{policy}-{partition}");
    Token::try_new(&name).map_err(|bad| JournalError::Malformed(bad.to_string()))
}

/// The names of all cursors of a log with this many partitions.
pub fn names(partitions: u16) -> Result<Vec<Token>, JournalError> {
    let policies = PolicyId::ALL.iter();
    policies
        .flat_map(|policy| (0..partitions).map(|partition| name_of(*policy, partition)))
        .collect()
}
