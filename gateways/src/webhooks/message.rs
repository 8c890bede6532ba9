//! What a webhook is told: an event of the log as JSON, read when it is sent.
//!
//! A delivery names its commit; nothing of the event or of its record is copied. So an event of a person who was
//! erased meanwhile is sent as the log shows it: erased.

use std::sync::Arc;

use commands::desk::Desk;
use domain::webhook::event::Delivery;
use jiff::Timestamp;
use journal::JournalError;
use journal::entry::Entry;
use journal::envelope::Recorded;
use journal::token::{StreamId, Token};
use projections::deliveries::reading::message_id;
use projections::timeline::FieldChange;
use projections::timeline::record::{AfterEvent, after_event};
use schemas::any::DomainEvent;
use serde::Serialize;
use serde_json::Value;

/// Of its record's stream a delivery reads so many commits, to find its own: it is the first, but for a test,
/// which names the end of the log before it.
const PAGE: usize = 16;

/// A call's body, as Standard Webhooks lays it out.
#[derive(Debug, Serialize)]
struct Body<'a> {
    /// The event's stored name.
    #[serde(rename = "type")]
    kind: &'a str,
    /// When it happened.
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    /// `lead`, `sale`, `contact`.
    record: &'a str,
    /// Its number.
    id: &'a str,
    /// How many events had happened to it, with this one.
    version: u64,
    /// Where the event is in the log.
    position: String,
    /// Shared by everything that one request caused.
    correlation: uuid::Uuid,
    /// What happened, exactly.
    payload: Value,
    #[serde(flatten)]
    state: Option<State>,
}

/// The record as the routes would have shown it after the event; left out where no route shows it.
#[derive(Debug, Serialize)]
struct State {
    /// `null` of a record that was removed.
    object: Option<Value>,
    /// The fields that the event changed, as timelines name them.
    changes: Vec<FieldChange>,
}

impl From<AfterEvent> for State {
    fn from(AfterEvent { record, changes }: AfterEvent) -> Self {
        Self {
            object: record,
            changes,
        }
    }
}

/// A call's id and body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

/// The message of a delivery; `None` where the log does not hold its event (any more).
pub(super) async fn read(
    desk: &Desk,
    workspace: &Token,
    delivery: &Delivery,
) -> Result<Option<Message>, JournalError> {
    let Some((category, number)) = delivery.record.split_once('-') else {
        return Ok(None);
    };
    let stream = StreamId::try_new(workspace.as_str(), category, number)
        .map_err(|bad| JournalError::Malformed(bad.to_string()))?;
    let (journal, after) = (desk.journal(), delivery.sequence.saturating_sub(1));
    let mut found = found(&journal.load_page(&stream, after, PAGE).await?, delivery)?;
    if found.is_none() {
        // A log that was moved may have other sequences.
        found = self::found(&journal.load(&stream, 0).await?, delivery)?;
    }
    let Some(recorded) = found else {
        return Ok(None);
    };
    let state = after_event(desk, &recorded, delivery.index).await?;
    let message = || {
        let commit = &recorded.commit;
        let event = DomainEvent::decode(category, commit.events.get(delivery.index)?).ok()?;
        let body = Body {
            kind: &delivery.event,
            timestamp: commit.at,
            data: Data {
                record: category,
                id: number,
                version: commit.first_version + delivery.index as u64,
                position: recorded.position.to_string(),
                correlation: commit.correlation,
                payload: event.payload().ok()?,
                state: state.map(State::from),
            },
        };
        Some(Message {
            id: message_id(delivery.id),
            body: serde_json::to_vec(&body).ok()?,
        })
    };
    Ok(message())
}

/// The commit of a delivery. Where it is there and cannot be read, the delivery waits.
fn found(entries: &[Entry], delivery: &Delivery) -> Result<Option<Arc<Recorded>>, JournalError> {
    let is_it = |entry: &&Entry| match entry {
        Entry::Commit(recorded) => recorded.commit.commit_id == delivery.commit,
        Entry::Unreadable(unreadable) => unreadable.stored.commit_id == Some(delivery.commit),
    };
    let found = entries.iter().find(is_it).map(Entry::readable);
    Ok(found.transpose()?.flatten().cloned())
}
