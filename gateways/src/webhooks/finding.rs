//! What a person may find out of a delivery whose sender died before it could say.

use domain::effect::Outcome;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The receiver has it.
    Delivered,
    /// It has not: send it again, now.
    Retry,
    /// It has not, and is not to have it.
    Dead,
}

impl Finding {
    /// What that means for the attempt, at this moment.
    #[must_use]
    pub const fn at(self, now: Timestamp) -> Outcome {
        match self {
            Self::Delivered => Outcome::Done,
            Self::Retry => Outcome::Failed { retry_at: now },
            Self::Dead => Outcome::GaveUp,
        }
    }
}
