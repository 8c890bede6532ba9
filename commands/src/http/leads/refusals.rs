//! Which status and kind a refusal of a lead has.

use domain::lead::aggregate::LeadError;

use crate::http::problem::Problem;
use crate::http::refusals::{GATE, STALE, TRANSITION};

impl From<LeadError> for Problem {
    fn from(refusal: LeadError) -> Self {
        let detail = refusal.to_string();
        let conflict = |(kind, title)| Self::conflict(kind, title, detail.clone());
        match refusal {
            LeadError::NotOpen => Self::not_found(detail).field("id"),
            LeadError::AlreadyOpen => conflict(("/problems/exists", "It exists already")),
            LeadError::Stale { .. } => conflict(STALE).field("seen"),
            LeadError::NoStep(refusal) => refusal.into(),
            LeadError::UseTransfer => conflict(TRANSITION).field("stage"),
            LeadError::NoTransfer(_) => conflict(TRANSITION).field("pipeline"),
            LeadError::Closed { .. } => conflict(("/problems/closed", "The lead is closed")),
            LeadError::AlreadyTransferred { .. } => {
                conflict(("/problems/already-transferred", "Already transferred"))
            }
            LeadError::BadIncrement => Self::invalid("increment", detail),
            LeadError::NotAnalyzed | LeadError::ScoreTooLow { .. } => conflict(GATE),
            LeadError::NoDomain => conflict(GATE).field("business_domain"),
            LeadError::BadText { field, .. } => Self::invalid(body_field(&field), detail),
            LeadError::TooManyTags => Self::invalid("tags", detail),
        }
    }
}

/// A field's name as a body has it: `utm.source`.
fn body_field(field: &str) -> String {
    field.replacen("utm_", "utm.", 1)
}
