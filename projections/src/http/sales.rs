//! Routes that read sales.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use commands::desk::Desk;
use commands::http::caller::Caller;
use commands::http::extract::{Id, Params};
use commands::http::problem::Problem;
use commands::http::views::SaleView;
use domain::id::SaleId;
use domain::sale::stage::SaleStage;
use serde::Deserialize;
use utoipa::IntoParams;

use super::card::{self, AsOf};
use super::page::{self, Part};
use super::since::Reading;
use crate::sales::Sales;
use crate::timeline::{Happened, Timeline};

/// Which sales to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SaleList {
    /// Only in this stage.
    pub stage: Option<SaleStage>,
    /// How many; 50 unless said.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u16>,
    /// Where to go on, from the `Link` header.
    #[param(pattern = "^[0-9]{1,19}$")]
    pub cursor: Option<String>,
}

/// Lists sales, the newest first.
#[utoipa::path(get, path = "/api/v1/sales", tag = "sales", params(SaleList),
    responses((status = 200, body = Vec<SaleView>), (status = "4XX", body = Problem)))]
pub async fn list(
    Reading(reader): Reading,
    Params(ask): Params<SaleList>,
    uri: Uri,
) -> Result<Response, Problem> {
    let filters = [("stage", ask.stage.map(|stage| stage.to_string()))];
    let part = Part {
        limit: ask.limit,
        cursor: ask.cursor,
    };
    page::list::<Sales>(&reader, &filters, &part, &uri).await
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
