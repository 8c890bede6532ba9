//! Every erasure is noted beside the backups as it happens, whoever asked for it and wherever.

use std::path::PathBuf;

use commands::policies::Policy;
use commands::policies::erasure::erases;
use journal::JournalError;
use journal::envelope::Recorded;

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
    fn name(&self) -> &'static str {
        "noting-erasures"
    }

    async fn react(&self, recorded: &Recorded) -> Result<(), JournalError> {
        if erases(&recorded.commit) {
            let noted = ledger::add(&self.folder, &[Erasure::by(&recorded.commit)]);
            noted.map_err(|error| JournalError::unavailable(format!("{error:#}")))?;
        }
        Ok(())
    }
}
