//! Which status and kind a refusal has: one match per error, no wildcard. Those of an aggregate with routes of
//! its own stand beside these.

use std::error::Error;

use axum::http::StatusCode;
use cqrs_es::AggregateError;
use domain::key::KeyError;
use domain::number::NumbersError;
use domain::webhook::aggregate::WebhookError;
use journal::JournalError;

use super::problem::Problem;
use crate::desk::Unanswered;
use crate::precondition::mismatch;

pub(super) const TRANSITION: (&str, &str) =
    ("/problems/forbidden-transition", "Forbidden transition");
pub(super) const STALE: (&str, &str) = ("/problems/stale", "The screen is stale");
pub(super) const GATE: (&str, &str) = ("/problems/transfer-gate", "Not ready for sales");

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
pub(super) fn failed<E: Error>(error: AggregateError<E>) -> Problem {
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
