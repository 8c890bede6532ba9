//! Personal fields of events: sealed before they are appended, opened when they are read.
//!
//! A sealed field is `{"sealed": "…", "of": "text" | "list"}`. Once its key was destroyed, it
//! reads as `"erased"` or `[]`: every replay goes on, and nobody is named. A key that is merely
//! missing, and a field that does not open, are faults of that commit alone.

use std::sync::Arc;

use domain::event::Kind;
use schemas::any::DomainEvent;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::entry::{Entry, Fault, Stored, Unreadable};
use crate::envelope::{Commit, Recorded};
use crate::token::StreamId;
use crate::vault::{DataKey, KeyState, Subject, Vault, VaultError};
use crate::{Journal, JournalError};

/// What a text reads as once its key was destroyed.
pub const ERASED: &str = "erased";

/// Seals the personal fields of a stream's events; answers the subjects whose keys were used.
pub(crate) async fn seal(
    vault: &Vault,
    stream: &StreamId,
    commit_id: Uuid,
    events: Vec<(Box<RawValue>, &Kind)>,
) -> Result<(Vec<Box<RawValue>>, Vec<String>), JournalError> {
    if events.iter().all(|(_, kind)| kind.personal.is_empty()) {
        return Ok((
            events.into_iter().map(|(event, _)| event).collect(),
            Vec::new(),
        ));
    }
    let subject = Subject::of(stream);
    let key = vault.key(&subject).await.map_err(JournalError::from)?;
    let seal = |(place, (event, kind)): (usize, (Box<RawValue>, &Kind))| {
        seal_event(&key, stream, commit_id, place, &event, kind)
    };
    let events = events
        .into_iter()
        .enumerate()
        .map(seal)
        .collect::<Result<_, _>>()?;
    Ok((events, vec![subject.name().to_owned()]))
}

fn seal_event(
    key: &DataKey,
    stream: &StreamId,
    commit_id: Uuid,
    place: usize,
    event: &RawValue,
    kind: &Kind,
) -> Result<Box<RawValue>, JournalError> {
    let malformed = |error: serde_json::Error| JournalError::Malformed(error.to_string());
    let mut event: Value = serde_json::from_str(event.get()).map_err(malformed)?;
    for field in kind.personal {
        let value = &mut event["payload"][*field];
        if !value.is_null() {
            let of = if value.is_array() { "list" } else { "text" };
            let sealed = key.seal(
                &bound(stream, commit_id, place, field),
                value.to_string().as_bytes(),
            );
            *value = json!({ "sealed": sealed, "of": of });
        }
    }
    to_raw_value(&event).map_err(malformed)
}

/// Binds a ciphertext to its place: moved anywhere else, it does not open.
fn bound(stream: &StreamId, commit_id: Uuid, place: usize, field: &str) -> String {
    format!("{stream} {commit_id} {place} {field}")
}

/// Opens the personal fields of these commits. What this program or this vault cannot read becomes
/// unreadable by itself; the others are read.
pub(crate) async fn open(
    journal: &Journal,
    mut entries: Vec<Entry>,
) -> Result<Vec<Entry>, JournalError> {
    for entry in &mut entries {
        let Entry::Commit(recorded) = entry else {
            continue;
        };
        let opened = match unknown_event(recorded) {
            Some(fault) => Err(fault),
            None if recorded.commit.keys.is_empty() => continue,
            None => open_one(journal, Arc::make_mut(recorded)).await?,
        };
        if let Err(fault) = opened {
            *entry = unreadable(recorded, fault);
        }
    }
    Ok(entries)
}

/// An event that no program of ours up to this one has written.
fn unknown_event(recorded: &Recorded) -> Option<Fault> {
    let unknown = |event: &RawValue| match schemas::codec::head(event) {
        Ok(head) => DomainEvent::is_newer(recorded.commit.category.as_str(), &head)
            .then(|| Fault::NewerProgram(format!("{} v{}", head.name, head.version))),
        Err(error) => Some(Fault::Undecodable(error.to_string())),
    };
    let mut events = recorded.commit.events.iter();
    events.find_map(|event| unknown(event))
}

/// The outer error is that of the vault as a whole.
async fn open_one(
    journal: &Journal,
    recorded: &mut Recorded,
) -> Result<Result<(), Fault>, JournalError> {
    let subject = Subject::of(&recorded.commit.stream());
    let key = match journal.vault().find(&subject).await? {
        KeyState::Kept(key) => Some(key),
        KeyState::Destroyed => None,
        KeyState::Missing => return Ok(Err(Fault::KeyMissing(subject.name().to_owned()))),
    };
    Ok(open_events(key.as_ref(), &recorded.commit).map(|events| recorded.commit.events = events))
}

/// What is stored is what was read, to the byte: a commit is written in one form only.
fn unreadable(recorded: &Recorded, fault: Fault) -> Entry {
    let commit = &recorded.commit;
    Entry::from(Unreadable {
        position: recorded.position,
        stream: Some(commit.stream()),
        fault,
        stored: Stored {
            bytes: serde_json::to_vec(commit).unwrap_or_default(),
            commit_id: Some(commit.commit_id),
            first_version: Some(commit.first_version),
        },
    })
}

fn open_events(key: Option<&DataKey>, commit: &Commit) -> Result<Vec<Box<RawValue>>, Fault> {
    let stream = commit.stream();
    let undecodable = |error: serde_json::Error| Fault::Undecodable(error.to_string());
    let open = |place: usize, event: &RawValue| {
        let mut event: Value = serde_json::from_str(event.get()).map_err(undecodable)?;
        let fields = event["payload"].as_object_mut().into_iter().flatten();
        for (field, value) in fields {
            let Some(sealed) = value["sealed"].as_str() else {
                continue;
            };
            let opened = match key {
                Some(key) => {
                    let bytes = key.open(&bound(&stream, commit.commit_id, place, field), sealed);
                    let bytes = bytes.ok_or_else(|| Fault::Unsealable(field.clone()))?;
                    serde_json::from_slice(&bytes).map_err(undecodable)?
                }
                None if value["of"] == "list" => json!([]),
                None => json!(ERASED),
            };
            *value = opened;
        }
        to_raw_value(&event).map_err(undecodable)
    };
    let events = commit.events.iter().enumerate();
    events.map(|(place, event)| open(place, event)).collect()
}

impl From<VaultError> for JournalError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Erased(subject) => Self::Malformed(format!("{subject} was erased")),
            VaultError::WrongKey
            | VaultError::Used
            | VaultError::Missing(_)
            | VaultError::Absent
            | VaultError::Replaced
            | VaultError::Unavailable(_) => Self::unavailable(error),
        }
    }
}
