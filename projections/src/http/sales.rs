//! Routes that read sales.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use commands::desk::Desk;
use commands::http::access::open_to;
use commands::http::caller::Caller;
use commands::http::extract::{Id, Params};
use commands::http::problem::Problem;
use commands::http::views::SaleView;
use domain::id::SaleId;
use domain::key::Role;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ReadApi;
use super::card::{self, AsOf};
use super::expand::{self, ListedSale};
use super::list::ListQuery;
use super::since::Reading;
use crate::sales::Sales;
use crate::timeline::{Happened, Timeline};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<ReadApi> {
    OpenApiRouter::new()
        .routes(open_to(Role::Analyst, routes!(list)))
        .routes(open_to(Role::Analyst, routes!(card)))
        .routes(open_to(Role::Analyst, routes!(timeline)))
}

/// Which sales to list.
pub type SaleList = ListQuery<Sales>;

/// Lists sales, the newest first unless asked otherwise.
#[utoipa::path(get, path = "/api/v1/sales", tag = "sales", params(SaleList),
    responses((status = 200, body = Vec<ListedSale>), (status = "4XX", body = Problem)))]
pub async fn list(Reading(reader): Reading, ask: SaleList, uri: Uri) -> Result<Response, Problem> {
    let mut part = ask.read(&reader).await?;
    if ask.expands {
        part.bodies = expand::sales(&reader, part.bodies).await?;
    }
    Ok(part.answer(&uri))
}

/// Shows a sale, now or as it was.
#[utoipa::path(get, path = "/api/v1/sales/{id}", tag = "sales", params(("id" = u64, Path), AsOf),
    responses((status = 200, body = SaleView), (status = "4XX", body = Problem)))]
pub async fn card(
    State(desk): State<Desk>,
    Reading(reader): Reading,
    Id(id): Id,
    Params(ask): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    card::answer::<Sales, _>(&desk, &reader, id, &ask, &headers).await
}

/// Everything that happened to a sale: who, when, from where, before and after.
#[utoipa::path(get, path = "/api/v1/sales/{id}/timeline", tag = "sales",
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
    card::known(timeline.sale(SaleId(id)).await?, "sale", id)
}
