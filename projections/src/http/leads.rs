//! Routes that read leads.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use commands::desk::Desk;
use commands::http::caller::Caller;
use commands::http::extract::{Id, Params};
use commands::http::problem::Problem;
use commands::http::views::LeadView;
use domain::id::LeadId;
use domain::lead::stage::{BusinessDomain, LeadSource, LeadStage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::card::{self, AsOf};
use super::page::{self, Part};
use super::since::Reading;
use crate::leads::Leads;
use crate::timeline::{Happened, Timeline};

/// Which leads to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LeadList {
    /// Only in this stage.
    pub stage: Option<LeadStage>,
    /// Only from here.
    pub source: Option<LeadSource>,
    /// Only of this line of business.
    pub business_domain: Option<BusinessDomain>,
    /// How many; 50 unless said.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u16>,
    /// Where to go on, from the `Link` header.
    pub cursor: Option<String>,
}

/// Lists leads, the newest first.
#[utoipa::path(get, path = "/api/v1/leads", tag = "leads", params(LeadList),
    responses((status = 200, body = Vec<LeadView>), (status = "4XX", body = Problem)))]
pub async fn list(
    Reading(reader): Reading,
    Params(ask): Params<LeadList>,
    uri: Uri,
) -> Result<Response, Problem> {
    let filters = [
        ("stage", ask.stage.map(|stage| stage.to_string())),
        ("source", ask.source.map(|source| source.to_string())),
        (
            "business_domain",
            ask.business_domain.map(|domain| domain.to_string()),
        ),
    ];
    let part = Part {
        limit: ask.limit,
        cursor: ask.cursor,
    };
    page::list::<Leads>(&reader, &filters, &part, &uri).await
}

/// Shows a lead, now or as it was.
#[utoipa::path(get, path = "/api/v1/leads/{id}", tag = "leads", params(("id" = u64, Path), AsOf),
    responses((status = 200, body = LeadView), (status = "4XX", body = Problem)))]
pub async fn card(
    State(desk): State<Desk>,
    Reading(reader): Reading,
    Id(id): Id,
    Params(ask): Params<AsOf>,
) -> Result<Response, Problem> {
    card::answer::<Leads, _>(&desk, &reader, id, &ask).await
}

/// Everything that happened to a lead and its sale: who, when, from where, before and after.
#[utoipa::path(get, path = "/api/v1/leads/{id}/timeline", tag = "leads", operation_id = "lead_timeline",
    params(("id" = u64, Path), AsOf),
    responses((status = 200, body = Vec<Happened>), (status = "4XX", body = Problem)))]
pub async fn timeline(
    State(desk): State<Desk>,
    caller: Caller,
    Id(id): Id,
    Params(ask): Params<AsOf>,
) -> Result<Json<Vec<Happened>>, Problem> {
    let until = ask.moment()?;
    let timeline = Timeline::new(&desk, &caller.workspace, until);
    card::known(timeline.lead(LeadId(id)).await?, "lead", id)
}
