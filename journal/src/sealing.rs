//! Personal fields of events: sealed before they are appended, opened when they are read.
//!
//! A sealed field is `{"sealed": "…", "of": "text" | "list"}`. Once its key was destroyed, it
//! reads as `"erased"` or `[]`: every replay goes on, and nobody is named.

use std::sync::Arc;

use domain::event::Kind;
use futures::StreamExt as _;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::envelope::{Commit, Recorded};
use crate::token::StreamId;
use crate::vault::{DataKey, Subject, Vault, VaultError};
use crate::{Feed, JournalError};

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

/// Opens the personal fields of these commits.
pub(crate) async fn open(
    vault: &Vault,
    mut commits: Vec<Recorded>,
) -> Result<Vec<Recorded>, JournalError> {
    for recorded in commits
        .iter_mut()
        .filter(|recorded| names_somebody(recorded))
    {
        open_one(vault, recorded).await?;
    }
    Ok(commits)
}

fn names_somebody(recorded: &Recorded) -> bool {
    !recorded.commit.keys.is_empty()
}

async fn open_one(vault: &Vault, recorded: &mut Recorded) -> Result<(), JournalError> {
    let subject = Subject::of(&recorded.commit.stream());
    let key = vault.find(&subject).await.map_err(JournalError::from)?;
    let key = key.kept();
    let corrupt = |reason: String| JournalError::Corrupt {
        position: recorded.position,
        reason,
    };
    recorded.commit.events = open_events(key.as_ref(), &recorded.commit).map_err(corrupt)?;
    Ok(())
}

/// Opens what a feed brings. Commits that name nobody are shared with it.
pub(crate) fn opened(vault: Vault, feed: Feed) -> Feed {
    feed.then(move |batch| {
        let vault = vault.clone();
        async move {
            let mut batch = batch?;
            for recorded in batch.iter_mut().filter(|recorded| names_somebody(recorded)) {
                open_one(&vault, Arc::make_mut(recorded)).await?;
            }
            Ok(batch)
        }
    })
    .boxed()
}

fn open_events(key: Option<&DataKey>, commit: &Commit) -> Result<Vec<Box<RawValue>>, String> {
    let stream = commit.stream();
    let open = |place: usize, event: &RawValue| {
        let mut event: Value =
            serde_json::from_str(event.get()).map_err(|error| error.to_string())?;
        let fields = event["payload"].as_object_mut().into_iter().flatten();
        for (field, value) in fields {
            let Some(sealed) = value["sealed"].as_str() else {
                continue;
            };
            let opened = match key {
                Some(key) => {
                    let bytes = key.open(&bound(&stream, commit.commit_id, place, field), sealed);
                    let bytes =
                        bytes.ok_or_else(|| format!("the sealed field {field} was changed"))?;
                    serde_json::from_slice(&bytes).map_err(|error| error.to_string())?
                }
                None if value["of"] == "list" => json!([]),
                None => json!(ERASED),
            };
            *value = opened;
        }
        to_raw_value(&event).map_err(|error| error.to_string())
    };
    let events = commit.events.iter().enumerate();
    events.map(|(place, event)| open(place, event)).collect()
}

impl From<VaultError> for JournalError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Erased(subject) => Self::Malformed(format!("{subject} was erased")),
            VaultError::WrongKey | VaultError::Used | VaultError::Unavailable(_) => {
                Self::unavailable(error)
            }
        }
    }
}
