//! Routes that change a sale.

use axum::extract::State;
use domain::id::SaleId;
use domain::sale::aggregate::Sale;
use domain::sale::command::SaleCommand;
use domain::sale::stage::SaleStage;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::Changed;
use super::api::Api;
use super::caller::Caller;
use super::extract::{Body, Id};
use super::leads::checked_reason;
use super::problem::Problem;
use super::views::SaleView;

/// A step along the pipeline.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSaleStage {
    /// Where to.
    pub stage: SaleStage,
    /// The stage you were looking at; another one by now is refused.
    pub seen: Option<SaleStage>,
    /// Why.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// Moves a sale along the pipeline.
#[utoipa::path(patch, path = "/api/v1/sales/{id}/stage", tag = "sales", request_body = ChangeSaleStage,
    params(("id" = u64, Path)), responses((status = 200, body = SaleView), (status = "4XX", body = Problem)))]
pub async fn change_stage(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<ChangeSaleStage>,
) -> Result<Changed<SaleView>, Problem> {
    let ChangeSaleStage {
        stage,
        seen,
        reason,
    } = ask;
    let command = SaleCommand::ChangeStage {
        to: stage,
        seen,
        reason: checked_reason(reason.as_deref())?,
    };
    let (id, origin) = (SaleId(id), caller.changing::<Sale>(SaleId(id)));
    let sale = api.desk.send::<Sale>(id, command, &origin).await?;
    let view = SaleView::found(id, &sale)?;
    Ok(api.changed(view, sale.position()).version(sale.version))
}
