//! The routes: each row goes the way of the route for one.

use axum::extract::State;
use axum::response::Response;
use domain::id::NumberKind;
use domain::key::Role;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Batch, BatchView, Done, Row, carry_out};
use crate::http::access::open_to;
use crate::http::answer::Changed;
use crate::http::api::Api;
use crate::http::caller::Caller;
use crate::http::contacts::{self, ChangeContact, CreateContact};
use crate::http::extract::{Body, Id};
use crate::http::leads;
use crate::http::leads::asks::{DescribeLead, OpenLead};
use crate::http::problem::Problem;

/// The routes of this module.
pub(in crate::http) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(open_to(Role::Operator, routes!(of_contacts)))
        .routes(open_to(Role::Operator, routes!(of_leads)))
}

/// Creates and changes up to 500 contacts, each row by itself; rows of one contact in their order. Rows that
/// say when to come again were not carried out: send the request again under the same `Idempotency-Key`.
#[utoipa::path(post, path = "/api/v1/contacts:batch", tag = "contacts", operation_id = "batch_of_contacts",
    request_body = Batch, responses((status = 200, body = BatchView), (status = "4XX", body = Problem)))]
pub async fn of_contacts(
    State(api): State<Api>,
    caller: Caller,
    Body(ask): Body<Batch>,
) -> Result<Response, Problem> {
    let one = |row, caller| contact(api.clone(), row, caller);
    carry_out(&api, &caller, &ask, NumberKind::Contact, one).await
}

/// Opens and changes up to 500 leads, each row by itself; rows of one lead in their order. Rows that say when
/// to come again were not carried out: send the request again under the same `Idempotency-Key`.
#[utoipa::path(post, path = "/api/v1/leads:batch", tag = "leads", operation_id = "batch_of_leads",
    request_body = Batch, responses((status = 200, body = BatchView), (status = "4XX", body = Problem)))]
pub async fn of_leads(
    State(api): State<Api>,
    caller: Caller,
    Body(ask): Body<Batch>,
) -> Result<Response, Problem> {
    let one = |row, caller| lead(api.clone(), row, caller);
    carry_out(&api, &caller, &ask, NumberKind::Lead, one).await
}

async fn contact(
    api: Api,
    row: Row<CreateContact, ChangeContact>,
    caller: Caller,
) -> Result<Done, Problem> {
    let api = State(api);
    let contact = match row {
        Row::Create(ask) => contacts::create(api, caller, Body(ask)).await?,
        Row::Change(id, ask) => contacts::change(api, Id(id), caller, Body(ask)).await?,
    };
    Ok(done(contact.body.id, &contact))
}

async fn lead(api: Api, row: Row<OpenLead, DescribeLead>, caller: Caller) -> Result<Done, Problem> {
    let api = State(api);
    let lead = match row {
        Row::Create(ask) => leads::open(api, caller, Body(ask)).await?,
        Row::Change(id, ask) => leads::describe(api, Id(id), caller, Body(ask)).await?,
    };
    Ok(done(lead.body.id, &lead))
}

fn done<T>(id: u64, changed: &Changed<T>) -> Done {
    Done {
        id,
        version: changed.version.unwrap_or_default(),
        position: changed.position,
        is_new: changed.created.is_some(),
    }
}
