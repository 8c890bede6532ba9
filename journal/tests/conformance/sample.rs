//! Commits to append.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::lead::event::LeadEvent;
use domain::pipeline::built_in;
use domain::pipeline::table::Outcome;
use jiff::Timestamp;
use journal::entry::readable;
use journal::envelope::{Commit, CommitHash, Sealed};
use journal::position::Position;
use journal::token::StreamId;
use journal::{Journal, JournalError};
use uuid::Uuid;

static IDS: AtomicU64 = AtomicU64::new(0);

/// A commit id that was not there before.
pub fn fresh_id() -> Uuid {
    let count = IDS.fetch_add(1, Ordering::Relaxed);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &count.to_be_bytes())
}

/// The id of a request that is made now.
#[expect(
    clippy::disallowed_methods,
    reason = "the id tells when it was made, and that is tested"
)]
pub fn fresh_request() -> Uuid {
    Uuid::now_v7()
}

/// Messages were recorded with the lead.
pub fn recorded(total: u64) -> LeadEvent {
    LeadEvent::MessagesRecorded {
        increment: 1,
        total,
    }
}

/// A lead was lost, for a reason as long as you like.
pub fn lost(reason: &str) -> LeadEvent {
    let reason = Some(reason.to_owned());
    LeadEvent::StageChanged {
        from: built_in::NEW,
        to: built_in::LOST,
        outcome: Outcome::Lost,
        reason,
    }
}

/// A commit of these events.
pub fn commit_of(stream: &StreamId, first_version: u64, events: &[LeadEvent]) -> Commit {
    Commit {
        commit_id: fresh_id(),
        workspace: stream.workspace.clone(),
        category: stream.category.clone(),
        id: stream.id.clone(),
        first_version,
        events: events
            .iter()
            .map(|event| schemas::codec::encode(event).unwrap())
            .collect(),
        actor: "key:1".into(),
        command: "RecordMessages".into(),
        correlation: fresh_id(),
        causation: None,
        undoes: None,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        at: Timestamp::UNIX_EPOCH,
        prev_hash: None,
        keys: Vec::new(),
        asked: None,
    }
}

/// A commit of one event, sealed.
pub fn commit(stream: &StreamId, version: u64) -> Sealed {
    Sealed::try_new(&commit_of(stream, version, &[recorded(version)])).unwrap()
}

/// A commit of one event behind another, sealed.
pub fn chained(stream: &StreamId, version: u64, previous: Option<CommitHash>) -> Sealed {
    let commit = commit_of(stream, version, &[recorded(version)]);
    Sealed::try_new(&Commit {
        prev_hash: previous,
        ..commit
    })
    .unwrap()
}

/// Appends this many commits of one event behind what the stream holds; answers their positions.
pub async fn grow(journal: &Journal, stream: &StreamId, count: u64) -> Vec<Position> {
    let held = readable(&journal.load(stream, 0).await.unwrap()).unwrap();
    let mut last = held.last().map_or(0, |commit| commit.position.sequence);
    let mut positions = Vec::new();
    for version in 1..=count {
        let position = journal
            .append(commit(stream, held.len() as u64 + version), last)
            .await
            .unwrap();
        last = position.sequence;
        positions.push(position);
    }
    positions
}

/// Whether the append lost its race.
pub fn is_conflict<T>(outcome: &Result<T, JournalError>) -> bool {
    matches!(outcome, Err(JournalError::Conflict))
}
