//! Whose data a read shows, and which writes it must show.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use commands::desk::Desk;
use commands::http::answer::POSITION;
use commands::http::caller::Caller;
use commands::http::problem::Problem;
use journal::position::Position;

use super::ReadApi;
use crate::views::Reader;

/// A reader for the caller's workspace that shows what the caller was told.
pub struct Reading(pub Reader);

impl<S: Send + Sync> FromRequestParts<S> for Reading
where
    ReadApi: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let api = ReadApi::from_ref(state);
        let mut least = api
            .acknowledged
            .last(api.desk.journal().partition(&caller.workspace));
        if let Some(asked) = asked(parts)?
            && asked.partition == least.partition
        {
            if asked.sequence > least.sequence && !api.views.has_shown(asked) {
                expect_written(&api.desk, asked).await?;
            }
            least.sequence = least.sequence.max(asked.sequence);
        }
        Ok(Self(api.views.reader(caller.workspace, least)))
    }
}

/// No answer had a position behind the log's end, and waiting for it would be in vain.
async fn expect_written(desk: &Desk, asked: Position) -> Result<(), Problem> {
    let head = desk.journal().head(asked.partition).await?;
    if asked.sequence <= head.sequence {
        return Ok(());
    }
    Err(Problem::invalid(
        "Rapport-Position",
        format!(
            "{asked} is behind the log's end, {head}: leave the header out, or send one of an answer of this log; a restored log is another one"
        ),
    ))
}

fn asked(parts: &Parts) -> Result<Option<Position>, Problem> {
    let Some(header) = parts.headers.get(POSITION) else {
        return Ok(None);
    };
    let position = header.to_str().ok().and_then(|text| text.parse().ok());
    let position = position.ok_or_else(|| {
        Problem::invalid(
            "Rapport-Position",
            "Rapport-Position looks like 0:1234, as an earlier answer had it",
        )
    })?;
    Ok(Some(position))
}
