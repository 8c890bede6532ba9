//! Moves what the WAL holds into the file beside the writer, so that no caller waits for it.
//!
//! The WAL begins anew only where a commit finds all of it moved, and while one thread moves,
//! the writer goes on. So the thread moves nearly all, and the writer the little that is left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::schema;
use crate::JournalError;
use crate::health::{Part, supervised_thread};

/// Commits between two checkpoints: some megabytes, where each page is moved once however often
/// it was written.
const EVERY: usize = 2048;

/// How often the size of the WAL's file is looked at, where nothing else is to be done.
const LOOK_EVERY: Duration = Duration::from_secs(2);

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
        // Whoever is in the way now is so for a while: come again instead of waiting.
        connection
            .busy_timeout(Duration::ZERO)
            .map_err(JournalError::unavailable)?;
        let wal = wal_of(path);
        let (wake, woken) = sync_channel(1);
        let little_left = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&little_left);
        thread::Builder::new()
            .name("journal-checkpoint".into())
            .spawn(move || {
                supervised_thread(&part, || run(&connection, &wal, &woken, &told, &part));
            })
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

fn run(
    connection: &Connection,
    wal: &Path,
    woken: &Receiver<()>,
    little_left: &AtomicBool,
    part: &Part,
) {
    loop {
        part.waits();
        let woken = woken.recv_timeout(LOOK_EVERY);
        part.works();
        match woken {
            Ok(()) => {
                // What came while the first went on is moved by the second, and so on.
                checkpoint(connection);
                checkpoint(connection);
                little_left.store(true, Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Timeout) => cut_back(connection, wal),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Where a long reader made the WAL large and has gone, its file is made short again, though there may be
/// no change for days that would begin it anew. The writer waits only for what is left to move.
fn cut_back(connection: &Connection, wal: &Path) {
    let size = std::fs::metadata(wal).map_or(0, |file| file.len());
    if size > schema::WAL_KEPT && checkpoint(connection) {
        let _ = ask(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

/// As much as can be moved without waiting for anybody; what fails now is moved the next time. Tells
/// whether all of it was.
fn checkpoint(connection: &Connection) -> bool {
    match ask(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
        Ok((0, in_wal, moved)) => in_wal == moved,
        Ok(_) => false,
        Err(error) => {
            tracing::debug!(%error, "the WAL was not moved into the file");
            false
        }
    }
}

/// Whether somebody was in the way, how many pages the WAL has, and how many of them were moved.
fn ask(connection: &Connection, checkpoint: &str) -> rusqlite::Result<(i64, i64, i64)> {
    let mut statement = connection.prepare_cached(checkpoint)?;
    statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use stories::servers::{Folder, eventually};

    use super::{Checkpoints, wal_of};
    use crate::health::Health;
    use crate::sqlite::schema::{self, WAL_KEPT};

    #[tokio::test]
    async fn the_wal_is_short_again_once_a_long_reader_has_gone() {
        let folder = Folder::new("wal");
        let path = folder.path().join("log.db");
        let writer = schema::open(&path).unwrap();
        let _checkpoints = Checkpoints::start(&path, Health::default().part("checkpoint")).unwrap();
        let reader = Connection::open(&path).unwrap();
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM snapshots")
            .unwrap();
        let mut write = writer
            .prepare(
                "INSERT OR REPLACE INTO snapshots (stream, body) VALUES (?1, randomblob(4000000))",
            )
            .unwrap();
        let size = || std::fs::metadata(wal_of(&path)).unwrap().len();
        while size() <= WAL_KEPT + 40_000_000 {
            write.execute(["large"]).unwrap();
        }
        reader.execute_batch("COMMIT").unwrap();
        assert!(eventually(async || size() <= WAL_KEPT).await, "{}", size());
    }
}
