//! What a webhook is told: an event of the log as JSON, read when it is sent.
//!
//! A delivery names its commit; nothing of the event is copied. So an event of a person who was
//! erased meanwhile is sent as the log shows it: erased.

use std::sync::Arc;

use domain::webhook::event::Delivery;
use jiff::Timestamp;
use journal::entry::Entry;
use journal::envelope::Recorded;
use journal::token::{StreamId, Token};
use journal::{Journal, JournalError};
use projections::deliveries::reading::message_id;
use schemas::any::DomainEvent;
use serde::Serialize;
use serde_json::Value;

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
}

/// A call's id and body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

/// The message of a delivery; `None` where the log does not hold its event (any more).
pub(super) async fn read(
    journal: &Journal,
    workspace: &Token,
    delivery: &Delivery,
) -> Result<Option<Message>, JournalError> {
    let Some((category, number)) = delivery.record.split_once('-') else {
        return Ok(None);
    };
    let stream = StreamId::try_new(workspace.as_str(), category, number)
        .map_err(|bad| JournalError::Malformed(bad.to_string()))?;
    let after = delivery.sequence.saturating_sub(1);
    let mut found = found(&journal.load(&stream, after).await?, delivery)?;
    if found.is_none() {
        // A log that was moved may have other sequences.
        found = self::found(&journal.load(&stream, 0).await?, delivery)?;
    }
    let message = |recorded: Arc<Recorded>| {
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
            },
        };
        Some(Message {
            id: message_id(delivery.id),
            body: serde_json::to_vec(&body).ok()?,
        })
    };
    Ok(found.and_then(message))
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
