//! The log in one SQLite file: WAL, `synchronous=FULL`, one writer that commits in groups.
//!
//! Read in this order: `schema` (tables and settings), `writer` (group commit), `checkpoint`
//! (the WAL), then the readers here. Blocking calls never run on the async threads' time for long: appends go to
//! the writer's own thread, reads to the blocking pool.

mod checkpoint;
mod row;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_stream::try_stream;
use futures::StreamExt;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::watch;
use uuid::Uuid;

use crate::claim::{self, Claim, ClaimKey};
use crate::cursor::Kept;
use crate::entry::Entry;
use crate::envelope::Sealed;
use crate::health::Health;
use crate::position::Position;
use crate::token::{StreamId, Token};
use crate::{Feed, JournalError};
use checkpoint::Checkpoints;
use row::entries;
use writer::Writer;

const FEED_BATCH: usize = 4096;
/// How often a follower looks whether another process has appended.
const FOREIGN_POLL: Duration = Duration::from_millis(250);
/// Readers kept open; more may be open for a moment.
const IDLE_READERS: usize = 4;

/// The log in one SQLite file. Cheap to clone; clones share the writer.
#[derive(Debug, Clone)]
pub struct SqliteJournal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    identity: String,
    head: watch::Receiver<u64>,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    health: Health,
}

impl SqliteJournal {
    /// Opens the log at this path, and makes it where there is none.
    ///
    /// Fails where the file cannot be opened, is no log of ours, or was written by a newer
    /// program.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let connection = schema::open(path)?;
        let identity = schema::identity(&connection)?;
        let health = Health::default();
        let checkpoints = Checkpoints::start(path, health.part("log-checkpoint"))?;
        let (writer, head) = Writer::start(connection, checkpoints, health.part("log-writer"))?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                identity,
                head,
                writer,
                readers: Mutex::default(),
                health,
            }),
        })
    }

    /// What its threads report to.
    pub(crate) fn health(&self) -> &Health {
        &self.inner.health
    }

    pub(crate) async fn append(
        &self,
        commit: Sealed,
        expected_last: u64,
    ) -> Result<Position, JournalError> {
        self.inner
            .writer
            .append(commit, expected_last)
            .await
            .map(at)
    }

    pub(crate) async fn load(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let stream = stream.to_string();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read_with(move |connection| {
            let mut statement = connection.prepare_cached(schema::TAIL)?;
            entries(statement.query(params![stream, after, limit])?)
        })
        .await
    }

    pub(crate) async fn find(
        &self,
        stream: &StreamId,
        commit_id: Uuid,
    ) -> Result<Option<u64>, JournalError> {
        let stream = stream.to_string();
        self.read_with(move |connection| {
            connection
                .prepare_cached(schema::PLACE)?
                .query_row(params![commit_id.as_bytes(), stream], |row| row.get(0))
                .optional()
        })
        .await
    }

    pub(crate) async fn read(
        &self,
        _partition: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read_with(move |connection| {
            let mut statement = connection.prepare_cached(schema::READ)?;
            entries(statement.query(params![after, limit])?)
        })
        .await
    }

    pub(crate) async fn caused_by(&self, correlation: Uuid) -> Result<Vec<Entry>, JournalError> {
        self.read_with(move |connection| {
            let mut statement = connection.prepare_cached(schema::CAUSED_BY)?;
            entries(statement.query([correlation.to_string()])?)
        })
        .await
    }

    pub(crate) fn follow(&self, partition: u16, mut after: u64) -> Feed {
        let journal = self.clone();
        try_stream! {
            let mut head = journal.inner.head.clone();
            loop {
                let batch = journal.read(partition, after, FEED_BATCH).await?;
                if let Some(last) = batch.last() {
                    after = last.position().sequence;
                    yield batch;
                } else {
                    // Whether our own writer woke us or the time passed, the answer is the same: look.
                    let wake = async { head.wait_for(|head| *head > after).await.map(drop) };
                    if let Ok(Err(closed)) = tokio::time::timeout(FOREIGN_POLL, wake).await {
                        Err(JournalError::unavailable(closed))?;
                    }
                }
            }
        }
        .boxed()
    }

    pub(crate) async fn heads(&self) -> Result<Vec<Position>, JournalError> {
        let head = self.read_with(|connection| {
            connection.query_row(
                "SELECT COALESCE(MAX(position), 0) FROM commits",
                [],
                |row| row.get(0),
            )
        });
        Ok(vec![at(head.await?)])
    }

    /// Whether the file is whole: its pages and indexes, and as many commits as positions. Tells
    /// the positions that older programs used up and gave to no commit.
    pub(crate) async fn check_store(&self) -> Result<Vec<Position>, JournalError> {
        let found = self.read_with(|connection| {
            let pages: String =
                connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            Ok((
                pages,
                schema::missing(connection)?,
                schema::burnt(connection)?,
            ))
        });
        let (pages, missing, burnt) = found.await?;
        if pages != "ok" {
            return Err(JournalError::Damaged(pages));
        }
        match missing.iter().find(|sequence| !burnt.contains(sequence)) {
            Some(lost) => Err(JournalError::Damaged(format!(
                "position {} is missing",
                at(*lost)
            ))),
            None => Ok(missing.into_iter().map(at).collect()),
        }
    }

    /// How many commits there are.
    pub(crate) async fn count(&self) -> Result<u64, JournalError> {
        let count = "SELECT COUNT(*) FROM commits";
        self.read_with(move |connection| connection.query_row(count, [], |row| row.get(0)))
            .await
    }

    #[expect(
        clippy::unused_self,
        reason = "the signature of the backends that have several"
    )]
    pub(crate) const fn partitions(&self) -> u16 {
        1
    }

    pub(crate) fn identity(&self) -> String {
        self.inner.identity.clone()
    }

    pub(crate) async fn put_snapshot(
        &self,
        stream: &StreamId,
        bytes: Vec<u8>,
    ) -> Result<(), JournalError> {
        let stream = stream.to_string();
        self.inner
            .writer
            .run(move |connection| {
                connection
                    .prepare_cached(
                        "INSERT INTO snapshots (stream, body) VALUES (?1, ?2) \
                         ON CONFLICT (stream) DO UPDATE SET body = excluded.body",
                    )?
                    .execute(params![stream, bytes])
                    .map(drop)
            })
            .await
    }

    pub(crate) async fn snapshot(
        &self,
        stream: &StreamId,
    ) -> Result<Option<Vec<u8>>, JournalError> {
        let stream = stream.to_string();
        self.read_with(move |connection| {
            connection
                .prepare_cached("SELECT body FROM snapshots WHERE stream = ?1")?
                .query_row([stream], |row| row.get(0))
                .optional()
        })
        .await
    }

    pub(crate) async fn cursor(&self, name: &Token) -> Result<Option<Kept>, JournalError> {
        let name = name.clone();
        self.read_with(move |connection| {
            connection
                .prepare_cached("SELECT revision, body FROM cursors WHERE name = ?1")?
                .query_row([name.as_str()], |row| {
                    Ok(Kept {
                        revision: row.get(0)?,
                        body: row.get(1)?,
                    })
                })
                .optional()
        })
        .await
    }

    pub(crate) async fn put_cursor(
        &self,
        name: &Token,
        revision: u64,
        body: Vec<u8>,
    ) -> Result<u64, JournalError> {
        let name = name.clone();
        let changed = self.inner.writer.run(move |connection| {
            let sql = if revision == 0 {
                "INSERT INTO cursors (name, revision, body) VALUES (?1, ?2 + 1, ?3) \
                 ON CONFLICT DO NOTHING"
            } else {
                "UPDATE cursors SET revision = revision + 1, body = ?3 \
                 WHERE name = ?1 AND revision = ?2"
            };
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute(params![name.as_str(), revision, body])
        });
        if changed.await? == 1 {
            Ok(revision + 1)
        } else {
            Err(JournalError::Conflict)
        }
    }

    pub(crate) async fn claim(&self, key: &ClaimKey) -> Result<Option<Claim>, JournalError> {
        let key = key.clone();
        self.read_with(move |connection| {
            connection
                .prepare_cached(
                    "SELECT revision, body FROM claims WHERE workspace = ?1 AND key = ?2",
                )?
                .query_row([key.workspace.as_str(), key.key.as_str()], |row| {
                    Ok(Claim {
                        revision: row.get(0)?,
                        body: row.get(1)?,
                    })
                })
                .optional()
        })
        .await
    }

    pub(crate) async fn put_claim(
        &self,
        key: &ClaimKey,
        revision: u64,
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<u64, JournalError> {
        let key = key.clone();
        let kept = i64::try_from(claim::KEPT.as_secs()).map_err(JournalError::unavailable)?;
        let changed = self.inner.writer.run(move |connection| {
            let expired = now.as_second() - kept;
            connection
                .prepare_cached("DELETE FROM claims WHERE at < ?1")?
                .execute([expired])?;
            let sql = if revision == 0 {
                "INSERT INTO claims (workspace, key, revision, body, at) VALUES (?1, ?2, ?3 + 1, ?4, ?5) \
                 ON CONFLICT DO NOTHING"
            } else {
                "UPDATE claims SET revision = revision + 1, body = ?4, at = ?5 \
                 WHERE workspace = ?1 AND key = ?2 AND revision = ?3"
            };
            let (workspace, key) = (key.workspace.as_str(), key.key.as_str());
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute(params![workspace, key, revision, body, now.as_second()])
        });
        if changed.await? == 1 {
            Ok(revision + 1)
        } else {
            Err(JournalError::Conflict)
        }
    }

    /// Runs a query on a reader of its own, on the blocking pool.
    async fn read_with<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || {
            let reader = match inner.lock_readers().pop() {
                Some(reader) => reader,
                None => schema::open_reader(&inner.path)?,
            };
            let answer = query(&reader).map_err(JournalError::unavailable);
            let mut idle = inner.lock_readers();
            if idle.len() < IDLE_READERS {
                idle.push(reader);
            }
            answer
        })
        .await
        .map_err(JournalError::unavailable)?
    }
}

impl Inner {
    fn lock_readers(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn at(sequence: u64) -> Position {
    Position {
        partition: 0,
        sequence,
    }
}
