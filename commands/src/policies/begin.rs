//! A policy begins on a log once, and never by itself again.

use cqrs_es::AggregateError;
use domain::policy::{PolicyCommand, PolicyId, PolicyRecord, Start};
use journal::JournalError;
use journal::cursor::name_of;

use super::cursor::{Before, Cursor, State, system};
use crate::clock::Clock;
use crate::desk::Desk;
use crate::lease::Watch;
use crate::origin::Origin;

/// The actor of what policies say of themselves.
const ACTOR: &str = "policy";

/// What a process has seen while a policy had not begun.
pub(super) struct Seen {
    /// Whether the log was empty: then all that is in it now is news.
    empty: bool,
    /// Who holds the claim of an older program, by partition.
    watches: Vec<Watch<u64>>,
}

impl Seen {
    pub(super) fn new(partitions: u16) -> Self {
        Self {
            empty: false,
            watches: vec![Watch::default(); usize::from(partitions)],
        }
    }
}

/// Lets a policy begin where it has never begun on this log; `false` while it must wait.
///
/// It waits while an older program runs it, and while the log is empty: an empty log may be one that
/// is about to be restored, and nothing may stand in its way. The cursors come first and the event
/// after them, so that a cursor which is missing behind the event was there and is lost.
pub(super) async fn begin(
    policy: PolicyId,
    start: Start,
    desk: &Desk,
    clock: &Clock,
    seen: &mut Seen,
) -> Result<bool, JournalError> {
    let (workspace, journal) = (system()?, desk.journal());
    let record = desk.load::<PolicyRecord>(&workspace, policy).await?;
    if record.state.begun {
        return Ok(true);
    }
    let heads = journal.heads().await?;
    if heads.iter().all(|head| head.sequence == 0) {
        seen.empty = true;
        return Ok(false);
    }
    for (head, watch) in heads.into_iter().zip(&mut seen.watches) {
        let name = name_of(policy, head.partition)?;
        if journal.cursor(&name).await?.is_some() {
            continue;
        }
        let before = Cursor::before(journal, clock, policy, head.partition, watch).await?;
        let from = match (before, start) {
            (Before::Held, _) => return Ok(false),
            (Before::Free(sequence), _) => sequence.min(head.sequence),
            (Before::Unknown, _) if seen.empty => 0,
            (Before::Unknown, Start::Beginning) => 0,
            (Before::Unknown, Start::Now) => head.sequence,
        };
        let body = State::at(from, Vec::new()).to_bytes()?;
        match journal.put_cursor(&name, 0, body).await {
            // Another process was faster.
            Ok(_) | Err(JournalError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    let origin = Origin::new(workspace, ACTOR);
    let command = PolicyCommand::Begin { from: start };
    match desk.send::<PolicyRecord>(policy, command, &origin).await {
        Ok(_) => Ok(true),
        Err(AggregateError::UserError(never)) => match never {},
        Err(error) => Err(JournalError::unavailable(error.to_string())),
    }
}
