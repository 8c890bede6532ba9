//! Moves what the WAL holds into the file beside the writer, so that no caller waits for it.
//!
//! The WAL begins anew only where a commit finds all of it moved, and while one thread moves,
//! the writer goes on. So the thread moves nearly all, and the writer the little that is left.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rusqlite::Connection;

use super::schema;
use crate::JournalError;
use crate::health::{Part, supervised_thread};

/// Commits between two checkpoints: some megabytes, where each page is moved once however often
/// it was written.
const EVERY: usize = 2048;

/// The writer's side.
#[derive(Debug)]
pub(super) struct Checkpoints {
    wake: SyncSender<()>,
    little_left: Arc<AtomicBool>,
    commits: usize,
}

impl Checkpoints {
    /// Starts the thread, which ends with this.
    pub(super) fn start(path: &Path, part: Part) -> Result<Self, JournalError> {
        let connection = schema::open_reader(path)?;
        let (wake, woken) = sync_channel(1);
        let little_left = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&little_left);
        thread::Builder::new()
            .name("journal-checkpoint".into())
            .spawn(move || supervised_thread(&part, || run(&connection, &woken, &told, &part)))
            .map_err(JournalError::unavailable)?;
        Ok(Self {
            wake,
            little_left,
            commits: 0,
        })
    }

    /// After so many commits more, between two transactions of the writer.
    pub(super) fn after(&mut self, commits: usize, writer: &Connection) {
        self.commits += commits;
        if self.little_left.swap(false, Ordering::Relaxed) {
            checkpoint(writer);
        } else if self.commits >= EVERY && self.wake.try_send(()).is_ok() {
            self.commits = 0;
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, little_left: &AtomicBool, part: &Part) {
    loop {
        part.waits();
        if woken.recv().is_err() {
            return;
        }
        part.works();
        // What came while the first went on is moved by the second, and so on.
        checkpoint(connection);
        checkpoint(connection);
        little_left.store(true, Ordering::Relaxed);
    }
}

/// As much as can be moved without waiting for anybody; what fails now is moved the next time.
fn checkpoint(connection: &Connection) {
    let moved = connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut statement| statement.query_row([], |_| Ok(())));
    if let Err(error) = moved {
        tracing::debug!(%error, "the WAL was not moved into the file");
    }
}
