//! Routes that read contacts.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use commands::desk::Desk;
use commands::http::access::open_to;
use commands::http::caller::Caller;
use commands::http::extract::{Id, Params};
use commands::http::problem::Problem;
use commands::http::views::ContactView;
use domain::id::ContactId;
use domain::key::Role;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ReadApi;
use super::card::{self, AsOf};
use super::list::ListQuery;
use super::since::Reading;
use crate::contacts::Contacts;
use crate::timeline::{Happened, Timeline};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<ReadApi> {
    OpenApiRouter::new()
        .routes(open_to(Role::Analyst, routes!(list)))
        .routes(open_to(Role::Analyst, routes!(card)))
        .routes(open_to(Role::Analyst, routes!(timeline)))
}

/// Which contacts to list.
pub type ContactList = ListQuery<Contacts>;

/// Lists contacts, the newest first unless asked otherwise.
#[utoipa::path(get, path = "/api/v1/contacts", tag = "contacts", params(ContactList),
    responses((status = 200, body = Vec<ContactView>), (status = "4XX", body = Problem)))]
pub async fn list(
    Reading(reader): Reading,
    ask: ContactList,
    uri: Uri,
) -> Result<Response, Problem> {
    Ok(ask.read(&reader).await?.answer(&uri))
}

/// Shows a contact, now or as it was.
#[utoipa::path(get, path = "/api/v1/contacts/{id}", tag = "contacts", params(("id" = u64, Path), AsOf),
    responses((status = 200, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn card(
    State(desk): State<Desk>,
    Reading(reader): Reading,
    Id(id): Id,
    Params(ask): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    card::answer::<Contacts, _>(&desk, &reader, id, &ask, &headers).await
}

/// Everything that happened to a contact, also one that was removed: who, when, from where, before and after.
#[utoipa::path(get, path = "/api/v1/contacts/{id}/timeline", tag = "contacts",
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
    card::known(timeline.contact(ContactId(id)).await?, "contact", id)
}
