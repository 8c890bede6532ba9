//! Routes that declare and change pipelines.
//!
//! - [`asks`]: bodies; [`view`]: what a pipeline looks like; `refusals`: why one is refused

pub mod asks;
mod refusals;
pub mod view;

use axum::extract::{Path, State};
use domain::key::Role;
use domain::pipeline::aggregate::Pipeline;
use domain::pipeline::command::PipelineCommand;
use domain::pipeline::{PipelineId, StageKey};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::open_to;
use super::answer::Changed;
use super::api::Api;
use super::caller::Caller;
use super::extract::Body;
use super::problem::Problem;
use asks::{AddStage, ChangePipeline, ChangeStage, OpenPipeline, ReorderStages};
use view::PipelineView;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(open_to(Role::Admin, routes!(open)))
        .routes(open_to(Role::Admin, routes!(change)))
        .routes(open_to(Role::Admin, routes!(add_stage)))
        .routes(open_to(Role::Admin, routes!(change_stage)))
        .routes(open_to(Role::Admin, routes!(reorder)))
}

/// Declares a pipeline of one's own.
#[utoipa::path(post, path = "/api/v1/pipelines", tag = "pipelines", operation_id = "open_pipeline",
    request_body = OpenPipeline, responses((status = 201, body = PipelineView), (status = "4XX", body = Problem)))]
pub async fn open(
    State(api): State<Api>,
    caller: Caller,
    Body(ask): Body<OpenPipeline>,
) -> Result<Changed<PipelineView>, Problem> {
    let key = ask.key;
    let changed = send(&api, key, ask.into(), &caller).await?;
    Ok(Changed {
        created: Some(format!("/api/v1/pipelines/{key}")),
        ..changed
    })
}

/// Renames a pipeline, or retires it: then nothing new comes in.
#[utoipa::path(patch, path = "/api/v1/pipelines/{key}", tag = "pipelines", operation_id = "change_pipeline",
    request_body = ChangePipeline, params(("key" = PipelineId, Path)),
    responses((status = 200, body = PipelineView), (status = "4XX", body = Problem)))]
pub async fn change(
    State(api): State<Api>,
    Path(key): Path<String>,
    caller: Caller,
    Body(ask): Body<ChangePipeline>,
) -> Result<Changed<PipelineView>, Problem> {
    let key = pipeline(&key)?;
    let ChangePipeline { name, retired } = ask;
    let command = PipelineCommand::Change { key, name, retired };
    send(&api, key, command, &caller).await
}

/// Adds a stage to a pipeline.
#[utoipa::path(post, path = "/api/v1/pipelines/{key}/stages", tag = "pipelines", operation_id = "add_stage",
    request_body = AddStage, params(("key" = PipelineId, Path)),
    responses((status = 200, body = PipelineView), (status = "4XX", body = Problem)))]
pub async fn add_stage(
    State(api): State<Api>,
    Path(key): Path<String>,
    caller: Caller,
    Body(ask): Body<AddStage>,
) -> Result<Changed<PipelineView>, Problem> {
    let key = pipeline(&key)?;
    send(&api, key, ask.command(key), &caller).await
}

/// Renames a stage, says what may follow it, or retires it: then nobody comes there.
#[utoipa::path(patch, path = "/api/v1/pipelines/{key}/stages/{stage}", tag = "pipelines",
    operation_id = "change_stage_of_pipeline", request_body = ChangeStage,
    params(("key" = PipelineId, Path), ("stage" = StageKey, Path)),
    responses((status = 200, body = PipelineView), (status = "4XX", body = Problem)))]
pub async fn change_stage(
    State(api): State<Api>,
    Path((key, stage)): Path<(String, String)>,
    caller: Caller,
    Body(ask): Body<ChangeStage>,
) -> Result<Changed<PipelineView>, Problem> {
    let key = pipeline(&key)?;
    let stage = stage.parse();
    let stage = stage.map_err(|_| Problem::not_found("There is no such stage").field("stage"))?;
    send(&api, key, ask.command(key, stage), &caller).await
}

/// Puts the stages of a pipeline into another order.
#[utoipa::path(put, path = "/api/v1/pipelines/{key}/order", tag = "pipelines", operation_id = "reorder_stages",
    request_body = ReorderStages, params(("key" = PipelineId, Path)),
    responses((status = 200, body = PipelineView), (status = "4XX", body = Problem)))]
pub async fn reorder(
    State(api): State<Api>,
    Path(key): Path<String>,
    caller: Caller,
    Body(ask): Body<ReorderStages>,
) -> Result<Changed<PipelineView>, Problem> {
    let (key, stages) = (pipeline(&key)?, ask.stages);
    let command = PipelineCommand::Reorder { key, stages };
    send(&api, key, command, &caller).await
}

/// The key that a part of a path is; what is no key names nothing.
pub fn pipeline(text: &str) -> Result<PipelineId, Problem> {
    text.parse().map_err(|_| unknown())
}

/// That there is no such pipeline.
#[must_use]
pub fn unknown() -> Problem {
    let detail = "There is no such pipeline; GET /api/v1/pipelines lists them";
    Problem::not_found(detail).field("key")
}

async fn send(
    api: &Api,
    key: PipelineId,
    command: PipelineCommand,
    caller: &Caller,
) -> Result<Changed<PipelineView>, Problem> {
    let origin = caller.changing::<Pipeline>(key);
    let after = api.desk.send::<Pipeline>(key, command, &origin).await?;
    api.pipelines.changed(&caller.workspace, key);
    let view = PipelineView::of(key, &after).ok_or_else(unknown)?;
    Ok(api.changed(view, after.position()).version(after.version))
}
