//! Routes that change a lead.
//!
//! - [`asks`]: bodies and queries; [`details`]: what people write of a lead
//! - `opening`: a lead that is to be opened, and whose it is

pub mod asks;
pub mod details;
mod opening;
mod refusals;

use axum::extract::{Path, State};
use domain::id::{ContactId, LeadId, NumberKind};
use domain::key::Role;
use domain::lead::aggregate::Lead;
use domain::lead::command::LeadCommand;
use domain::pipeline::built_in;
use domain::pipeline::table::Table;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{open_to, open_to_forms_and};
use super::answer::Changed;
use super::api::Api;
use super::caller::Caller;
use super::extract::{Body, Id, OptionalBody, Params};
use super::problem::Problem;
use super::views::{LeadView, SaleView};
use crate::sales::Handover;
use asks::{
    AddNote, AddTag, ChangeLeadStage, DescribeLead, OpenLead, RecordMessages, TransferLead,
    TransferParams, checked_reason,
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(open_to_forms_and(Role::Operator, routes!(open)))
        .routes(open_to(Role::Operator, routes!(describe)))
        .routes(open_to(Role::Operator, routes!(change_stage)))
        .routes(open_to(Role::Operator, routes!(record_messages)))
        .routes(open_to(Role::Operator, routes!(add_tag)))
        .routes(open_to(Role::Operator, routes!(remove_tag)))
        .routes(open_to(Role::Operator, routes!(add_note)))
        .routes(open_to(Role::Operator, routes!(transfer)))
}

/// Opens a lead.
#[utoipa::path(post, path = "/api/v1/leads", tag = "leads", request_body = OpenLead,
    responses((status = 201, body = LeadView), (status = "4XX", body = Problem)))]
pub async fn open(
    State(api): State<Api>,
    caller: Caller,
    Body(ask): Body<OpenLead>,
) -> Result<Changed<LeadView>, Problem> {
    let origin = caller.origin();
    let opening = ask.opening(&api, &caller).await?;
    let contact = opening.contact(&api, &origin).await?;
    let id = LeadId(api.numbers.next(NumberKind::Lead, &origin).await?);
    let command = opening.command(contact);
    let lead = api.desk.open::<Lead>(id, command, &origin).await?;
    let (view, path) = (LeadView::found(id, &lead)?, format!("/api/v1/leads/{id}"));
    let about = view.names();
    let created = api.created(view, lead.position(), path);
    Ok(Changed { about, ..created }.version(lead.version))
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
        table: followed(&api, id, &caller).await?,
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
    let handover = Handover {
        amount: ask.amount(&body, api.settings.currency)?,
        gate: api.gate(),
        pipeline: body.pipeline.unwrap_or(built_in::SALES),
    };
    let (lead, transfers) = (LeadId(id), &api.transfers);
    let origin = caller.changing::<Lead>(lead);
    let (id, sale) = transfers.transfer(lead, handover, &origin).await?;
    let view = SaleView::found(id, &sale)?;
    Ok(api.changed(view, sale.position()).version(sale.version))
}

/// The pipeline of a lead, as it stands now.
async fn followed(api: &Api, id: u64, caller: &Caller) -> Result<Table, Problem> {
    let lead = api.desk.load::<Lead>(&caller.workspace, LeadId(id)).await?;
    let open = lead.state.open.as_ref();
    let pipeline = open.map_or(built_in::SALES_TEAM, |lead| lead.pipeline);
    Ok(api.pipelines.followed(&caller.workspace, pipeline).await?)
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
