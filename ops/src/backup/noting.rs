//! Every erasure is noted beside the backups as it happens, whoever asked for it and wherever.

use std::path::PathBuf;

use commands::policies::erasure::{is_erasure, may_erase};
use commands::policies::{Fact, Policy};
use domain::policy::{PolicyId, Start};
use journal::JournalError;

use super::ledger::{self, Erasure};

/// Notes who was erased.
pub struct NoteErasures {
    folder: PathBuf,
}

impl NoteErasures {
    /// In the ledger of this folder.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl Policy for NoteErasures {
    fn id(&self) -> PolicyId {
        PolicyId::NotingErasures
    }

    fn starts(&self) -> Start {
        Start::Beginning
    }

    fn concerns(&self, category: &str) -> bool {
        may_erase(category)
    }

    async fn react(&self, fact: &Fact<'_>) -> Result<(), JournalError> {
        if is_erasure(&fact.event) {
            let noted = ledger::add(&self.folder, &[Erasure::by(&fact.recorded.commit)]);
            noted.map_err(|error| JournalError::unavailable(format!("{error:#}")))?;
        }
        Ok(())
    }
}
