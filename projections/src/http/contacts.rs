//! Routes that read contacts.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use commands::desk::Desk;
use commands::http::caller::Caller;
use commands::http::extract::{Id, Params};
use commands::http::problem::Problem;
use commands::http::views::ContactView;
use domain::contact::aggregate::Contact;
use domain::id::ContactId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::leads::AsOf;
use super::page;
use super::since::Reading;
use crate::contacts::Contacts;
use crate::timeline::{Happened, Timeline};

/// Which contacts to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ContactList {
    /// How many; 50 unless said.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u16>,
    /// Where to go on, from the `Link` header.
    pub cursor: Option<String>,
}

/// Lists contacts, the newest first.
#[utoipa::path(get, path = "/api/v1/contacts", tag = "contacts", params(ContactList),
    responses((status = 200, body = Vec<ContactView>), (status = "4XX", body = Problem)))]
pub async fn list(
    Reading(reader): Reading,
    Params(ask): Params<ContactList>,
    uri: Uri,
) -> Result<Response, Problem> {
    let (limit, before) = (
        page::limit(ask.limit)?,
        page::cursor(ask.cursor.as_deref())?,
    );
    Ok(page::answer(
        &reader.list::<Contacts>(&[], before, limit).await?,
        &uri,
    ))
}

/// Shows a contact, now or as it was.
#[utoipa::path(get, path = "/api/v1/contacts/{id}", tag = "contacts", params(("id" = u64, Path), AsOf),
    responses((status = 200, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn card(
    State(desk): State<Desk>,
    Reading(reader): Reading,
    Id(id): Id,
    Params(ask): Params<AsOf>,
) -> Result<Response, Problem> {
    if let Some(at) = page::moment(ask.as_of.as_deref())? {
        let contact = desk
            .load_as_of::<Contact>(reader.workspace(), ContactId(id), at)
            .await?;
        return Ok(Json(ContactView::found(ContactId(id), &contact)?).into_response());
    }
    let card = reader.card::<Contacts>(id).await?;
    card.map(page::json)
        .ok_or_else(|| Problem::not_found(format!("There is no contact {id}")).field("id"))
}

/// Everything that happened to a contact, also one that was removed: who, when, from where, before and after.
#[utoipa::path(get, path = "/api/v1/contacts/{id}/timeline", tag = "contacts", operation_id = "contact_timeline",
    params(("id" = u64, Path), AsOf),
    responses((status = 200, body = Vec<Happened>), (status = "4XX", body = Problem)))]
pub async fn timeline(
    State(desk): State<Desk>,
    caller: Caller,
    Id(id): Id,
    Params(ask): Params<AsOf>,
) -> Result<Json<Vec<Happened>>, Problem> {
    let until = page::moment(ask.as_of.as_deref())?;
    let timeline = Timeline::new(&desk, &caller.workspace, until);
    page::known(timeline.contact(ContactId(id)).await?, "contact", id)
}
