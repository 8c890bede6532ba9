//! Routes that count.

use axum::Json;
use axum::extract::State;
use commands::http::access::open_to;
use commands::http::extract::Params;
use commands::http::problem::Problem;
use domain::key::Role;
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::pipeline::PipelineId;
use domain::pipeline::table::{Kind, Table};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ReadApi;
use super::since::Reading;
use crate::dashboard::{self, DashboardView, LeadsByStage, SalesByStage};
use crate::funnel::{self, FunnelView, Which};
use crate::period::When;
use crate::pipelines;
use crate::views::Reader;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<ReadApi> {
    OpenApiRouter::new()
        .routes(open_to(Role::Analyst, routes!(dashboard)))
        .routes(open_to(Role::Analyst, routes!(leads_by_stage)))
        .routes(open_to(Role::Analyst, routes!(sales_by_stage)))
        .routes(open_to(Role::Analyst, routes!(conversion_funnel)))
}

/// Which leads and sales are counted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PeriodParams {
    /// Those that came in from this day of the workspace's zone on, as `2026-11-01`, or from this
    /// moment on, with its offset: `2026-11-01T08:30:00+02:00`.
    pub from: Option<String>,
    /// Those that came in until the end of this day, or before this moment.
    pub to: Option<String>,
}

/// Which leads or sales are counted, of one pipeline.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BoardParams {
    /// Those that came in from this day of the workspace's zone on, as `2026-11-01`, or from this
    /// moment on, with its offset: `2026-11-01T08:30:00+02:00`.
    pub from: Option<String>,
    /// Those that came in until the end of this day, or before this moment.
    pub to: Option<String>,
    /// What they follow; `sales-team`, and for sales `sales`, unless named.
    pub pipeline: Option<PipelineId>,
}

impl PeriodParams {
    fn when(&self, api: &ReadApi) -> Result<When, Problem> {
        let when = When::asked(self.from.as_deref(), self.to.as_deref(), &api.zone)?;
        Ok(when)
    }
}

/// Which leads the funnel counts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FunnelParams {
    /// Those that came in from this day of the workspace's zone on, as `2026-11-01`, or from this
    /// moment on, with its offset: `2026-11-01T08:30:00+02:00`.
    pub from: Option<String>,
    /// Those that came in until the end of this day, or before this moment.
    pub to: Option<String>,
    /// Where they came from.
    pub source: Option<LeadSource>,
    /// The line of business.
    pub business_domain: Option<BusinessDomain>,
    /// What they follow; `sales-team` unless named.
    pub pipeline: Option<PipelineId>,
}

/// Everything at a glance.
#[utoipa::path(get, path = "/api/v1/dashboard", tag = "dashboard", params(PeriodParams),
    responses((status = 200, body = DashboardView), (status = "4XX", body = Problem)))]
pub async fn dashboard(
    Reading(reader): Reading,
    State(api): State<ReadApi>,
    Params(ask): Params<PeriodParams>,
) -> Result<Json<DashboardView>, Problem> {
    let when = ask.when(&api)?;
    let tables = pipelines::all(&reader, &api.pipelines).await?;
    Ok(Json(dashboard::read(&reader, &when, &tables).await?))
}

/// Leads, stage by stage.
#[utoipa::path(get, path = "/api/v1/dashboard/leads-by-stage", tag = "dashboard", params(BoardParams),
    responses((status = 200, body = Vec<LeadsByStage>), (status = "4XX", body = Problem)))]
pub async fn leads_by_stage(
    Reading(reader): Reading,
    State(api): State<ReadApi>,
    Params(ask): Params<BoardParams>,
) -> Result<Json<Vec<LeadsByStage>>, Problem> {
    let when = When::asked(ask.from.as_deref(), ask.to.as_deref(), &api.zone)?;
    let table = board(&reader, &api, ask.pipeline, Kind::Lead).await?;
    Ok(Json(
        dashboard::leads_by_stage(&reader, &when, &table).await?,
    ))
}

/// Sales, stage by stage.
#[utoipa::path(get, path = "/api/v1/dashboard/sales-by-stage", tag = "dashboard", params(BoardParams),
    responses((status = 200, body = Vec<SalesByStage>), (status = "4XX", body = Problem)))]
pub async fn sales_by_stage(
    Reading(reader): Reading,
    State(api): State<ReadApi>,
    Params(ask): Params<BoardParams>,
) -> Result<Json<Vec<SalesByStage>>, Problem> {
    let when = When::asked(ask.from.as_deref(), ask.to.as_deref(), &api.zone)?;
    let table = board(&reader, &api, ask.pipeline, Kind::Sale).await?;
    Ok(Json(
        dashboard::sales_by_stage(&reader, &when, &table).await?,
    ))
}

/// How many leads entered each stage, went on, were lost, and how long they stayed.
#[utoipa::path(get, path = "/api/v1/dashboard/conversion-funnel", tag = "dashboard", params(FunnelParams),
    responses((status = 200, body = FunnelView), (status = "4XX", body = Problem)))]
pub async fn conversion_funnel(
    Reading(reader): Reading,
    State(api): State<ReadApi>,
    Params(ask): Params<FunnelParams>,
) -> Result<Json<FunnelView>, Problem> {
    let which = Which {
        pipeline: board(&reader, &api, ask.pipeline, Kind::Lead).await?,
        when: When::asked(ask.from.as_deref(), ask.to.as_deref(), &api.zone)?,
        source: ask.source,
        business_domain: ask.business_domain,
    };
    Ok(Json(funnel::read(&reader, &which).await?))
}

/// The pipeline whose board is asked for.
async fn board(
    reader: &Reader,
    api: &ReadApi,
    asked: Option<PipelineId>,
    kind: Kind,
) -> Result<Table, Problem> {
    let wanted = asked.unwrap_or(PipelineId::usual(kind));
    let tables = pipelines::tables(reader, &api.pipelines, kind).await?;
    pipelines::named(&tables, wanted.as_str()).cloned()
}
