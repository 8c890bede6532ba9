//! A commit as the file has it: every read compares the bytes with what stands beside them.

use rusqlite::Rows;
use rusqlite::types::{FromSql, ValueRef};
use uuid::Uuid;

use super::at;
use crate::entry::{Entry, Fault, Stored, Unreadable};
use crate::envelope::Recorded;
use crate::position::Position;
use crate::token::StreamId;

/// What these rows hold: position, body, hash, stream, first version, commit id. Only a position
/// that cannot be read is an error of the file.
pub(super) fn entries(mut rows: Rows<'_>) -> rusqlite::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(Row::read(row)?.entry());
    }
    Ok(entries)
}

struct Row {
    position: Position,
    body: Vec<u8>,
    /// None of what was written before layout 2.
    hash: Option<Vec<u8>>,
    stream: Option<String>,
    first_version: Option<u64>,
    commit_id: Vec<u8>,
}

impl Row {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            position: at(row.get(0)?),
            body: bytes(row.get_ref(1)?),
            hash: column(row, 2),
            stream: column(row, 3),
            first_version: column(row, 4),
            commit_id: bytes(row.get_ref(5)?),
        })
    }

    /// SQLite notices little of what a disk changes, and the chain of hashes nothing of what it
    /// changes in a stream's last commit: so every read compares.
    fn entry(self) -> Entry {
        match Recorded::read(self.position, &self.body) {
            Ok(recorded) if self.is_as_written(&recorded) => recorded.into(),
            Ok(_) => {
                let named = self.stream.as_deref().unwrap_or("it");
                let changed = format!(
                    "{named} v{} is not what was written",
                    self.first_version.unwrap_or_default()
                );
                self.unreadable(Fault::Changed(changed))
            }
            Err(fault) => self.unreadable(fault),
        }
    }

    fn is_as_written(&self, recorded: &Recorded) -> bool {
        let (commit, hash) = (&recorded.commit, recorded.hash.as_bytes());
        self.hash.as_ref().is_none_or(|kept| kept == hash)
            && self.stream.as_deref() == Some(commit.stream().to_string().as_str())
            && self.first_version == Some(commit.first_version)
            && self.commit_id == commit.commit_id.as_bytes()
    }

    fn unreadable(self, fault: Fault) -> Entry {
        let stream: Option<StreamId> = self.stream.and_then(|stream| stream.parse().ok());
        Entry::from(Unreadable {
            position: self.position,
            stream,
            fault,
            stored: Stored {
                bytes: self.body,
                commit_id: Uuid::from_slice(&self.commit_id).ok(),
                first_version: self.first_version,
            },
        })
    }
}

/// A column of the type that it was made with; a disk may have changed even that.
fn column<T: FromSql>(row: &rusqlite::Row<'_>, index: usize) -> Option<T> {
    row.get(index).ok()
}

fn bytes(value: ValueRef<'_>) -> Vec<u8> {
    value.as_bytes().map(<[u8]>::to_vec).unwrap_or_default()
}
