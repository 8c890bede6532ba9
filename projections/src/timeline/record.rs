//! A record after one event of the log, and what that event changed: what those are told who hear of the event.
//!
//! It is read when it is told, so that what was erased meanwhile reads as erased.

use std::str::FromStr;

use commands::desk::{Desk, Handled};
use cqrs_es::Aggregate as _;
use domain::contact::aggregate::Contact;
use domain::lead::aggregate::Lead;
use domain::pipeline::aggregate::Pipeline;
use domain::sale::aggregate::Sale;
use journal::JournalError;
use journal::envelope::Recorded;
use schemas::any::Within as _;
use serde_json::Value;

use super::changes::{Carded, Cards, FieldChange};
use crate::change::Change;

/// A record after an event.
#[derive(Debug, Clone, PartialEq)]
pub struct AfterEvent {
    /// What the routes would have answered then; `None` of a record that was removed.
    pub record: Option<Value>,
    /// The fields that the event changed.
    pub changes: Vec<FieldChange>,
}

/// The record of a commit after its event at this place; `None` of records that no route shows, and where
/// the commit or what stands before it cannot be read.
///
/// It costs what the record's stream has since its last snapshot before the commit.
///
/// # Errors
///
/// Where the log does not answer.
pub async fn after_event(
    desk: &Desk,
    recorded: &Recorded,
    index: usize,
) -> Result<Option<AfterEvent>, JournalError> {
    match recorded.commit.category.as_str() {
        Lead::TYPE => after::<Lead>(desk, recorded, index).await,
        Sale::TYPE => after::<Sale>(desk, recorded, index).await,
        Contact::TYPE => after::<Contact>(desk, recorded, index).await,
        Pipeline::TYPE => after::<Pipeline>(desk, recorded, index).await,
        _ => Ok(None),
    }
}

async fn after<A: Carded + Handled<Id: FromStr>>(
    desk: &Desk,
    recorded: &Recorded,
    index: usize,
) -> Result<Option<AfterEvent>, JournalError> {
    let (commit, change) = (&recorded.commit, Change::of(recorded.clone()));
    let (Ok(id), Ok(events)) = (commit.id.as_str().parse::<A::Id>(), &change.events) else {
        return Ok(None);
    };
    let sequence = recorded.position.sequence;
    let before = desk.load_before::<A>(&commit.workspace, id, sequence).await;
    let mut cards = match before {
        Ok(before) => Cards::<A>::behind(before),
        Err(JournalError::Corrupt { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut changes = Vec::new();
    for event in events.iter().take(index + 1).filter_map(A::Event::within) {
        changes = cards.then(event, commit.at);
    }
    let record = cards.view(id);
    Ok(Some(AfterEvent { record, changes }))
}
