//! Which status and kind a refusal of the domain has: one match per aggregate, no wildcard.

use std::error::Error;

use axum::http::StatusCode;
use cqrs_es::AggregateError;
use domain::automation::AutomationError;
use domain::contact::aggregate::ContactError;
use domain::key::KeyError;
use domain::lead::aggregate::LeadError;
use domain::number::NumbersError;
use domain::sale::aggregate::SaleError;
use domain::webhook::aggregate::WebhookError;
use journal::JournalError;

use super::problem::Problem;
use crate::contacts::ContactsError;
use crate::desk::Unanswered;
use crate::precondition::mismatch;
use crate::sales::TransferError;

pub(super) const TRANSITION: (&str, &str) =
    ("/problems/forbidden-transition", "Forbidden transition");
const STALE: (&str, &str) = ("/problems/stale", "The screen is stale");
const GATE: (&str, &str) = ("/problems/transfer-gate", "Not ready for sales");

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

impl From<SaleError> for Problem {
    fn from(refusal: SaleError) -> Self {
        let detail = refusal.to_string();
        let conflict = |(kind, title)| Self::conflict(kind, title, detail.clone());
        match refusal {
            SaleError::NotOpen => Self::not_found(detail).field("id"),
            SaleError::AlreadyOpen { .. } => conflict(("/problems/exists", "It exists already")),
            SaleError::Stale { .. } => conflict(STALE).field("seen"),
            SaleError::NoStep(refusal) => refusal.into(),
            SaleError::Closed { .. } => {
                conflict(("/problems/closed", "The sale is closed")).field("amount")
            }
        }
    }
}

impl From<ContactError> for Problem {
    fn from(refusal: ContactError) -> Self {
        let detail = refusal.to_string();
        match refusal {
            ContactError::NotFound => Self::not_found(detail).field("id"),
            ContactError::AlreadyCreated => {
                Self::conflict("/problems/exists", "It exists already", detail)
            }
            ContactError::MovedOn => moved(detail),
            ContactError::BadText { field, .. } => Self::invalid(field.as_str(), detail),
            ContactError::TooMany { kind } => Self::invalid(format!("{kind}s"), detail),
            ContactError::BadTag { field, .. } => Self::invalid(field, detail),
            ContactError::TooManyTags => Self::invalid("tags", detail),
            ContactError::TooManyLinks => Self::invalid("links", detail),
            ContactError::BadNote { .. } => Self::invalid("text", detail),
        }
    }
}

impl From<ContactsError> for Problem {
    fn from(error: ContactsError) -> Self {
        let detail = error.to_string();
        match error {
            ContactsError::Contact(error) => error.into(),
            ContactsError::Taken { kind, owner } => {
                Self::conflict("/problems/taken", "Another contact has it", detail)
                    .field(format!("{kind}s"))
                    .contacts([owner])
            }
            ContactsError::Busy { kind, seconds } => {
                Self::conflict("/problems/busy", "In use right now", detail)
                    .field(format!("{kind}s"))
                    .retry_after(seconds.into())
            }
            ContactsError::Several { owners } => {
                Self::conflict("/problems/several", "Several contacts have it", detail)
                    .field("phones")
                    .contacts(owners)
            }
            ContactsError::Unknown { .. } => Self::invalid("contact_id", detail),
            ContactsError::Failed(error) => failed(error),
        }
    }
}

impl From<TransferError> for Problem {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Lead(error) => error.into(),
            TransferError::Sale(error) => error.into(),
            TransferError::Pipeline(error) => error.into(),
            TransferError::Journal(error) => error.into(),
            TransferError::Number(error) => error.into(),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(refusal: KeyError) -> Self {
        let detail = refusal.to_string();
        match refusal {
            KeyError::NotIssued => Self::not_found(detail).field("id"),
            KeyError::AlreadyIssued => {
                Self::conflict("/problems/exists", "It exists already", detail)
            }
            KeyError::BadName(_) => Self::invalid("name", detail),
        }
    }
}

impl From<AutomationError> for Problem {
    fn from(refusal: AutomationError) -> Self {
        let detail = refusal.to_string();
        match refusal {
            AutomationError::BadValue { .. } => Self::invalid("value", detail),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(refusal: WebhookError) -> Self {
        let detail = refusal.to_string();
        match refusal {
            WebhookError::NotFound => Self::not_found(detail).field("id"),
            WebhookError::AlreadyRegistered => {
                Self::conflict("/problems/exists", "It exists already", detail)
            }
            WebhookError::Off { .. } => {
                Self::conflict("/problems/webhook-off", "The webhook is off", detail)
                    .field("enabled")
            }
            WebhookError::ReadElsewhere { .. } => moved(detail),
            WebhookError::NotUnknown => {
                Self::conflict("/problems/not-unknown", "Nothing to find out", detail)
                    .field("delivery")
            }
            WebhookError::Full => {
                Self::conflict("/problems/busy", "In use right now", detail).retry_after(60)
            }
        }
    }
}

impl From<NumbersError> for Problem {
    fn from(refusal: NumbersError) -> Self {
        Self::internal(&refusal)
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        failed(crate::desk::failed::<std::convert::Infallible>(error))
    }
}

impl<E: Error> From<AggregateError<E>> for Problem
where
    Self: From<E>,
{
    fn from(error: AggregateError<E>) -> Self {
        match error {
            AggregateError::UserError(refusal) => refusal.into(),
            error @ (AggregateError::AggregateConflict
            | AggregateError::DatabaseConnectionError(_)
            | AggregateError::DeserializationError(_)
            | AggregateError::UnexpectedError(_)) => failed(error),
        }
    }
}

/// What is nobody's wish: a lost race, a log that does not answer, a fault of ours.
fn failed<E: Error>(error: AggregateError<E>) -> Problem {
    if let Some(moved) = mismatch(&error) {
        return Problem::precondition_failed(moved.current);
    }
    match error {
        AggregateError::AggregateConflict => moved("Reload and decide again."),
        AggregateError::DatabaseConnectionError(error) => {
            tracing::error!(%error, "the log does not answer");
            if let Some(Unanswered::NobodyListens) = error.downcast_ref() {
                return Problem::unavailable(
                    "No process with the role commands runs, so nothing can be changed; send the same request again, with the same Idempotency-Key if it has one.",
                );
            }
            Problem::unavailable(
                "The event log does not answer; send the same request again, with the same Idempotency-Key if it has one.",
            )
        }
        AggregateError::UnexpectedError(error) if is_too_large(&*error) => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "/problems/too-large",
            "Too large",
        )
        .detail(error.to_string()),
        AggregateError::DeserializationError(error) => {
            tracing::error!(%error, "a record cannot be read");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "/problems/unreadable",
                "The record cannot be read",
            )
            .detail(format!(
                "{error}. Nothing was changed, and other records are not concerned; rapport events \
                 verify says more to whoever operates this installation"
            ))
        }
        AggregateError::UserError(_) | AggregateError::UnexpectedError(_) => {
            Problem::internal(&error)
        }
    }
}

/// Someone else came first; trying again soon helps.
pub(super) fn moved(detail: impl Into<String>) -> Problem {
    Problem::conflict("/problems/conflict", "Someone else was faster", detail).retry_after(1)
}

fn is_too_large(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(JournalError::TooLarge { .. }))
}
