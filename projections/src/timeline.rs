//! Everything that happened to a lead and to the sale it became, with who and when.
//!
//! Read from the log itself: a stream is a timeline already, and a copy would only be later.

use cqrs_es::Aggregate as _;
use domain::id::{LeadId, SaleId};
use domain::lead::aggregate::Lead;
use domain::lead::event::LeadEvent;
use domain::sale::aggregate::Sale;
use jiff::Timestamp;
use journal::token::{BadToken, StreamId, Token};
use journal::{Journal, JournalError};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::change::Change;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Happened {
    /// Where in the log.
    pub position: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who asked: `key:3`, `policy:transfer`, `demo`.
    pub actor: String,
    /// What was asked.
    pub command: String,
    /// What happened: `lead.stage_changed`.
    pub event: String,
    /// To what: `lead` or `sale`.
    pub subject: String,
    /// Its number.
    pub id: String,
    /// What exactly.
    #[schema(value_type = Object)]
    pub payload: Value,
    /// Shared by everything that one request caused.
    #[schema(value_type = String, format = "uuid")]
    pub correlation: uuid::Uuid,
}

/// Everything that happened to a lead until a moment; empty where there is no such lead.
pub async fn read(
    journal: &Journal,
    workspace: &Token,
    lead: LeadId,
    until: Option<Timestamp>,
) -> Result<Vec<Happened>, JournalError> {
    let changes = changes(journal, workspace, Lead::TYPE, lead.0).await?;
    let sale = changes
        .iter()
        .flat_map(Change::events_of::<LeadEvent>)
        .find_map(|event| match event {
            LeadEvent::Transferred { sale, .. } => Some(*sale),
            LeadEvent::Opened { .. }
            | LeadEvent::DomainSet { .. }
            | LeadEvent::ContactLinked { .. }
            | LeadEvent::StageChanged { .. }
            | LeadEvent::MessagesRecorded { .. }
            | LeadEvent::Analyzed(_)
            | LeadEvent::DomainCleared {}
            | LeadEvent::ContactUnlinked {}
            | LeadEvent::MessagesWithdrawn { .. }
            | LeadEvent::AnalysisWithdrawn {} => None,
        });
    let mut all = changes;
    if let Some(SaleId(sale)) = sale {
        all.extend(self::changes(journal, workspace, Sale::TYPE, sale).await?);
    }
    all.sort_by_key(|change| change.position().sequence);
    all.retain(|change| until.is_none_or(|until| change.recorded.commit.at <= until));
    Ok(all.iter().flat_map(happened).collect())
}

async fn changes(
    journal: &Journal,
    workspace: &Token,
    category: &str,
    id: u64,
) -> Result<Vec<Change>, JournalError> {
    let bad = |bad: BadToken| JournalError::Malformed(bad.to_string());
    let stream = StreamId::try_new(workspace.as_str(), category, &id.to_string()).map_err(bad)?;
    Ok(journal
        .load(&stream, 0)
        .await?
        .into_iter()
        .map(Change::of)
        .collect())
}

fn happened(change: &Change) -> Vec<Happened> {
    let commit = &change.recorded.commit;
    let stored = |event: &serde_json::value::RawValue| {
        let event: Value = serde_json::from_str(event.get()).unwrap_or_default();
        Happened {
            position: change.position().to_string(),
            at: commit.at,
            actor: commit.actor.clone(),
            command: commit.command.clone(),
            event: event["type"].as_str().unwrap_or_default().to_owned(),
            subject: commit.category.to_string(),
            id: commit.id.to_string(),
            payload: event["payload"].clone(),
            correlation: commit.correlation,
        }
    };
    commit.events.iter().map(|event| stored(event)).collect()
}
