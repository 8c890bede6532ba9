//! Routes that read leads.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use commands::desk::Desk;
use commands::http::caller::Caller;
use commands::http::extract::{Id, Params};
use commands::http::problem::Problem;
use commands::http::views::LeadView;
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use domain::lead::stage::{BusinessDomain, LeadSource, LeadStage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::page;
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

/// At which moment.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// As it was at this moment (RFC 3339), from the log.
    pub as_of: Option<String>,
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
    let (limit, before) = (
        page::limit(ask.limit)?,
        page::cursor(ask.cursor.as_deref())?,
    );
    Ok(page::answer(
        &reader.list::<Leads>(&filters, before, limit).await?,
        &uri,
    ))
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
    if let Some(at) = page::moment(ask.as_of.as_deref())? {
        let lead = desk
            .load_as_of::<Lead>(reader.workspace(), LeadId(id), at)
            .await?;
        return Ok(Json(LeadView::found(LeadId(id), &lead)?).into_response());
    }
    let card = reader.card::<Leads>(id).await?;
    card.map(page::json)
        .ok_or_else(|| Problem::not_found(format!("There is no lead {id}")).field("id"))
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
    let until = page::moment(ask.as_of.as_deref())?;
    let timeline = Timeline::new(&desk, &caller.workspace, until);
    page::known(timeline.lead(LeadId(id)).await?, "lead", id)
}
