//! Routes that change a contact.

mod refusals;

use std::fmt;

use axum::extract::State;
use cqrs_es::Aggregate as _;
use domain::contact::address::{AddressError, Email, Phone};
use domain::contact::aggregate::{Contact, ContactError, MAX_ADDRESSES};
use domain::contact::command::{Card, ContactCommand};
use domain::contact::link::Link;
use domain::id::ContactId;
use domain::key::Role;
use domain::tags::Tags;
use journal::store::Loaded;
use journal::token::Token;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::open_to;
use super::answer::{Changed, Removed};
use super::api::Api;
use super::caller::Caller;
use super::extract::{Body, Id, Within};
use super::field::{clearable, given};
use super::leads::asks::{AddNote, AddTag};
use super::problem::Problem;
use super::views::ContactView;
use crate::contacts::Found;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(open_to(Role::Operator, routes!(create)))
        .routes(open_to(Role::Operator, routes!(upsert)))
        .routes(open_to(Role::Operator, routes!(change, remove)))
        .routes(open_to(Role::Operator, routes!(add_phone)))
        .routes(open_to(Role::Operator, routes!(remove_phone)))
        .routes(open_to(Role::Operator, routes!(add_email)))
        .routes(open_to(Role::Operator, routes!(remove_email)))
        .routes(open_to(Role::Operator, routes!(add_tag)))
        .routes(open_to(Role::Operator, routes!(remove_tag)))
        .routes(open_to(Role::Operator, routes!(add_note)))
}

/// A new contact.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateContact {
    /// What the person is called.
    #[schema(min_length = 1, max_length = 500)]
    pub name: String,
    /// Where they work.
    pub company: Option<String>,
    /// What they do there.
    pub role: Option<String>,
    /// Their phones; without a country code they are read as those of `DEFAULT_PHONE_REGION`.
    #[serde(default)]
    pub phones: Vec<String>,
    /// Their emails.
    #[serde(default)]
    pub emails: Vec<String>,
    /// Anything else worth knowing.
    pub note: Option<String>,
    /// Their tags; they are kept in lower case.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub tags: Vec<String>,
    /// Pages of the web about them.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub links: Vec<SetLink>,
}

/// A page of the web about a contact.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetLink {
    /// What it is: "portfolio", "blog".
    #[schema(max_length = 100)]
    pub label: Option<String>,
    /// Its address, with `http` or `https`.
    #[schema(max_length = 2000)]
    pub url: String,
}

impl CreateContact {
    /// The card that it says, phones and emails in their one form.
    pub(super) fn card(self, api: &Api) -> Result<Card, Problem> {
        let region = api.settings.phone_region;
        Ok(Card {
            phones: parsed("phones", &self.phones, |text| region.phone(text))?,
            emails: parsed("emails", &self.emails, Email::try_new)?,
            tags: tags(&self.tags)?,
            links: links(&self.links)?,
            name: self.name,
            company: self.company,
            role: self.role,
            note: self.note,
            notes: 0,
        })
    }
}

/// What changes; what is left out stays, `null` clears a text, a list replaces the list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeContact {
    /// What the person is called.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    pub name: Option<String>,
    /// Where they work.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>)]
    pub company: Option<Option<String>>,
    /// What they do there.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>)]
    pub role: Option<Option<String>>,
    /// All phones from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>)]
    pub phones: Option<Vec<String>>,
    /// All emails from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>)]
    pub emails: Option<Vec<String>>,
    /// Anything else worth knowing.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>)]
    pub note: Option<Option<String>>,
    /// All tags from now on; they are kept in lower case.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>, max_items = 50)]
    pub tags: Option<Vec<String>>,
    /// All links from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<SetLink>, max_items = 20)]
    pub links: Option<Vec<SetLink>>,
}

/// As many as may be written are read: spellings of one phone count once, an essay is no list.
const MAX_WRITTEN: usize = 5 * MAX_ADDRESSES;

fn parsed<T>(
    field: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, AddressError>,
) -> Result<Vec<T>, Problem> {
    if texts.len() > MAX_WRITTEN {
        let most = format!("a contact has at most {MAX_ADDRESSES} {field}");
        return Err(Problem::invalid(field, most));
    }
    let invalid = |index: usize, error: AddressError| {
        Problem::invalid(format!("{field}[{index}]"), error.to_string())
    };
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| parse(text).map_err(|error| invalid(index, error)))
        .collect()
}

fn tags(texts: &[String]) -> Result<Tags, Problem> {
    Tags::of(texts).map_err(|bad| ContactError::bad_tags("tags", bad).into())
}

fn links(said: &[SetLink]) -> Result<Vec<Link>, Problem> {
    let link = |(index, said): (usize, &SetLink)| {
        let link = Link::try_new(said.label.as_deref(), &said.url);
        link.map_err(|bad| {
            Problem::invalid(format!("links[{index}].{}", bad.field()), bad.to_string())
        })
    };
    said.iter().enumerate().map(link).collect()
}

/// A contact that is to be changed. What it shows already it may keep, whatever today's rules say of
/// it: a number from before numbers were checked does not stand in the way of the others.
struct Shown<'a> {
    api: &'a Api,
    workspace: &'a Token,
    id: ContactId,
}

impl Shown<'_> {
    async fn list<T: Clone + fmt::Display>(
        &self,
        field: &str,
        texts: Option<&[String]>,
        parse: impl Fn(&str) -> Result<T, AddressError>,
        shown: impl Fn(&Card) -> &Vec<T>,
    ) -> Result<Option<Vec<T>>, Problem> {
        let Some(texts) = texts else { return Ok(None) };
        let refused = match parsed(field, texts, &parse) {
            Ok(all) => return Ok(Some(all)),
            Err(refused) => refused,
        };
        let contact = self.api.desk.load::<Contact>(self.workspace, self.id);
        let contact = contact.await?;
        let Some(card) = contact.state.present() else {
            return Err(refused);
        };
        let known = |text: &str| shown(card).iter().find(|value| value.to_string() == text);
        let kept = |text: &str| known(text).cloned().map_or_else(|| parse(text), Ok);
        parsed(field, texts, kept).map(Some)
    }
}

/// Creates a contact.
#[utoipa::path(post, path = "/api/v1/contacts", tag = "contacts", request_body = CreateContact,
    responses((status = 201, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(ask): Body<CreateContact>,
) -> Result<Changed<ContactView>, Problem> {
    let card = ask.card(&api)?;
    let (id, contact) = api.contacts.create(card, &caller.origin()).await?;
    made(&api, id, &contact)
}

/// Finds a contact by its phone or email and takes over what else is known, or creates one. Texts that are
/// sent replace those that are there; phones and emails come to them.
#[utoipa::path(post, path = "/api/v1/contacts:upsert", tag = "contacts", operation_id = "upsert_contact",
    request_body = CreateContact,
    responses((status = 200, body = ContactView), (status = 201, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn upsert(
    State(api): State<Api>,
    caller: Caller,
    Body(ask): Body<CreateContact>,
) -> Result<Changed<ContactView>, Problem> {
    let card = ask.card(&api)?;
    if card.phones.is_empty() && card.emails.is_empty() {
        return Err(Problem::invalid(
            "phones",
            "send a phone or an email, by which the contact is found",
        ));
    }
    let origin = caller.origin();
    let found = api.contacts.find_or_create(&card, true, &origin).await?;
    let Found {
        id,
        contact,
        is_new,
    } = found;
    if is_new {
        made(&api, id, &contact)
    } else {
        shown(&api, id, &contact)
    }
}

fn made(
    api: &Api,
    id: ContactId,
    contact: &Loaded<Contact>,
) -> Result<Changed<ContactView>, Problem> {
    let changed = shown(api, id, contact)?;
    let created = Some(format!("/api/v1/contacts/{id}"));
    Ok(Changed { created, ..changed })
}

fn shown(
    api: &Api,
    id: ContactId,
    contact: &Loaded<Contact>,
) -> Result<Changed<ContactView>, Problem> {
    Ok(api
        .changed(ContactView::found(id, contact)?, contact.position())
        .version(contact.version)
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
    let shown = Shown {
        api: &api,
        workspace: &caller.workspace,
        id: ContactId(id),
    };
    let region = api.settings.phone_region;
    let phone = |text: &str| region.phone(text);
    let phones = shown.list("phones", ask.phones.as_deref(), phone, |card| &card.phones);
    let phones = phones.await?;
    let emails = ask.emails.as_deref();
    let emails = shown.list("emails", emails, Email::try_new, |card| &card.emails);
    let emails = emails.await?;
    let tags = ask.tags.as_deref().map(tags).transpose()?;
    let links = ask.links.as_deref().map(links).transpose()?;
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
        tags,
        links,
    };
    send(&api, id, command, &caller).await
}

/// One more phone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddPhone {
    /// The phone; without a country code it is read as one of `DEFAULT_PHONE_REGION`.
    pub phone: String,
}

/// One more email.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddEmail {
    /// The email.
    pub email: String,
}

/// Adds one phone and leaves the others alone; one that is there already changes nothing.
#[utoipa::path(post, path = "/api/v1/contacts/{id}/phones", tag = "contacts", request_body = AddPhone,
    params(("id" = u64, Path)), responses((status = 200, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn add_phone(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<AddPhone>,
) -> Result<Changed<ContactView>, Problem> {
    let phone = phone(&api, &ask.phone)?;
    send(&api, id, ContactCommand::AddPhone { phone }, &caller).await
}

/// Takes one phone away and leaves the others alone; one that is not there changes nothing.
#[utoipa::path(delete, path = "/api/v1/contacts/{id}/phones/{phone}", tag = "contacts",
    params(("id" = u64, Path), ("phone" = String, Path)),
    responses((status = 200, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn remove_phone(
    State(api): State<Api>,
    Within(id, text): Within,
    caller: Caller,
) -> Result<Changed<ContactView>, Problem> {
    let phone = known_phone(&api, &text)?;
    send(&api, id, ContactCommand::RemovePhone { phone }, &caller).await
}

/// Adds one email and leaves the others alone; one that is there already changes nothing.
#[utoipa::path(post, path = "/api/v1/contacts/{id}/emails", tag = "contacts", request_body = AddEmail,
    params(("id" = u64, Path)), responses((status = 200, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn add_email(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<AddEmail>,
) -> Result<Changed<ContactView>, Problem> {
    let email = email(&ask.email)?;
    send(&api, id, ContactCommand::AddEmail { email }, &caller).await
}

/// Takes one email away and leaves the others alone; one that is not there changes nothing.
#[utoipa::path(delete, path = "/api/v1/contacts/{id}/emails/{email}", tag = "contacts",
    params(("id" = u64, Path), ("email" = String, Path)),
    responses((status = 200, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn remove_email(
    State(api): State<Api>,
    Within(id, text): Within,
    caller: Caller,
) -> Result<Changed<ContactView>, Problem> {
    let email = email(&text)?;
    send(&api, id, ContactCommand::RemoveEmail { email }, &caller).await
}

/// Puts a tag on a contact; nothing changes where it has it.
#[utoipa::path(post, path = "/api/v1/contacts/{id}/tags", tag = "contacts", operation_id = "add_contact_tag",
    request_body = AddTag, params(("id" = u64, Path)),
    responses((status = 200, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn add_tag(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<AddTag>,
) -> Result<Changed<ContactView>, Problem> {
    send(&api, id, ContactCommand::AddTag { tag: ask.tag }, &caller).await
}

/// Takes a tag off a contact; nothing changes where it has it not.
#[utoipa::path(delete, path = "/api/v1/contacts/{id}/tags/{tag}", tag = "contacts",
    operation_id = "remove_contact_tag", params(("id" = u64, Path), ("tag" = String, Path)),
    responses((status = 200, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn remove_tag(
    State(api): State<Api>,
    Within(id, tag): Within,
    caller: Caller,
) -> Result<Changed<ContactView>, Problem> {
    send(&api, id, ContactCommand::RemoveTag { tag }, &caller).await
}

/// Writes something down about a person; it stands in the contact's timeline.
#[utoipa::path(post, path = "/api/v1/contacts/{id}/notes", tag = "contacts", operation_id = "add_contact_note",
    request_body = AddNote, params(("id" = u64, Path)),
    responses((status = 200, body = ContactView), (status = "4XX", body = Problem)))]
pub async fn add_note(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<AddNote>,
) -> Result<Changed<ContactView>, Problem> {
    send(&api, id, ContactCommand::Note { text: ask.text }, &caller).await
}

fn phone(api: &Api, text: &str) -> Result<Phone, Problem> {
    let read = api.settings.phone_region.phone(text);
    read.map_err(|error| Problem::invalid("phone", error.to_string()))
}

/// Also a number from before numbers were checked, as the card shows it.
fn known_phone(api: &Api, text: &str) -> Result<Phone, Problem> {
    Phone::try_new(text).or_else(|_| phone(api, text))
}

fn email(text: &str) -> Result<Email, Problem> {
    Email::try_new(text).map_err(|error| Problem::invalid("email", error.to_string()))
}

async fn send(
    api: &Api,
    id: u64,
    command: ContactCommand,
    caller: &Caller,
) -> Result<Changed<ContactView>, Problem> {
    let (id, origin) = (ContactId(id), caller.changing::<Contact>(ContactId(id)));
    let contact = api.contacts.change(id, command, &origin).await?;
    shown(api, id, &contact)
}

/// Removes a contact; its phones and emails are free for another.
#[utoipa::path(delete, path = "/api/v1/contacts/{id}", tag = "contacts",
    params(("id" = u64, Path)), responses((status = 204), (status = "4XX", body = Problem)))]
pub async fn remove(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
) -> Result<Removed, Problem> {
    let (id, origin) = (ContactId(id), caller.changing::<Contact>(ContactId(id)));
    let removed = api.contacts.change(id, ContactCommand::Remove, &origin);
    let contact = removed.await?;
    api.acknowledged.tell(contact.position());
    Ok(Removed(contact.position()))
}

#[cfg(test)]
mod tests {
    use axum::extract::State;
    use domain::contact::address::Phone;
    use domain::contact::command::Card;
    use domain::key::Role;
    use journal::Journal;
    use journal::memory::MemoryJournal;
    use journal::token::Token;
    use serde_json::json;

    use super::{ChangeContact, change};
    use crate::clock::Clock;
    use crate::desk::Desk;
    use crate::http::api::{Api, Settings};
    use crate::http::caller::Caller;
    use crate::http::extract::{Body, Id};

    #[tokio::test]
    async fn a_number_from_before_numbers_were_checked_may_stay_and_come_nowhere_else() {
        let desk = Desk::local(Journal::from(MemoryJournal::new()), Clock::System);
        let api = Api::new(desk, Settings::default(), b"secret");
        let caller = Caller {
            workspace: Token::try_new("main").unwrap(),
            actor: "test".into(),
            role: Role::Operator,
            claim: None,
            if_match: None,
            row: None,
        };
        let old = "+89997654321";
        for phones in [vec![Phone::try_new(old).unwrap()], vec![]] {
            let card = Card {
                name: "Olena".into(),
                phones,
                ..Card::default()
            };
            api.contacts.create(card, &caller.origin()).await.unwrap();
        }
        let ask = || {
            let phones = json!({ "phones": [old, "067 123 45 67"] });
            Body(serde_json::from_value::<ChangeContact>(phones).unwrap())
        };
        let first = change(State(api.clone()), Id(1), caller.clone(), ask()).await;
        assert_eq!(first.unwrap().body.phones, [old, "+380671234567"]);
        assert!(change(State(api), Id(2), caller, ask()).await.is_err());
    }
}
