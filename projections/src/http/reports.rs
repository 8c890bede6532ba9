//! Reports over HTTP: what there is, and one of them as JSON or CSV.

mod asked;
mod catalog;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use commands::http::access::open_to;
use commands::http::extract::Params;
use commands::http::problem::Problem;
use domain::key::Role;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ReadApi;
use super::since::Reading;
use crate::reports::read::{MOST_ROWS, ReportError};
use crate::reports::table::ReportTable;
pub use asked::ReportParams;
use asked::{Asked, wants_csv};
pub use catalog::{Catalog, DimensionView, MeasureView};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<ReadApi> {
    OpenApiRouter::new()
        .routes(open_to(Role::Analyst, routes!(catalog)))
        .routes(open_to(Role::Analyst, routes!(report)))
}

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportView {
    /// Which figure it is of.
    pub measure: &'static str,
    /// In what its values are: `count`, `money`, `money_per_day`, `share`, `seconds`.
    pub unit: &'static str,
    /// What a value says.
    pub meaning: &'static str,
    /// `day`, `week` or `month`, where the period is divided.
    pub per: Option<&'static str>,
    /// The columns that rows are grouped by. Money always has `currency`.
    pub by: Vec<&'static str>,
    /// The period's first moment, where it has one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<String>,
    /// The moment before which it ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<String>,
    /// The zone whose days, weeks and months are counted.
    pub time_zone: String,
    /// The moment as of which it is, where that is not now.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<String>,
    /// In the order of periods, then of groups. What is `null` has none, or none that may be told any more.
    #[schema(value_type = Vec<ReportRowView>)]
    pub rows: ReportTable,
}

/// A row of a report; it has those columns that the report names.
#[derive(Debug, ToSchema)]
#[schema(as = ReportRow)]
pub struct ReportRowView {
    /// The first day of the day, week or month.
    #[schema(format = Date, required = false)]
    pub period: Option<String>,
    /// ISO 4217.
    #[schema(required = false)]
    pub currency: Option<String>,
    /// The pipeline's key.
    #[schema(required = false)]
    pub pipeline: Option<String>,
    /// The stage's key.
    #[schema(required = false)]
    pub stage: Option<String>,
    /// `open`, `won` or `lost`.
    #[schema(required = false)]
    pub outcome: Option<String>,
    /// The source's key.
    #[schema(required = false)]
    pub source: Option<String>,
    /// The line of business.
    #[schema(required = false)]
    pub business_domain: Option<String>,
    /// Who works on it.
    #[schema(required = false)]
    pub owner: Option<String>,
    /// Why it was won or lost.
    #[schema(required = false)]
    pub reason: Option<String>,
    /// In lower case.
    #[schema(required = false)]
    pub tag: Option<String>,
    /// The figure; `null` where there is nothing to tell it from.
    pub value: Option<f64>,
}

/// Says which reports there are: what each figure means, and by what it can be grouped.
#[utoipa::path(get, path = "/api/v1/reports", tag = "reports",
    responses((status = 200, body = Catalog), (status = "4XX", body = Problem)))]
pub async fn catalog(_like_every_read: Reading) -> Json<Catalog> {
    Json(Catalog::of_all())
}

/// Reports one figure: over time, by what describes leads and sales, now or as of a moment.
#[utoipa::path(get, path = "/api/v1/reports/{measure}", tag = "reports",
    params(("measure" = String, Path, description = "One of those that `/api/v1/reports` lists."), ReportParams),
    responses(
        (status = 200, content((ReportView = "application/json"), (String = "text/csv"))),
        (status = "4XX", body = Problem)))]
pub async fn report(
    Reading(reader): Reading,
    State(api): State<ReadApi>,
    Path(measure): Path<String>,
    Params(ask): Params<ReportParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let csv = wants_csv(ask.format.as_deref(), &headers)?;
    let asked = Asked::of(&measure, &ask, &api)?;
    let rows = asked.question.answer(&reader).await?;
    let view = asked.view(rows);
    let response = if csv {
        as_csv(&view)
    } else {
        Json(view).into_response()
    };
    Ok(varied(response))
}

fn as_csv(view: &ReportView) -> Response {
    let name = format!("attachment; filename=\"{}.csv\"", view.measure);
    let kind = "text/csv; charset=utf-8; header=present".to_owned();
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, name),
    ];
    (headers, view.rows.csv()).into_response()
}

/// The same address has two forms, by what is accepted.
fn varied(mut response: Response) -> Response {
    let accept = HeaderValue::from_static("accept");
    response.headers_mut().append(header::VARY, accept);
    response
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Read(error) => error.into(),
            ReportError::TooManyRows => Self::invalid(
                "by",
                format!(
                    "this report would have more than {MOST_ROWS} rows: group by less, narrow it to one value, or ask for a shorter period"
                ),
            ),
        }
    }
}
