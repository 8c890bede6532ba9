//! The routes that need the outside world.

use axum::extract::{FromRef, State};
use commands::http::access::open_to;
use commands::http::answer::{About, Acknowledged, Changed};
use commands::http::caller::Caller;
use commands::http::extract::{Id, Params};
use commands::http::problem::Problem;
use domain::id::LeadId;
use domain::key::Role;
use domain::lead::aggregate::Lead;
use domain::lead::scoring::Recommendation;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ai::AnalystError;
use crate::analysis::{Analyses, AnalysisError, Analyzed};

/// What these routes work with.
#[derive(Clone)]
pub struct GatewayApi {
    /// Analyses leads.
    pub analyses: Analyses,
    /// What callers of this process were told.
    pub acknowledged: Acknowledged,
}

impl FromRef<GatewayApi> for Analyses {
    fn from_ref(api: &GatewayApi) -> Self {
        api.analyses.clone()
    }
}

/// Every route that needs the outside world.
#[must_use]
pub fn router(api: GatewayApi) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(open_to(Role::Operator, routes!(analyze)))
        .with_state(api)
}

/// Whether an analysis is made anew.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AnalyzeParams {
    /// Analyse also where a young analysis is at hand.
    #[serde(default)]
    pub force: bool,
}

/// What an analyst thinks of a lead.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnalysisView {
    /// How good it is, from 0 to 1.
    pub score: f64,
    /// What to do next.
    pub recommendation: Recommendation,
    /// Why.
    pub reason: String,
    /// Who judged: `rules` or a model's name.
    pub analyst: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub analyzed_at: Timestamp,
    /// Whether an earlier analysis was given again.
    pub cached: bool,
}

impl From<Analyzed> for AnalysisView {
    fn from(
        Analyzed {
            analysis, cached, ..
        }: Analyzed,
    ) -> Self {
        Self {
            score: analysis.score.as_fraction(),
            recommendation: analysis.recommendation,
            reason: analysis.reason,
            analyst: analysis.analyst,
            analyzed_at: analysis.at,
            cached,
        }
    }
}

/// Analyses a lead, and keeps the result with it.
#[utoipa::path(post, path = "/api/v1/leads/{id}/analyze", tag = "leads", params(("id" = u64, Path), AnalyzeParams),
    responses((status = 200, body = AnalysisView), (status = "4XX", body = Problem), (status = 503, body = Problem)))]
pub async fn analyze(
    State(api): State<GatewayApi>,
    Id(id): Id,
    caller: Caller,
    Params(ask): Params<AnalyzeParams>,
) -> Result<Changed<AnalysisView>, Problem> {
    let analyzed = api
        .analyses
        .analyze(LeadId(id), ask.force, &caller.changing::<Lead>(LeadId(id)))
        .await?;
    let position = analyzed.position;
    api.acknowledged.tell(position);
    let about = Some(About(analyzed.about.clone()));
    Ok(Changed {
        body: analyzed.into(),
        position,
        created: None,
        version: None,
        about,
    })
}

impl From<AnalysisError> for Problem {
    fn from(error: AnalysisError) -> Self {
        match error {
            AnalysisError::Lead(error) => error.into(),
            AnalysisError::Journal(error) => error.into(),
            AnalysisError::Analyst(AnalystError::Unavailable { variable, detail }) => {
                tracing::warn!(variable, detail, "no analysis");
                let told = format!(
                    "AI service unavailable: {detail}. Check {variable} in the environment or in .env"
                );
                Self::unavailable(told).field(variable)
            }
        }
    }
}
