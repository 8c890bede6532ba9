//! Routes that change a lead.
//!
//! - `details`: what people write of it

pub mod details;

use axum::extract::{Path, State};
use domain::event::Decide as _;
use domain::id::{ContactId, LeadId, NumberKind};
use domain::key::Role;
use domain::lead::aggregate::Lead;
use domain::lead::command::LeadCommand;
use domain::lead::stage::{BusinessDomain, LeadSource, LeadStage};
use domain::money::{Currency, Money};
use domain::text;
use serde::Deserialize;
use serde_json::Number;
use utoipa::{IntoParams, ToSchema};

use super::answer::Changed;
use super::api::Api;
use super::caller::Caller;
use super::contacts::CreateContact;
use super::extract::{Body, Id, OptionalBody, Params};
use super::field::{clearable, given};
use super::problem::Problem;
use super::views::{LeadView, SaleView};
use crate::origin::Origin;
use details::{ChangeUtm, Said, money};

/// The longest reason, in characters.
const MAX_REASON: usize = 1000;

/// A new lead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenLead {
    /// Where it came from.
    pub source: LeadSource,
    /// The line of business, where it is known.
    pub business_domain: Option<BusinessDomain>,
    /// Whose interest it is, where that is known.
    #[schema(minimum = 1)]
    pub contact_id: Option<u64>,
    /// Whose interest it is, where their number is not known: found by phone or email and completed, or
    /// made.
    pub contact: Option<CreateContact>,
    /// What people call it.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub title: Option<Option<String>>,
    /// Who works on it.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub owner: Option<Option<String>>,
    /// What it may bring, in whole units: 10000, or 99.9.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, maximum = 1_000_000_000_000_u64)]
    pub expected_amount: Option<Option<Number>>,
    /// ISO 4217; the configured one unless named.
    pub expected_currency: Option<Currency>,
    /// All tags from now on; they are kept in lower case.
    #[schema(max_items = 50)]
    pub tags: Option<Vec<String>>,
    /// Where it was found.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<ChangeUtm>)]
    pub utm: Option<Option<ChangeUtm>>,
}

impl OpenLead {
    /// The form of a site names a person, and cannot try numbers of those who are known.
    fn fit_for(&self, role: Role) -> Result<(), Problem> {
        if role != Role::Form || (self.contact.is_some() && self.contact_id.is_none()) {
            return Ok(());
        }
        Err(Problem::invalid(
            "contact",
            "a key with the role form hands in leads with a contact: send their name, and a phone or an email",
        ))
    }

    fn said(self) -> Said {
        Said {
            title: self.title,
            owner: self.owner,
            expected_amount: self.expected_amount,
            expected_currency: self.expected_currency,
            tags: self.tags,
            utm: self.utm,
        }
    }
}

/// What became known about a lead; what is left out stays, `null` is not known after all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribeLead {
    /// The line of business.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<BusinessDomain>)]
    pub business_domain: Option<Option<BusinessDomain>>,
    /// Whose interest it is.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub contact_id: Option<Option<u64>>,
    /// What people call it.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub title: Option<Option<String>>,
    /// Who works on it.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub owner: Option<Option<String>>,
    /// What it may bring, in whole units: 10000, or 99.9.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, maximum = 1_000_000_000_000_u64)]
    pub expected_amount: Option<Option<Number>>,
    /// ISO 4217; the configured one unless named.
    pub expected_currency: Option<Currency>,
    /// All tags from now on; they are kept in lower case.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>, max_items = 50)]
    pub tags: Option<Vec<String>>,
    /// Where it was found.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<ChangeUtm>)]
    pub utm: Option<Option<ChangeUtm>>,
}

/// A tag to put on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddTag {
    /// One line; it is kept in lower case.
    #[schema(min_length = 1, max_length = 50)]
    pub tag: String,
}

/// Something to write down.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddNote {
    /// What; it stands in the timeline.
    #[schema(min_length = 1, max_length = 10000)]
    pub text: String,
}

impl DescribeLead {
    fn said(self) -> Said {
        Said {
            title: self.title,
            owner: self.owner,
            expected_amount: self.expected_amount,
            expected_currency: self.expected_currency,
            tags: self.tags,
            utm: self.utm,
        }
    }
}

/// A step along the pipeline.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeLeadStage {
    /// Where to.
    pub stage: LeadStage,
    /// The stage you were looking at; another one by now is refused.
    pub seen: Option<LeadStage>,
    /// Why.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// Messages exchanged with a lead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordMessages {
    /// How many more.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 10000)]
    pub increment: u32,
}

const fn one() -> u32 {
    1
}

/// What a transfer is worth, where the query does not say it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferLead {
    /// Whole units: 10000, or 99.9.
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, maximum = 1_000_000_000_000_u64)]
    pub amount: Option<Number>,
    /// ISO 4217; the configured one unless named.
    pub currency: Option<Currency>,
}

/// What a transfer is worth.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TransferParams {
    /// Whole units, at most two decimals and at most 1000000000000: `10000`, `99.90`.
    #[param(pattern = r"^[0-9]{1,13}(\.[0-9]{1,2})?$")]
    pub amount: Option<String>,
    /// ISO 4217; the configured one unless named.
    pub currency: Option<Currency>,
}

impl TransferParams {
    /// What the query says, or the body; not both.
    fn amount(&self, body: &TransferLead, usual: Currency) -> Result<Money, Problem> {
        let said = (&self.amount, &body.amount);
        let currency = match (self.currency, body.currency) {
            (Some(_), Some(_)) => return Err(said_twice("currency")),
            (one, other) => one.or(other).unwrap_or(usual),
        };
        match said {
            (Some(_), Some(_)) => Err(said_twice("amount")),
            (Some(text), None) => Money::parse_whole(text, currency)
                .map_err(|error| Problem::invalid("amount", format!("amount {error}"))),
            (None, Some(amount)) => money("amount", amount, currency),
            (None, None) => Err(Problem::invalid(
                "amount",
                "say what the sale is worth: {\"amount\": 10000} as the body, or ?amount=10000",
            )),
        }
    }
}

fn said_twice(field: &str) -> Problem {
    Problem::invalid(
        field,
        format!("{field} goes into the body, or into the query; not into both"),
    )
}

/// A reason in its one form, or that it is an essay.
pub(super) fn checked_reason(reason: Option<&str>) -> Result<Option<String>, Problem> {
    let checked = reason.map(|reason| text::prose(reason, MAX_REASON));
    checked
        .transpose()
        .map(Option::flatten)
        .map_err(|bad| Problem::invalid("reason", format!("reason {bad}")))
}

/// Opens a lead.
#[utoipa::path(post, path = "/api/v1/leads", tag = "leads", request_body = OpenLead,
    responses((status = 201, body = LeadView), (status = "4XX", body = Problem)))]
pub async fn open(
    State(api): State<Api>,
    caller: Caller,
    Body(mut ask): Body<OpenLead>,
) -> Result<Changed<LeadView>, Problem> {
    ask.fit_for(caller.role)?;
    let origin = caller.origin();
    let (source, business_domain, contact_id) = (ask.source, ask.business_domain, ask.contact_id);
    let named = ask.contact.take();
    let edit = ask.said().edit(&api)?;
    let open = |contact| LeadCommand::Open {
        source,
        business_domain,
        contact,
        edit: edit.clone(),
    };
    // What is refused takes no number, and makes nobody.
    Lead::default().decide(open(None))?;
    let contact = whose(&api, contact_id, named, &origin).await?;
    let command = open(contact);
    let id = LeadId(api.numbers.next(NumberKind::Lead, &origin).await?);
    let lead = api.desk.open::<Lead>(id, command, &origin).await?;
    let (view, path) = (LeadView::found(id, &lead)?, format!("/api/v1/leads/{id}"));
    Ok(api
        .created(view, lead.position(), path)
        .version(lead.version))
}

/// The person whom a new lead names.
async fn whose(
    api: &Api,
    id: Option<u64>,
    named: Option<CreateContact>,
    origin: &Origin,
) -> Result<Option<ContactId>, Problem> {
    let Some(named) = named else {
        let id = id.map(ContactId);
        api.contacts.expect_present(id, origin).await?;
        return Ok(id);
    };
    if id.is_some() {
        let both = "send contact, or contact_id, and not both";
        return Err(Problem::invalid("contact", both));
    }
    let within = |problem: Problem| problem.within("contact");
    let card = named.card(api).map_err(within)?;
    let origin = origin.step("contact");
    let found = api.contacts.find_or_create(&card, false, &origin).await;
    Ok(Some(found.map_err(|error| within(error.into()))?.id))
}

/// Says what a lead is about and whose it is.
#[utoipa::path(patch, path = "/api/v1/leads/{id}", tag = "leads", request_body = DescribeLead,
    params(("id" = u64, Path)), responses((status = 200, body = LeadView), (status = "4XX", body = Problem)))]
pub async fn describe(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<DescribeLead>,
) -> Result<Changed<LeadView>, Problem> {
    let contact = ask.contact_id.map(|said| said.map(ContactId));
    let origin = caller.origin();
    api.contacts
        .expect_present(contact.flatten(), &origin)
        .await?;
    let command = LeadCommand::Describe {
        business_domain: ask.business_domain,
        contact,
        edit: ask.said().edit(&api)?,
    };
    send(&api, LeadId(id), command, &caller).await
}

/// Moves a lead along the pipeline.
#[utoipa::path(patch, path = "/api/v1/leads/{id}/stage", tag = "leads", request_body = ChangeLeadStage,
    params(("id" = u64, Path)), responses((status = 200, body = LeadView), (status = "4XX", body = Problem)))]
pub async fn change_stage(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<ChangeLeadStage>,
) -> Result<Changed<LeadView>, Problem> {
    let ChangeLeadStage {
        stage,
        seen,
        reason,
    } = ask;
    let command = LeadCommand::ChangeStage {
        to: stage,
        seen,
        reason: checked_reason(reason.as_deref())?,
    };
    send(&api, LeadId(id), command, &caller).await
}

/// Counts messages exchanged with a lead.
#[utoipa::path(post, path = "/api/v1/leads/{id}/messages", tag = "leads", request_body = RecordMessages,
    params(("id" = u64, Path)), responses((status = 200, body = LeadView), (status = "4XX", body = Problem)))]
pub async fn record_messages(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<RecordMessages>,
) -> Result<Changed<LeadView>, Problem> {
    send(
        &api,
        LeadId(id),
        LeadCommand::RecordMessages {
            increment: ask.increment,
        },
        &caller,
    )
    .await
}

/// Puts a tag on a lead; nothing changes where it has it.
#[utoipa::path(post, path = "/api/v1/leads/{id}/tags", tag = "leads", operation_id = "add_lead_tag",
    request_body = AddTag, params(("id" = u64, Path)),
    responses((status = 200, body = LeadView), (status = "4XX", body = Problem)))]
pub async fn add_tag(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<AddTag>,
) -> Result<Changed<LeadView>, Problem> {
    let command = LeadCommand::AddTag { tag: ask.tag };
    send(&api, LeadId(id), command, &caller).await
}

/// Takes a tag off a lead; nothing changes where it has it not.
#[utoipa::path(delete, path = "/api/v1/leads/{id}/tags/{tag}", tag = "leads", operation_id = "remove_lead_tag",
    params(("id" = u64, Path), ("tag" = String, Path)),
    responses((status = 200, body = LeadView), (status = "4XX", body = Problem)))]
pub async fn remove_tag(
    State(api): State<Api>,
    Path((id, tag)): Path<(String, String)>,
    caller: Caller,
) -> Result<Changed<LeadView>, Problem> {
    let Id(id) = Id::parse(&id)?;
    send(&api, LeadId(id), LeadCommand::RemoveTag { tag }, &caller).await
}

/// Writes something down about a lead; it stands in the lead's timeline.
#[utoipa::path(post, path = "/api/v1/leads/{id}/notes", tag = "leads", operation_id = "add_lead_note",
    request_body = AddNote, params(("id" = u64, Path)),
    responses((status = 200, body = LeadView), (status = "4XX", body = Problem)))]
pub async fn add_note(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<AddNote>,
) -> Result<Changed<LeadView>, Problem> {
    let command = LeadCommand::Note { text: ask.text };
    send(&api, LeadId(id), command, &caller).await
}

/// Hands a lead to sales, and answers the sale it became.
#[utoipa::path(post, path = "/api/v1/leads/{id}/transfer", tag = "leads", request_body = Option<TransferLead>,
    params(("id" = u64, Path), TransferParams), responses((status = 200, body = SaleView), (status = "4XX", body = Problem)))]
pub async fn transfer(
    State(api): State<Api>,
    Id(id): Id,
    caller: Caller,
    Params(ask): Params<TransferParams>,
    OptionalBody(body): OptionalBody<TransferLead>,
) -> Result<Changed<SaleView>, Problem> {
    let amount = ask.amount(&body, api.settings.currency)?;
    let (id, sale) = api
        .transfers
        .transfer(
            LeadId(id),
            amount,
            api.gate(),
            &caller.changing::<Lead>(LeadId(id)),
        )
        .await?;
    let view = SaleView::found(id, &sale)?;
    Ok(api.changed(view, sale.position()).version(sale.version))
}

async fn send(
    api: &Api,
    id: LeadId,
    command: LeadCommand,
    caller: &Caller,
) -> Result<Changed<LeadView>, Problem> {
    let origin = caller.changing::<Lead>(id);
    let lead = api.desk.send::<Lead>(id, command, &origin).await?;
    let view = LeadView::found(id, &lead)?;
    let contact = view.contact_id.map(ContactId);
    let contact_removed = api.contacts.is_removed(contact, &origin).await?;
    let view = LeadView {
        contact_removed,
        ..view
    };
    let about = view.names();
    let changed = api.changed(view, lead.position());
    Ok(Changed { about, ..changed }.version(lead.version))
}
