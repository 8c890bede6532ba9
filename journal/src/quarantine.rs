//! Positions that a person has put into quarantine: an event of the log says so, and every reader passes
//! them over.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use domain::quarantine::{Quarantine, QuarantineEvent, QuarantineId};

use crate::entry::{Entry, Fault, Stored, Unreadable};
use crate::position::Position;
use crate::token::{BadToken, StreamId};
use crate::{Journal, JournalError};

/// The workspace of what belongs to the log itself.
pub const WORKSPACE: &str = "_system";

/// What is passed over, as far as this process knows. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct PassedOver(Arc<RwLock<BTreeSet<Position>>>);

/// The stream of the quarantine.
fn stream() -> Result<StreamId, BadToken> {
    let category = <Quarantine as cqrs_es::Aggregate>::TYPE;
    StreamId::try_new(WORKSPACE, category, QuarantineId::Log.as_str())
}

impl Journal {
    /// Learns what is in quarantine. Whoever follows the log hears of more as it happens.
    pub async fn learn_quarantine(&self) -> Result<(), JournalError> {
        let stream = stream().map_err(|bad| JournalError::Malformed(bad.to_string()))?;
        // Marking what is loaded is what learns.
        drop(self.load(&stream, 0).await?);
        Ok(())
    }
}

impl PassedOver {
    /// Learns of what these say, and takes out what is passed over.
    pub(crate) fn mark(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        for entry in &entries {
            self.learn(entry);
        }
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return entries;
        }
        for entry in &mut entries {
            if let Entry::Unreadable(unreadable) = entry
                && known.contains(&unreadable.position)
                && !unreadable.fault.is_passed_over()
            {
                *entry = quarantined(unreadable);
            }
        }
        entries
    }

    fn learn(&self, entry: &Entry) {
        let Entry::Commit(recorded) = entry else {
            return;
        };
        let commit = &recorded.commit;
        if commit.category.as_str() != <Quarantine as cqrs_es::Aggregate>::TYPE
            || commit.workspace.as_str() != WORKSPACE
        {
            return;
        }
        for event in &commit.events {
            if let Ok(QuarantineEvent::PositionPassedOver { position, .. }) =
                schemas::codec::decode(event)
                && let Ok(position) = position.parse()
            {
                let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
                known.insert(position);
            }
        }
    }
}

fn quarantined(unreadable: &Unreadable) -> Entry {
    Entry::from(Unreadable {
        position: unreadable.position,
        stream: unreadable.stream.clone(),
        fault: Fault::Quarantined,
        stored: Stored::clone(&unreadable.stored),
    })
}
