//! Routes that change a contact.

use axum::extract::State;
use cqrs_es::Aggregate as _;
use domain::contact::address::{AddressError, Email, Phone};
use domain::contact::aggregate::Contact;
use domain::contact::command::{Card, ContactCommand};
use domain::id::ContactId;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::answer::{Changed, Removed};
use super::api::Api;
use super::caller::Caller;
use super::extract::{Body, Id};
use super::problem::Problem;
use super::views::ContactView;

/// A new contact.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateContact {
    /// What the person is called.
    pub name: String,
    /// Where they work.
    pub company: Option<String>,
    /// What they do there.
    pub role: Option<String>,
    /// Their phones, international.
    #[serde(default)]
    pub phones: Vec<String>,
    /// Their emails.
    #[serde(default)]
    pub emails: Vec<String>,
    /// Anything else worth knowing.
    pub note: Option<String>,
}

/// What changes; what is left out stays, `null` clears a text, a list replaces the list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeContact {
    /// What the person is called.
    pub name: Option<String>,
    /// Where they work.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pub company: Option<Option<String>>,
    /// What they do there.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pub role: Option<Option<String>>,
    /// All phones from now on.
    pub phones: Option<Vec<String>>,
    /// All emails from now on.
    pub emails: Option<Vec<String>>,
    /// Anything else worth knowing.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    pub note: Option<Option<String>>,
}

/// Tells `null` from a field that is left out.
#[expect(
    clippy::option_option,
    reason = "left out, null and a text are three things"
)]
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn parsed<T>(
    field: &str,
    texts: &[String],
    parse: fn(&str) -> Result<T, AddressError>,
) -> Result<Vec<T>, Problem> {
    let invalid = |index: usize, error: AddressError| {
        Problem::invalid(format!("{field}[{index}]"), error.to_string())
    };
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| parse(text).map_err(|error| invalid(index, error)))
        .collect()
}

/// Creates a contact.
#[utoipa::path(post, path = "/api/v1/contacts", tag = "contacts", request_body = CreateContact,
    responses((status = 201, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(ask): Body<CreateContact>,
) -> Result<Changed<ContactView>, Problem> {
    let phones = parsed("phones", &ask.phones, Phone::try_new)?;
    let emails = parsed("emails", &ask.emails, Email::try_new)?;
    let CreateContact {
        name,
        company,
        role,
        note,
        ..
    } = ask;
    let card = Card {
        name,
        company,
        role,
        phones,
        emails,
        note,
    };
    let (id, contact) = api.contacts.create(card, &caller.origin()).await?;
    Ok(api
        .created(
            ContactView::found(id, &contact)?,
            contact.position(),
            format!("/api/v1/contacts/{id}"),
        )
        .about(Contact::TYPE, id))
}

/// Changes a contact.
#[utoipa::path(patch, path = "/api/v1/contacts/{id}", tag = "contacts", request_body = ChangeContact,
    params(("id" = u64, Path)), responses((status = 200, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn change(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<ChangeContact>,
) -> Result<Changed<ContactView>, Problem> {
    let phones = ask
        .phones
        .map(|phones| parsed("phones", &phones, Phone::try_new))
        .transpose()?;
    let emails = ask
        .emails
        .map(|emails| parsed("emails", &emails, Email::try_new))
        .transpose()?;
    let ChangeContact {
        name,
        company,
        role,
        note,
        ..
    } = ask;
    let command = ContactCommand::Change {
        name,
        company,
        role,
        phones,
        emails,
        note,
    };
    let contact = api
        .contacts
        .change(ContactId(id), command, &caller.origin())
        .await?;
    Ok(api
        .changed(
            ContactView::found(ContactId(id), &contact)?,
            contact.position(),
        )
        .about(Contact::TYPE, id))
}

/// Removes a contact; its phones and emails are free for another.
#[utoipa::path(delete, path = "/api/v1/contacts/{id}", tag = "contacts",
    params(("id" = u64, Path)), responses((status = 204), (status = "4XX", body = Problem)))]
pub async fn remove(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
) -> Result<Removed, Problem> {
    let contact = api
        .contacts
        .change(ContactId(id), ContactCommand::Remove, &caller.origin())
        .await?;
    api.acknowledged.tell(contact.position());
    Ok(Removed(contact.position()))
}
