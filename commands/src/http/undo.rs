//! The route that undoes an earlier change.

use axum::extract::State;
use domain::key::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::access::open_to;
use super::answer::Changed;
use super::api::Api;
use super::caller::Caller;
use super::extract::Body;
use super::problem::Problem;
use super::refusals::moved;
use crate::undo::{UndoError, Undone, What};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(open_to(Role::Operator, routes!(undo)))
}

/// What to undo: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The change at this position, as `0:12`.
    #[schema(pattern = "^[0-9]{1,5}:[0-9]{1,18}$")]
    pub position: Option<String>,
    /// Everything that one request or one import caused.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub correlation: Option<Uuid>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct UndoView {
    /// Events that were reversed.
    pub reversed: Vec<Undone>,
    /// Events that are kept, and why.
    pub kept: Vec<Undone>,
}

/// Reverses an earlier change by ordinary events; what was touched since is kept and says why.
#[utoipa::path(post, path = "/api/v1/undo", tag = "undo", request_body = Undo,
    responses((status = 200, body = UndoView), (status = 404, body = Problem), (status = "4XX", body = Problem)))]
pub async fn undo(
    State(api): State<Api>,
    caller: Caller,
    Body(ask): Body<Undo>,
) -> Result<Changed<UndoView>, Problem> {
    let what = match (ask.position.as_deref().map(str::parse), ask.correlation) {
        (Some(Ok(position)), None) => What::At(position),
        (Some(Err(_)), _) => {
            return Err(Problem::invalid(
                "position",
                "position looks like 0:12, as GET …/timeline has it",
            ));
        }
        (None, Some(correlation)) => What::Request(correlation),
        (Some(Ok(_)), Some(_)) | (None, None) => {
            return Err(Problem::invalid(
                "position",
                "name either a position or a correlation, as GET …/timeline has them",
            ));
        }
    };
    let (outcomes, position) = api.undoing.undo(what, &caller.origin()).await?;
    let (kept, reversed) = outcomes
        .into_iter()
        .partition(|undone| undone.kept.is_some());
    Ok(api.changed(UndoView { reversed, kept }, position))
}

impl From<UndoError> for Problem {
    fn from(error: UndoError) -> Self {
        let detail = error.to_string();
        match error {
            UndoError::Nothing => Self::not_found(detail).field("position"),
            UndoError::Another(_) => Self::invalid("position", detail),
            UndoError::Busy => moved(detail),
            UndoError::Contacts(error) => error.into(),
            UndoError::Journal(error) => error.into(),
            UndoError::Halfway { why, .. } => Self::from(*why).detail(detail),
        }
    }
}
