//! A commit as an event, and back.

use eventstore::{EventData, RecordedEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::JournalError;
use crate::archive::Archived;
use crate::position::{BadPosition, Position};

/// What the metadata of an event says.
#[derive(Serialize, Deserialize)]
struct Place {
    position: String,
    hash: String,
}

/// A commit on its way.
pub(super) struct Outgoing {
    pub(super) commit_id: Uuid,
    pub(super) archived: Archived,
}

impl Outgoing {
    pub(super) fn event(&self) -> Result<EventData, JournalError> {
        let Archived {
            position,
            hash,
            body,
        } = &self.archived;
        let corrupt = |error: serde_json::Error| JournalError::Corrupt {
            position: *position,
            reason: error.to_string(),
        };
        // Raw: it must arrive to the byte.
        let body: &RawValue = serde_json::from_str(body).map_err(corrupt)?;
        let place = Place {
            position: position.to_string(),
            hash: hash.clone(),
        };
        let event = EventData::json("rapport.commit", &body)
            .and_then(|event| event.metadata_as_json(&place))
            .map_err(corrupt)?;
        Ok(event.id(self.commit_id))
    }
}

/// Where the event stands.
pub(super) fn stands(partition: u16, event: &RecordedEvent) -> Position {
    Position {
        partition,
        sequence: event.revision + 1,
    }
}

/// The commit that an event holds, where its metadata puts it.
pub(super) fn archived(partition: u16, event: &RecordedEvent) -> Result<Archived, JournalError> {
    let corrupt = |reason: String| JournalError::Corrupt {
        position: stands(partition, event),
        reason: format!("in the archive: {reason}"),
    };
    let place: Place = serde_json::from_slice(&event.custom_metadata)
        .map_err(|error| corrupt(error.to_string()))?;
    let position = place
        .position
        .parse()
        .map_err(|error: BadPosition| corrupt(error.to_string()))?;
    let body =
        String::from_utf8(event.data.to_vec()).map_err(|error| corrupt(error.to_string()))?;
    Ok(Archived {
        position,
        hash: place.hash,
        body,
    })
}
