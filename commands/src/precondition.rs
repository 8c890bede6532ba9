//! A change that holds for a version of its record: who decided on a state changes that state only.
//!
//! It travels with the request's [`Origin`](crate::origin::Origin) to the desk, which
//! compares it with the version that it appends behind; whatever else the request changes is not
//! touched by it.

use std::fmt::Display;

use cqrs_es::AggregateError;
use serde::{Deserialize, Serialize};

/// A record, and the versions of it that a change holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precondition {
    /// `lead`, `contact`, …
    pub category: String,
    /// The record's id.
    pub id: String,
    /// Any of these; with none of them, the change is refused whatever the record's version is.
    pub versions: Vec<u64>,
}

/// The record is at another version than the change holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is at version {current} by now")]
pub struct VersionMismatch {
    /// The record's version.
    pub current: u64,
}

impl Precondition {
    /// Whether this record may be changed at this version. One that does not exist may: whoever
    /// decides says that it is not there.
    pub fn check(
        &self,
        category: &str,
        id: &impl Display,
        current: u64,
    ) -> Result<(), VersionMismatch> {
        let other = self.category != category || self.id != id.to_string();
        if other || current == 0 || self.versions.contains(&current) {
            Ok(())
        } else {
            Err(VersionMismatch { current })
        }
    }
}

impl<E: std::error::Error> From<VersionMismatch> for AggregateError<E> {
    fn from(mismatch: VersionMismatch) -> Self {
        Self::UnexpectedError(Box::new(mismatch))
    }
}

/// The mismatch behind a failure, where that is what it was.
#[must_use]
pub fn mismatch<E: std::error::Error>(error: &AggregateError<E>) -> Option<VersionMismatch> {
    match error {
        AggregateError::UnexpectedError(error) => error.downcast_ref().copied(),
        AggregateError::UserError(_)
        | AggregateError::AggregateConflict
        | AggregateError::DatabaseConnectionError(_)
        | AggregateError::DeserializationError(_) => None,
    }
}
