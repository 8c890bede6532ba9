//! Routes that read leads.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use commands::desk::Desk;
use commands::http::access::open_to;
use commands::http::caller::Caller;
use commands::http::extract::{Id, Params};
use commands::http::problem::Problem;
use commands::http::views::LeadView;
use domain::id::LeadId;
use domain::key::Role;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ReadApi;
use super::card::{self, AsOf};
use super::expand::{self, ListedLead};
use super::list::ListQuery;
use super::removed;
use super::since::Reading;
use crate::leads::Leads;
use crate::timeline::{Happened, Timeline};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<ReadApi> {
    OpenApiRouter::new()
        .routes(open_to(Role::Analyst, routes!(list)))
        .routes(open_to(Role::Analyst, routes!(card)))
        .routes(open_to(Role::Analyst, routes!(timeline)))
}

/// Which leads to list.
pub type LeadList = ListQuery<Leads>;

/// Lists leads, the newest first unless asked otherwise.
#[utoipa::path(get, path = "/api/v1/leads", tag = "leads", params(LeadList),
    responses((status = 200, body = Vec<ListedLead>), (status = "4XX", body = Problem)))]
pub async fn list(Reading(reader): Reading, ask: LeadList, uri: Uri) -> Result<Response, Problem> {
    let mut part = ask.read(&reader).await?;
    part.bodies = removed::now(&reader, part.bodies).await?;
    if ask.expands {
        part.bodies = expand::leads(&reader, part.bodies).await?;
    }
    Ok(part.answer(&uri))
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
