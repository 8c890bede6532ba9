//! Routes that read pipelines.

use axum::Json;
use axum::extract::{Path, State};
use commands::desk::Desk;
use commands::http::access::open_to;
use commands::http::caller::Caller;
use commands::http::extract::Params;
use commands::http::pipelines::view::PipelineView;
use commands::http::pipelines::{pipeline, unknown};
use commands::http::problem::Problem;
use domain::key::Role;
use domain::pipeline::PipelineId;
use domain::pipeline::aggregate::Pipeline;
use journal::token::Token;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ReadApi;
use super::card::AsOf;
use super::since::Reading;
use crate::pipelines;
use crate::timeline::{Happened, Timeline};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<ReadApi> {
    OpenApiRouter::new()
        .routes(open_to(Role::Analyst, routes!(list)))
        .routes(open_to(Role::Analyst, routes!(card)))
        .routes(open_to(Role::Analyst, routes!(timeline)))
}

/// Lists the pipelines of the workspace, now or as they were.
#[utoipa::path(get, path = "/api/v1/pipelines", tag = "pipelines", operation_id = "list_pipelines", params(AsOf),
    responses((status = 200, body = Vec<PipelineView>), (status = "4XX", body = Problem)))]
pub async fn list(
    State(desk): State<Desk>,
    Reading(reader): Reading,
    Params(ask): Params<AsOf>,
) -> Result<Json<Vec<PipelineView>>, Problem> {
    let mut all = Vec::new();
    for key in pipelines::keys(&reader).await? {
        all.extend(view(&desk, reader.workspace(), key, &ask).await?);
    }
    Ok(Json(all))
}

/// Shows a pipeline, now or as it was.
#[utoipa::path(get, path = "/api/v1/pipelines/{key}", tag = "pipelines", operation_id = "pipeline",
    params(("key" = PipelineId, Path), AsOf),
    responses((status = 200, body = PipelineView), (status = "4XX", body = Problem)))]
pub async fn card(
    State(desk): State<Desk>,
    Path(key): Path<String>,
    caller: Caller,
    Params(ask): Params<AsOf>,
) -> Result<Json<PipelineView>, Problem> {
    let view = view(&desk, &caller.workspace, pipeline(&key)?, &ask).await?;
    view.map(Json).ok_or_else(unknown)
}

/// Everything that happened to a pipeline since it was declared or first changed.
#[utoipa::path(get, path = "/api/v1/pipelines/{key}/timeline", tag = "pipelines", operation_id = "pipeline_timeline",
    params(("key" = PipelineId, Path), AsOf),
    responses((status = 200, body = Vec<Happened>), (status = "4XX", body = Problem)))]
pub async fn timeline(
    State(desk): State<Desk>,
    Path(key): Path<String>,
    caller: Caller,
    Params(ask): Params<AsOf>,
) -> Result<Json<Vec<Happened>>, Problem> {
    let (key, now) = (pipeline(&key)?, AsOf { as_of: None });
    view(&desk, &caller.workspace, key, &now)
        .await?
        .ok_or_else(unknown)?;
    let timeline = Timeline::new(&desk, &caller.workspace, ask.moment()?);
    Ok(Json(timeline.pipeline(key).await?))
}

async fn view(
    desk: &Desk,
    workspace: &Token,
    key: PipelineId,
    ask: &AsOf,
) -> Result<Option<PipelineView>, Problem> {
    let Some(at) = ask.moment()? else {
        let now = desk.load::<Pipeline>(workspace, key).await?;
        return Ok(PipelineView::of(key, &now));
    };
    let then = desk.load_as_of::<Pipeline>(workspace, key, at).await?;
    Ok(PipelineView::of(key, &then))
}
