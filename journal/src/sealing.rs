//! Personal fields of events: sealed before they are appended, opened when they are read.
//!
//! A sealed field is `{"sealed": "…", "of": "text" | "list", "subject": "contact-7"}`; older ones name no
//! subject and mean the record's own. Once its key was destroyed, it reads as `"erased"` or `[]`: every
//! replay goes on, and nobody is named. What is written of somebody who was erased before is stored empty.
//! A key that is merely missing, and a field that does not open, are faults of that commit alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use domain::event::{Kind, Personal, Sealer};
use schemas::any::DomainEvent;
use schemas::codec::without_values;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::entry::{Entry, Fault, Stored, Unreadable};
use crate::envelope::{Commit, Recorded};
use crate::token::StreamId;
use crate::vault::{DataKey, KeyState, Subject, Vault, VaultError};
use crate::{Journal, JournalError};

pub use domain::event::ERASED;

/// Whose keys seal the fields of a commit.
pub(crate) struct Sealers<'a> {
    /// The record's own.
    pub record: Subject,
    /// That of the person whom the record is about, where that is known.
    pub person: Option<&'a Subject>,
}

impl Sealers<'_> {
    fn of(&self, field: &Personal) -> &Subject {
        match field.subject {
            Sealer::Record => &self.record,
            Sealer::Person => self.person.unwrap_or(&self.record),
        }
    }
}

/// Seals the personal fields of a stream's events; answers the subjects whose keys were used.
pub(crate) async fn seal(
    vault: &Vault,
    stream: &StreamId,
    commit_id: Uuid,
    events: Vec<(Box<RawValue>, &Kind)>,
    person: Option<&Subject>,
) -> Result<(Vec<Box<RawValue>>, Vec<String>), JournalError> {
    let sealers = Sealers {
        record: Subject::of(stream),
        person,
    };
    let (mut sealed, mut used) = (Vec::with_capacity(events.len()), BTreeSet::new());
    for (place, (event, kind)) in events.into_iter().enumerate() {
        if kind.personal.is_empty() {
            sealed.push(event);
            continue;
        }
        let malformed = |error: serde_json::Error| JournalError::Malformed(error.to_string());
        let mut event: Value = serde_json::from_str(event.get()).map_err(malformed)?;
        for field in kind.personal {
            let value = &mut event["payload"][field.field];
            if value.is_null() {
                continue;
            }
            let (subject, place) = (
                sealers.of(field),
                bound(stream, commit_id, place, field.field),
            );
            used.insert(subject.name().to_owned());
            *value = seal_field(vault, subject, &place, value).await?;
        }
        sealed.push(to_raw_value(&event).map_err(malformed)?);
    }
    Ok((sealed, used.into_iter().collect()))
}

async fn seal_field(
    vault: &Vault,
    subject: &Subject,
    place: &str,
    value: &Value,
) -> Result<Value, JournalError> {
    let of = if value.is_array() { "list" } else { "text" };
    let sealed = match vault.key(subject).await {
        Ok(key) => key.seal(place, value.to_string().as_bytes()),
        // What is written of somebody who was erased is not kept.
        Err(VaultError::Erased(_)) => String::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(json!({ "sealed": sealed, "of": of, "subject": subject.name() }))
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
    let mut keys = HashMap::new();
    for name in &recorded.commit.keys {
        let subject = Subject::named(recorded.commit.workspace.clone(), name);
        let key = match journal.vault().find(&subject).await? {
            KeyState::Kept(key) => Some(key),
            KeyState::Destroyed => None,
            KeyState::Missing => return Ok(Err(Fault::KeyMissing(name.clone()))),
        };
        keys.insert(name.clone(), key);
    }
    Ok(open_events(&keys, &recorded.commit).map(|events| recorded.commit.events = events))
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

fn open_events(
    keys: &HashMap<String, Option<DataKey>>,
    commit: &Commit,
) -> Result<Vec<Box<RawValue>>, Fault> {
    let stream = commit.stream();
    // Before fields said whose key seals them, it was the record's own.
    let own = Subject::of(&stream).name().to_owned();
    let undecodable = |error: serde_json::Error| Fault::Undecodable(without_values(&error));
    let open = |place: usize, event: &RawValue| {
        let mut event: Value = serde_json::from_str(event.get()).map_err(undecodable)?;
        let fields = event["payload"].as_object_mut().into_iter().flatten();
        for (field, value) in fields {
            let Some(sealed) = value["sealed"].as_str() else {
                continue;
            };
            let subject = value["subject"].as_str().unwrap_or(&own);
            let key = keys.get(subject).and_then(Option::as_ref);
            let opened = match key {
                Some(key) if !sealed.is_empty() => {
                    let bytes = key.open(&bound(&stream, commit.commit_id, place, field), sealed);
                    let bytes = bytes.ok_or_else(|| Fault::Unsealable(field.clone()))?;
                    serde_json::from_slice(&bytes).map_err(undecodable)?
                }
                Some(_) | None if value["of"] == "list" => json!([]),
                Some(_) | None => json!(ERASED),
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
