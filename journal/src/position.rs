//! Where in the log: a partition and a sequence in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A commit's place in the log. Order is total within a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Which partition; 0 where there is one.
    pub partition: u16,
    /// From 1 up; 0 is before the first commit.
    pub sequence: u64,
}

/// Written `partition:sequence`, as in the header `Rapport-Position`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.sequence)
    }
}

/// Why a text is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a position looks like 0:1234 (partition, then sequence)")]
pub struct BadPosition;

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let (partition, sequence) = text.trim().split_once(':').ok_or(BadPosition)?;
        Ok(Self {
            partition: partition.parse().map_err(|_| BadPosition)?,
            sequence: sequence.parse().map_err(|_| BadPosition)?,
        })
    }
}
