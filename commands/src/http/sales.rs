//! Routes that change a sale.

mod refusals;

use axum::extract::State;
use domain::id::SaleId;
use domain::key::Role;
use domain::money::{Currency, Money};
use domain::pipeline::table::Table;
use domain::pipeline::{StageKey, built_in};
use domain::sale::aggregate::Sale;
use domain::sale::command::SaleCommand;
use serde::Deserialize;
use serde_json::Number;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::open_to;
use super::answer::Changed;
use super::api::Api;
use super::caller::Caller;
use super::extract::{Body, Id};
use super::leads::asks::checked_reason;
use super::leads::details::money;
use super::problem::Problem;
use super::views::SaleView;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(open_to(Role::Operator, routes!(change)))
        .routes(open_to(Role::Operator, routes!(change_stage)))
}

/// A step along the pipeline.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSaleStage {
    /// Where to.
    pub stage: StageKey,
    /// The stage you were looking at; another one by now is refused.
    pub seen: Option<StageKey>,
    /// Why.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// What is to be corrected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSale {
    /// What it is worth, in whole units: 10000, or 99.9.
    #[schema(value_type = f64, exclusive_minimum = 0, maximum = 1_000_000_000_000_u64)]
    pub amount: Number,
    /// ISO 4217; that of the sale unless named.
    pub currency: Option<Currency>,
}

/// Corrects what a sale is worth; one that was paid or lost stays as it is.
#[utoipa::path(patch, path = "/api/v1/sales/{id}", tag = "sales", operation_id = "change_sale", request_body = ChangeSale,
    params(("id" = u64, Path)), responses((status = 200, body = SaleView), (status = "4XX", body = Problem)))]
pub async fn change(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<ChangeSale>,
) -> Result<Changed<SaleView>, Problem> {
    let amount = money("amount", &ask.amount, api.settings.currency)?;
    let now = api.desk.load::<Sale>(&caller.workspace, SaleId(id)).await?;
    let open = now.state.open.as_ref();
    let known = open.ok_or_else(|| Problem::unknown("sale", id))?.amount;
    let currency = ask.currency.unwrap_or(known.currency);
    let amount = Money { currency, ..amount };
    send(&api, id, SaleCommand::ChangeAmount { amount }, &caller).await
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
        table: followed(&api, id, &caller).await?,
    };
    send(&api, id, command, &caller).await
}

/// The pipeline of a sale, as it stands now.
async fn followed(api: &Api, id: u64, caller: &Caller) -> Result<Table, Problem> {
    let sale = api.desk.load::<Sale>(&caller.workspace, SaleId(id)).await?;
    let open = sale.state.open.as_ref();
    let pipeline = open.map_or(built_in::SALES, |sale| sale.pipeline);
    Ok(api.pipelines.followed(&caller.workspace, pipeline).await?)
}

async fn send(
    api: &Api,
    id: u64,
    command: SaleCommand,
    caller: &Caller,
) -> Result<Changed<SaleView>, Problem> {
    let (id, origin) = (SaleId(id), caller.changing::<Sale>(SaleId(id)));
    let sale = api.desk.send::<Sale>(id, command, &origin).await?;
    let view = SaleView::found(id, &sale)?;
    Ok(api.changed(view, sale.position()).version(sale.version))
}
