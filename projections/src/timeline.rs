//! Everything that happened to a lead, a sale, a contact or a pipeline: who, when, from where, and what was
//! before and after.
//!
//! Read from the log itself: a stream is a timeline already, and a copy would only be later.
//!
//! - `changes`: fields before and after
//! - `origin`: who is behind an actor
//! - [`record`]: a record after one event of the log, for those who are told of that event

mod changes;
mod origin;
pub mod record;

use std::fmt::Display;

use commands::desk::Desk;
use cqrs_es::Aggregate as _;
use domain::contact::aggregate::Contact;
use domain::id::{ContactId, LeadId, SaleId};
use domain::lead::aggregate::Lead;
use domain::lead::event::LeadEvent;
use domain::pipeline::PipelineId;
use domain::pipeline::aggregate::Pipeline;
use domain::sale::aggregate::Sale;
use jiff::Timestamp;
use journal::JournalError;
use journal::entry::Unreadable;
use journal::token::{BadToken, StreamId, Token};
use schemas::any::Within as _;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::change::{Change, Followed};
pub use changes::FieldChange;
use changes::{Carded, Cards};
use origin::Callers;
pub use origin::CameFrom;

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
    /// Where it came from.
    pub from: CameFrom,
    /// What was asked.
    pub command: String,
    /// What happened: `lead.stage_changed`.
    pub event: String,
    /// To what: `lead`, `sale`, `contact` or `pipeline`.
    pub subject: String,
    /// Its number, or its key.
    pub id: String,
    /// What exactly.
    #[schema(value_type = Object)]
    pub payload: Value,
    /// The fields that it changed.
    pub changes: Vec<FieldChange>,
    /// Shared by everything that one request caused.
    #[schema(value_type = String, format = "uuid")]
    pub correlation: uuid::Uuid,
    /// The id of the commit that caused it, where one did.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub causation: Option<uuid::Uuid>,
}

/// Timelines of one workspace.
pub struct Timeline<'a> {
    desk: &'a Desk,
    workspace: &'a Token,
    until: Option<Timestamp>,
}

impl<'a> Timeline<'a> {
    /// Until a moment, or until now.
    #[must_use]
    pub const fn new(desk: &'a Desk, workspace: &'a Token, until: Option<Timestamp>) -> Self {
        Self {
            desk,
            workspace,
            until,
        }
    }

    /// What happened to a lead and to the sale it became; empty where there is no such lead.
    pub async fn lead(&self, lead: LeadId) -> Result<Vec<Happened>, JournalError> {
        let lead = self.entries(Lead::TYPE, lead.0).await?;
        let sale = lead
            .iter()
            .filter_map(Followed::change)
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
                | LeadEvent::FieldChanged { .. }
                | LeadEvent::ExpectedAmountChanged { .. }
                | LeadEvent::TagAdded { .. }
                | LeadEvent::TagRemoved { .. }
                | LeadEvent::Noted { .. }
                | LeadEvent::NoteWithdrawn { .. }
                | LeadEvent::AnalysisWithdrawn {}
                | LeadEvent::Forgotten {} => None,
            });
        let mut all = happened::<Lead>(&lead);
        if let Some(SaleId(sale)) = sale {
            all.extend(happened::<Sale>(&self.entries(Sale::TYPE, sale).await?));
        }
        self.told(all).await
    }

    /// What happened to a sale; empty where there is no such sale.
    pub async fn sale(&self, sale: SaleId) -> Result<Vec<Happened>, JournalError> {
        let sale = self.entries(Sale::TYPE, sale.0).await?;
        self.told(happened::<Sale>(&sale)).await
    }

    /// What happened to a contact, also to one that was removed; empty where there never was one.
    pub async fn contact(&self, contact: ContactId) -> Result<Vec<Happened>, JournalError> {
        let contact = self.entries(Contact::TYPE, contact.0).await?;
        self.told(happened::<Contact>(&contact)).await
    }

    /// What happened to a pipeline; empty where it stands as it was built in.
    pub async fn pipeline(&self, key: PipelineId) -> Result<Vec<Happened>, JournalError> {
        let pipeline = self.entries(Pipeline::TYPE, key).await?;
        self.told(happened::<Pipeline>(&pipeline)).await
    }

    async fn entries(
        &self,
        category: &str,
        id: impl Display,
    ) -> Result<Vec<Followed>, JournalError> {
        let bad = |bad: BadToken| JournalError::Malformed(bad.to_string());
        let workspace = self.workspace.as_str();
        let stream = StreamId::try_new(workspace, category, &id.to_string()).map_err(bad)?;
        let entries = self.desk.journal().load(&stream, 0).await?;
        Ok(entries.into_iter().map(Followed::from).collect())
    }

    /// In log order, cut at the moment, each with who is behind it.
    async fn told(&self, mut all: Vec<(u64, Happened)>) -> Result<Vec<Happened>, JournalError> {
        all.sort_by_key(|(sequence, _)| *sequence);
        all.retain(|(_, happened)| self.until.is_none_or(|until| happened.at <= until));
        let mut callers = Callers::new(self.desk, self.workspace);
        let mut told = Vec::with_capacity(all.len());
        for (_, mut happened) in all {
            happened.from = callers.behind(&happened.actor).await?;
            told.push(happened);
        }
        Ok(told)
    }
}

/// What happened in a stream, each with its sequence; who is behind it is not looked up yet.
fn happened<A: Carded>(stream: &[Followed]) -> Vec<(u64, Happened)> {
    let mut cards = Cards::<A>::new();
    let (mut all, mut before) = (Vec::new(), Timestamp::UNIX_EPOCH);
    for followed in stream {
        let change = match followed {
            Followed::Change(change) => change,
            Followed::Unreadable(unreadable) => {
                all.extend(cannot_be_read(unreadable, before));
                continue;
            }
        };
        before = change.recorded.commit.at;
        let commit = &change.recorded.commit;
        let decoded = change.events.as_deref().unwrap_or_default();
        for (place, event) in commit.events.iter().enumerate() {
            let event: Value = serde_json::from_str(event.get()).unwrap_or_default();
            let known = decoded.get(place).and_then(A::Event::within);
            let happened = Happened {
                position: change.position().to_string(),
                at: commit.at,
                actor: commit.actor.clone(),
                from: CameFrom::default(),
                command: commit.command.clone(),
                event: event["type"].as_str().unwrap_or_default().to_owned(),
                subject: commit.category.to_string(),
                id: commit.id.to_string(),
                payload: event["payload"].clone(),
                changes: known.map_or_else(Vec::new, |event| cards.then(event, commit.at)),
                correlation: commit.correlation,
                causation: commit.causation,
            };
            all.push((change.position().sequence, happened));
        }
    }
    all
}

/// What stands in a stream and cannot be read, so that people see that something is there. It tells no
/// time: it happened after what stands before it. What is passed over did not happen.
fn cannot_be_read(unreadable: &Unreadable, before: Timestamp) -> Option<(u64, Happened)> {
    let stream = unreadable.stream.as_ref()?;
    if unreadable.fault.is_passed_over() {
        return None;
    }
    let happened = Happened {
        position: unreadable.position.to_string(),
        at: before,
        actor: "unknown".into(),
        from: CameFrom::default(),
        command: "unknown".into(),
        event: "unreadable".into(),
        subject: stream.category.to_string(),
        id: stream.id.to_string(),
        payload: json!({ "reason": unreadable.fault.to_string() }),
        changes: Vec::new(),
        correlation: uuid::Uuid::nil(),
        causation: None,
    };
    Some((unreadable.position.sequence, happened))
}
