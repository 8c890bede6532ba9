//! The one writer: a thread that puts waiting commits into one transaction and answers them
//! after its COMMIT, so that a hundred callers share one fsync.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{oneshot, watch};

use super::checkpoint::Checkpoints;
use super::schema;
use crate::envelope::Sealed;
use crate::health::{Part, supervised_thread};
use crate::{JournalError, meters};

/// The most jobs in one transaction.
const MAX_GROUP: usize = 1024;
/// Groups of this many say that there is load, and that as many will come again: those who were
/// answered. Waiting for them a little lets all share one fsync, where the first of them would
/// have one for itself; as `commit_siblings` and `commit_delay` of PostgreSQL.
const SIBLINGS: usize = 4;
/// How often a file that took no write is tried again while nobody writes.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// How long a group waits.
const GATHER: Duration = Duration::from_micros(500);

/// A handle to the writer's thread, which ends when the last handle is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Sender<Job>,
}

/// What a transaction does for one caller, or the reason why there is no transaction to do it
/// in; it answers through the returned closure, after COMMIT.
type Job = Box<dyn FnOnce(Result<&Connection, String>) -> Answer + Send>;
/// Tells the caller the outcome: `Some` is why the whole transaction failed.
type Answer = Box<dyn FnOnce(Option<String>) + Send>;

impl Writer {
    /// Starts the thread; the receiver watches the last committed position.
    pub(super) fn start(
        connection: Connection,
        mut checkpoints: Checkpoints,
        part: Part,
    ) -> Result<(Self, watch::Receiver<u64>), JournalError> {
        let head: u64 = head(&connection).map_err(JournalError::unavailable)?;
        let (jobs, waiting) = channel();
        let (committed, watcher) = watch::channel(head);
        thread::Builder::new()
            .name("journal-writer".into())
            .spawn(move || {
                supervised_thread(&part, || {
                    // Whoever waited for the transaction in which it panicked was told of no success.
                    if !connection.is_autocommit() {
                        drop(execute(&connection, "ROLLBACK"));
                    }
                    run(&connection, &waiting, &committed, &mut checkpoints, &part);
                });
            })
            .map_err(JournalError::unavailable)?;
        Ok((Self { jobs }, watcher))
    }

    /// Appends a commit; answers its position after it is durable.
    pub(super) async fn append(
        &self,
        commit: Sealed,
        expected_last: u64,
    ) -> Result<u64, JournalError> {
        self.submit(move |connection| insert(connection, &commit, expected_last))
            .await
    }

    /// Runs a small write in the next transaction.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.submit(move |connection| write(connection).map_err(JournalError::unavailable))
            .await
    }

    async fn submit<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let outcome = connection
                .map_err(JournalError::unavailable)
                .and_then(write);
            Box::new(move |failed: Option<String>| {
                // A caller that went away needs no answer.
                drop(sender.send(match failed {
                    Some(reason) => Err(JournalError::unavailable(reason)),
                    None => outcome,
                }));
            })
        });
        self.jobs
            .send(job)
            .map_err(|_| JournalError::unavailable("the writer has stopped"))?;
        answer.await.map_err(JournalError::unavailable)?
    }
}

fn run(
    connection: &Connection,
    waiting: &Receiver<Job>,
    committed: &watch::Sender<u64>,
    checkpoints: &mut Checkpoints,
    part: &Part,
) {
    let mut together = 0;
    let mut failing = false;
    loop {
        let first = if failing {
            match waiting.recv_timeout(PROBE_EVERY) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    failing = report(part, probe(connection).err().as_deref());
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        } else {
            part.waits();
            let Ok(first) = waiting.recv() else { return };
            part.works();
            first
        };
        if together >= SIBLINGS {
            thread::sleep(GATHER);
        }
        let group = std::iter::once(first).chain(waiting.try_iter().take(MAX_GROUP - 1));
        let (answers, failed) = commit_group(connection, group);
        together = answers.len();
        meters::committed_together(together);
        if failed.is_none()
            && let Ok(head) = head(connection)
        {
            committed.send_if_modified(|seen| std::mem::replace(seen, head) != head);
        }
        if failing || failed.is_some() {
            failing = report(part, failed.as_deref());
        }
        for answer in answers {
            answer(failed.clone());
        }
        checkpoints.after(together, connection);
    }
}

/// Says whether the file takes writes; answers whether it does not.
fn report(part: &Part, failed: Option<&str>) -> bool {
    match failed {
        Some(reason) => part.stands_still(format!("the log takes no writes: {reason}")),
        None => part.works(),
    }
    failed.is_some()
}

/// A write that changes nothing: whether the disk has room again, nobody else would tell.
fn probe(connection: &Connection) -> Result<(), String> {
    let probe = |connection: &Connection| {
        execute(connection, "BEGIN IMMEDIATE")?;
        execute(connection, "UPDATE log SET identity = identity")?;
        execute(connection, "COMMIT")
    };
    let outcome = probe(connection).map_err(|error| error.to_string());
    if outcome.is_err() && !connection.is_autocommit() {
        drop(execute(connection, "ROLLBACK"));
    }
    outcome
}

/// One transaction for the whole group. A job that is refused (a lost race) leaves the others
/// alone; a transaction that fails fails for all, and nobody is told that he succeeded.
fn commit_group(
    connection: &Connection,
    group: impl Iterator<Item = Job>,
) -> (Vec<Answer>, Option<String>) {
    let begun = execute(connection, "BEGIN IMMEDIATE").map_err(|error| error.to_string());
    // A full disk rolls back by itself; what came after it would be committed one by one.
    let open = || match (&begun, connection.is_autocommit()) {
        (Ok(()), false) => Ok(connection),
        (Ok(()), true) => Err("the transaction was rolled back".to_owned()),
        (Err(reason), _) => Err(reason.clone()),
    };
    let answers: Vec<Answer> = group.map(|job| job(open())).collect();
    let outcome = execute(connection, "COMMIT");
    let failed = outcome.err().map(|error| error.to_string());
    if failed.is_some() && !connection.is_autocommit() {
        drop(execute(connection, "ROLLBACK"));
    }
    (answers, failed)
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

fn insert(
    connection: &Connection,
    commit: &Sealed,
    expected_last: u64,
) -> Result<u64, JournalError> {
    let stream = commit.stream.to_string();
    let id = commit.commit_id.as_bytes();
    let values = params![
        stream,
        commit.first_version,
        id,
        commit.bytes,
        commit.hash.as_bytes()
    ];
    let insert = || -> rusqlite::Result<bool> {
        // A second first commit breaks the key (stream, first_version) anyway.
        let begins = commit.first_version == 1 && expected_last == 0;
        if !begins && last(connection, &stream)? != expected_last {
            return Ok(false);
        }
        // Not `ON CONFLICT DO NOTHING`: that uses up a position, and the log would have a hole.
        let mut statement = connection.prepare_cached(
            "INSERT INTO commits (stream, first_version, commit_id, body, hash) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        match statement.execute(values) {
            Ok(_) => Ok(true),
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    };
    if insert().map_err(JournalError::unavailable)? {
        return u64::try_from(connection.last_insert_rowid()).map_err(JournalError::unavailable);
    }
    appended_before(connection, &stream, id)?.ok_or(JournalError::Conflict)
}

/// The position of a stream's last commit; 0 where it has none.
fn last(connection: &Connection, stream: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(schema::LAST)?
        .query_row([stream], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

fn appended_before(
    connection: &Connection,
    stream: &str,
    id: &[u8],
) -> Result<Option<u64>, JournalError> {
    connection
        .prepare_cached(schema::PLACE)
        .and_then(|mut statement| {
            statement
                .query_row(params![id, stream], |row| row.get(0))
                .optional()
        })
        .map_err(JournalError::unavailable)
}

fn head(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT COALESCE(MAX(position), 0) FROM commits")?
        .query_row([], |row| row.get(0))
}
