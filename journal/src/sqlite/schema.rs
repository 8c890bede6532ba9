//! The file's tables and settings.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use crate::JournalError;

/// The layout below; a file with a higher one was written by a newer program.
const LAYOUT: i64 = 3;

/// Where `checkpoint` cannot keep up, the writer itself ends the WAL at this many pages, 128 MB.
const WAL_PAGES: i64 = 32_768;

/// How large the WAL's file stays when it begins anew, in bytes. While somebody reads for long it cannot
/// begin anew and grows as long as there are changes.
pub(super) const WAL_KEPT: u64 = 128 * 1024 * 1024;

/// The log is append-only: the triggers hold that against every program, ours included.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS commits (
        position      INTEGER PRIMARY KEY AUTOINCREMENT,
        stream        TEXT    NOT NULL,
        first_version INTEGER NOT NULL,
        commit_id     BLOB    NOT NULL UNIQUE,
        body          BLOB    NOT NULL,
        hash          BLOB,
        UNIQUE (stream, first_version)
    ) STRICT;
    CREATE TRIGGER IF NOT EXISTS commits_are_never_changed BEFORE UPDATE ON commits
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS commits_are_never_removed BEFORE DELETE ON commits
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    CREATE TABLE IF NOT EXISTS snapshots (
        stream TEXT PRIMARY KEY,
        body   BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS claims (
        workspace TEXT    NOT NULL,
        key       TEXT    NOT NULL,
        revision  INTEGER NOT NULL,
        body      BLOB    NOT NULL,
        at        INTEGER NOT NULL,
        PRIMARY KEY (workspace, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS cursors (
        name     TEXT    PRIMARY KEY,
        revision INTEGER NOT NULL,
        body     BLOB    NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS claims_by_age ON claims (at);
    CREATE TABLE IF NOT EXISTS log (identity TEXT NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS commits_by_request
        ON commits (CASE WHEN json_valid(CAST(body AS TEXT)) THEN CAST(body AS TEXT) ->> '$.correlation' END);
    DROP INDEX IF EXISTS commits_by_correlation;
    CREATE TABLE IF NOT EXISTS unused_positions (position INTEGER PRIMARY KEY) STRICT;
";

/// The commits of one request. Its expression is that of the index, letter by letter.
pub(super) const CAUSED_BY: &str = "SELECT position, body, hash, stream, first_version, commit_id FROM commits \
     WHERE CASE WHEN json_valid(CAST(body AS TEXT)) THEN CAST(body AS TEXT) ->> '$.correlation' END = ?1 \
     ORDER BY position";

/// A stream's commits behind a position, from which the walk along the index begins: what it costs follows
/// from what it finds, however long the stream. By position alone the whole stream would be looked through.
pub(super) const TAIL: &str = "SELECT position, body, hash, stream, first_version, commit_id FROM commits \
     WHERE stream = ?1 AND first_version > COALESCE( \
         (SELECT first_version FROM commits WHERE stream = ?1 AND +position <= ?2 AND ?2 > 0 \
          ORDER BY first_version DESC LIMIT 1), 0) \
     ORDER BY first_version LIMIT ?3";

/// The log's commits behind a position.
pub(super) const READ: &str = "SELECT position, body, hash, stream, first_version, commit_id FROM commits \
     WHERE position > ?1 ORDER BY position LIMIT ?2";

/// The position of a stream's last commit.
pub(super) const LAST: &str =
    "SELECT position FROM commits WHERE stream = ?1 ORDER BY first_version DESC LIMIT 1";

/// Where a stream has this commit.
pub(super) const PLACE: &str = "SELECT position FROM commits WHERE commit_id = ?1 AND stream = ?2";

/// Positions without a commit that something may have stood at.
pub(super) fn missing(connection: &Connection) -> rusqlite::Result<Vec<u64>> {
    let (commits, last): (u64, u64) = connection.query_row(
        "SELECT COUNT(*), MAX(COALESCE(MAX(position), 0), \
         COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'commits'), 0)) FROM commits",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if commits == last {
        return Ok(Vec::new());
    }
    let (mut missing, mut next) = (Vec::new(), 1);
    let mut positions = connection.prepare("SELECT position FROM commits ORDER BY position")?;
    for position in positions.query_map([], |row| row.get::<_, u64>(0))? {
        let position = position?;
        missing.extend(next..position);
        next = position + 1;
    }
    missing.extend(next..=last);
    Ok(missing)
}

/// Positions that an older program used up.
pub(super) fn burnt(connection: &Connection) -> rusqlite::Result<BTreeSet<u64>> {
    let mut unused = connection.prepare("SELECT position FROM unused_positions")?;
    unused.query_map([], |row| row.get(0))?.collect()
}

/// Opens the file for the writer.
pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let connection = Connection::open(path).map_err(JournalError::unavailable)?;
    prepare(&connection).map_err(JournalError::unavailable)?;
    let layout: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(JournalError::unavailable)?;
    if layout > LAYOUT {
        return Err(JournalError::unavailable(format!(
            "{} has layout {layout}, this program knows up to {LAYOUT}; use the newer program",
            path.display()
        )));
    }
    if layout == 1 {
        // Layout 2 keeps the hash of each commit; those that were there have none.
        connection
            .execute_batch(
                "BEGIN; ALTER TABLE commits ADD COLUMN hash BLOB; PRAGMA user_version = 2; COMMIT;",
            )
            .map_err(JournalError::unavailable)?;
    }
    set_up(&connection, layout).map_err(JournalError::unavailable)?;
    Ok(connection)
}

fn set_up(connection: &Connection, layout: i64) -> rusqlite::Result<()> {
    connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES}"))?;
    if layout < LAYOUT {
        // Up to layout 2, an append that found its commit there already used up a position. Those
        // are kept, so that from now on every other hole is a loss.
        for position in missing(connection)? {
            connection.execute(
                "INSERT OR IGNORE INTO unused_positions VALUES (?1)",
                [position],
            )?;
        }
        // Only where it changes: a file on a full disk can be opened, and backed up.
        connection.pragma_update(None, "user_version", LAYOUT)?;
    }
    connection.execute_batch("COMMIT")
}

/// Opens the file for a reader.
pub(super) fn open_reader(path: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(JournalError::unavailable)?;
    prepare(&connection).map_err(JournalError::unavailable)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(JournalError::unavailable)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a commit is on the disk before it is acknowledged, whatever the power does.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// The log's identity, made with the file.
#[expect(
    clippy::disallowed_methods,
    reason = "a log's identity is made here, once"
)]
pub(super) fn identity(connection: &Connection) -> Result<String, JournalError> {
    let made = format!("sqlite-{}", Uuid::now_v7());
    connection
        .execute(
            "INSERT INTO log (identity) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM log)",
            [made],
        )
        .and_then(|_| connection.query_row("SELECT identity FROM log", [], |row| row.get(0)))
        .map_err(JournalError::unavailable)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rusqlite::{Connection, params};
    use stories::servers::Folder;

    use super::{CAUSED_BY, LAST, LAYOUT, PLACE, READ, TABLES, TAIL};
    use crate::entry::readable;
    use crate::sqlite::SqliteJournal;
    use crate::{Backend, Journal, sample};

    #[tokio::test]
    async fn a_log_of_layout_1_is_read_and_goes_on() {
        let folder = Folder::new("layout");
        let (new, old) = (folder.path().join("new.db"), folder.path().join("old.db"));
        {
            let journal = Journal::from(Backend::Sqlite(SqliteJournal::open(&new).unwrap()));
            sample::happen(&journal, 1, Timestamp::UNIX_EPOCH).await;
        }
        as_layout_1(&new, &old);
        let journal = Journal::from(Backend::Sqlite(SqliteJournal::open(&old).unwrap()));
        sample::happen(&journal, 2, Timestamp::UNIX_EPOCH).await;
        let entries = journal.read_sealed(0, 0, 10).await.unwrap();
        let commits = readable(&entries).unwrap();
        let ids: Vec<_> = commits.iter().map(|one| one.commit.id.as_str()).collect();
        assert_eq!(ids, ["1", "2"]);
        let connection = Connection::open(&old).unwrap();
        let layout: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(layout, LAYOUT);
    }

    /// Layout 2 used up a position for an append that found its commit there already.
    #[tokio::test]
    async fn a_hole_of_an_older_program_is_told_from_a_loss() {
        let folder = Folder::new("holes");
        let path = folder.path().join("log.db");
        let open = || Journal::from(Backend::Sqlite(SqliteJournal::open(&path).unwrap()));
        {
            let journal = open();
            for number in 1..=2 {
                sample::happen(&journal, number, Timestamp::UNIX_EPOCH).await;
            }
        }
        let file = Connection::open(&path).unwrap();
        file.execute_batch(
            "INSERT INTO commits (stream, first_version, commit_id, body) \
             SELECT stream, first_version, commit_id, body FROM commits WHERE position = 1 \
             ON CONFLICT DO NOTHING;
             DROP TABLE unused_positions; PRAGMA user_version = 2;",
        )
        .unwrap();
        let journal = open();
        sample::happen(&journal, 3, Timestamp::UNIX_EPOCH).await;
        let holes = journal.check_store().await.unwrap();
        let holes: Vec<_> = holes.iter().map(ToString::to_string).collect();
        assert_eq!(holes, ["0:3"], "position 3 went to nobody");
        assert_eq!(journal.count().await.unwrap(), 3);
        file.execute_batch(
            "DROP TRIGGER commits_are_never_removed; DELETE FROM commits WHERE position = 4;",
        )
        .unwrap();
        let damage = journal.check_store().await.unwrap_err();
        assert!(damage.to_string().contains("position 0:4"), "{damage}");
    }

    /// How `SQLite` would carry out a query, step by step.
    fn plan(connection: &Connection, sql: &str) -> Vec<String> {
        let mut plan = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let nothing = vec![""; plan.parameter_count()];
        let steps = plan
            .query_map(rusqlite::params_from_iter(nothing), |row| row.get("detail"))
            .unwrap();
        steps.map(Result::unwrap).collect()
    }

    #[test]
    fn no_read_scans_the_log_or_a_whole_stream() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        for (sql, seek) in [
            (TAIL, "(stream=? AND first_version>?)"),
            (READ, "(rowid>?)"),
            (LAST, "(stream=?)"),
            (PLACE, "(commit_id=?)"),
            (CAUSED_BY, "(<expr>=?)"),
        ] {
            let steps = plan(&connection, sql);
            assert!(steps[0].contains(seek), "{sql}: {steps:?}");
            let slow = |step: &&String| step.starts_with("SCAN") && !step.contains("CONSTANT ROW");
            assert_eq!(steps.iter().find(slow), None, "{sql}");
            let sorted = steps.iter().any(|step| step.contains("TEMP B-TREE"));
            assert!(!sorted, "{sql} sorts: {steps:?}");
        }
    }

    #[tokio::test]
    async fn a_tail_begins_behind_any_position_of_the_log() {
        let folder = Folder::new("tail");
        let path = folder.path().join("log.db");
        let journal = Journal::from(Backend::Sqlite(SqliteJournal::open(&path).unwrap()));
        let file = Connection::open(&path).unwrap();
        for position in 1..=20_u64 {
            let values = params![format!("main.lead.{}", position % 2), position.div_ceil(2)];
            file.execute(
                "INSERT INTO commits (stream, first_version, commit_id, body) \
                 VALUES (?1, ?2, randomblob(16), x'00')",
                values,
            )
            .unwrap();
        }
        let stream = crate::token::StreamId::try_new("main", "lead", "0").unwrap();
        for after in 0..=21 {
            let tail = journal.load(&stream, after).await.unwrap();
            let tail = tail.iter().map(|entry| entry.position().sequence);
            let behind = (after + 1..=20).filter(|position| position % 2 == 0);
            assert_eq!(tail.collect::<Vec<_>>(), behind.collect::<Vec<_>>());
        }
    }

    /// What the program of layout 1 would have written: the same without hashes.
    fn as_layout_1(new: &std::path::Path, old: &std::path::Path) {
        let (new, old) = (
            Connection::open(new).unwrap(),
            Connection::open(old).unwrap(),
        );
        let tables = TABLES.replace("        hash          BLOB,\n", "");
        assert_ne!(tables, TABLES);
        old.execute_batch(&format!("{tables} PRAGMA user_version = 1;"))
            .unwrap();
        let copied = new.query_row(
            "SELECT stream, first_version, commit_id, body FROM commits",
            [],
            |row| {
                let (stream, version): (String, i64) = (row.get(0)?, row.get(1)?);
                let (id, body): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
                old.execute(
                    "INSERT INTO commits (stream, first_version, commit_id, body) VALUES (?, ?, ?, ?)",
                    params![stream, version, id, body],
                )
            },
        );
        assert_eq!(copied.unwrap(), 1);
    }
}
