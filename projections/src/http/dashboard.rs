//! Routes that count.

use axum::Json;
use commands::http::extract::Params;
use commands::http::problem::Problem;
use domain::lead::stage::{BusinessDomain, LeadSource};
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::IntoParams;

use super::since::Reading;
use crate::dashboard::{self, DashboardView, LeadsByStage, SalesByStage};
use crate::funnel::{self, FunnelView, Which};

/// Which leads the funnel counts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FunnelParams {
    /// The first day they came in (UTC), as `2026-11-01`.
    pub from: Option<String>,
    /// The last day they came in (UTC), as `2026-11-30`.
    pub to: Option<String>,
    /// Where they came from.
    pub source: Option<LeadSource>,
    /// The line of business.
    pub business_domain: Option<BusinessDomain>,
}

/// Everything at a glance.
#[utoipa::path(get, path = "/api/v1/dashboard", tag = "dashboard", responses((status = 200, body = DashboardView)))]
pub async fn dashboard(Reading(reader): Reading) -> Result<Json<DashboardView>, Problem> {
    Ok(Json(dashboard::read(&reader).await?))
}

/// Leads, stage by stage.
#[utoipa::path(get, path = "/api/v1/dashboard/leads-by-stage", tag = "dashboard",
    responses((status = 200, body = Vec<LeadsByStage>)))]
pub async fn leads_by_stage(Reading(reader): Reading) -> Result<Json<Vec<LeadsByStage>>, Problem> {
    Ok(Json(dashboard::leads_by_stage(&reader).await?))
}

/// Sales, stage by stage.
#[utoipa::path(get, path = "/api/v1/dashboard/sales-by-stage", tag = "dashboard",
    responses((status = 200, body = Vec<SalesByStage>)))]
pub async fn sales_by_stage(Reading(reader): Reading) -> Result<Json<Vec<SalesByStage>>, Problem> {
    Ok(Json(dashboard::sales_by_stage(&reader).await?))
}

/// How many leads entered each stage, went on, were lost, and how long they stayed.
#[utoipa::path(get, path = "/api/v1/dashboard/conversion-funnel", tag = "dashboard", params(FunnelParams),
    responses((status = 200, body = FunnelView), (status = "4XX", body = Problem)))]
pub async fn conversion_funnel(
    Reading(reader): Reading,
    Params(ask): Params<FunnelParams>,
) -> Result<Json<FunnelView>, Problem> {
    let which = Which {
        period: period(&ask)?,
        source: ask.source,
        business_domain: ask.business_domain,
    };
    Ok(Json(funnel::read(&reader, &which).await?))
}

/// Both ends as days; an open end reaches as far as days go.
fn period(ask: &FunnelParams) -> Result<Option<(String, String)>, Problem> {
    let day = |field: &'static str, text: &Option<String>, open: Date| match text {
        Some(text) => text.parse::<Date>().map_err(|_| {
            Problem::invalid(field, format!("{field} must be a day such as 2026-11-21"))
        }),
        None => Ok(open),
    };
    if ask.from.is_none() && ask.to.is_none() {
        return Ok(None);
    }
    let (from, to) = (
        day("from", &ask.from, Date::constant(1970, 1, 1))?,
        day("to", &ask.to, Date::MAX)?,
    );
    if from > to {
        return Err(Problem::invalid("from", "from must not be after to"));
    }
    Ok(Some((from.to_string(), to.to_string())))
}
