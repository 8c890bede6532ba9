//! Routes that read leads.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
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
use super::removed;
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
    #[param(pattern = "^[0-9]{1,19}$")]
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
    let (bodies, next) = page::bodies::<Leads>(&reader, &filters, &part).await?;
    let bodies = removed::now(&reader, bodies).await?;
    Ok(page::linked(page::json_list(&bodies), next, &uri))
}

/// Shows a lead, now or as it was.
#[utoipa::path(get, path = "/api/v1/leads/{id}", tag = "leads", params(("id" = u64, Path), AsOf),
    responses((status = 200, body = LeadView), (status = "4XX", body = Problem)))]
pub async fn card(
    State(desk): State<Desk>,
    Reading(reader): Reading,
    Id(id): Id,
    Params(ask): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let body = card::body::<Leads, _>(&desk, &reader, id, &ask).await?;
    let body = match ask.moment()? {
        Some(at) => removed::then(&desk, &reader, body, at).await?,
        None => removed::now(&reader, vec![body]).await?.remove(0),
    };
    card::tagged(body, &headers)
}

/// Everything that happened to a lead and its sale: who, when, from where, before and after.
#[utoipa::path(get, path = "/api/v1/leads/{id}/timeline", tag = "leads",
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
