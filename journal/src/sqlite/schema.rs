//! The file's tables and settings.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use crate::JournalError;

/// The layout below; a file with a higher one was written by a newer program.
const LAYOUT: i64 = 2;

/// Where `checkpoint` cannot keep up, the writer itself ends the WAL at this many pages, 128 MB.
const WAL_PAGES: i64 = 32_768;

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
    CREATE INDEX IF NOT EXISTS claims_by_age ON claims (at);
    CREATE TABLE IF NOT EXISTS log (identity TEXT NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS commits_by_correlation
        ON commits (CAST(body AS TEXT) ->> '$.correlation');
";

/// The commits of one request. Its expression is that of the index, letter by letter.
pub(super) const CAUSED_BY: &str = "SELECT position, body, hash, stream, first_version, commit_id FROM commits \
     WHERE CAST(body AS TEXT) ->> '$.correlation' = ?1 ORDER BY position";

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
            .execute_batch("ALTER TABLE commits ADD COLUMN hash BLOB; PRAGMA user_version = 2;")
            .map_err(JournalError::unavailable)?;
    }
    connection
        .execute_batch(&format!("{TABLES} PRAGMA user_version = {LAYOUT};"))
        .map_err(JournalError::unavailable)?;
    Ok(connection)
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

    use super::{LAYOUT, TABLES};
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
        let commits = journal.read(0, 0, 10).await.unwrap();
        let ids: Vec<_> = commits.iter().map(|one| one.commit.id.as_str()).collect();
        assert_eq!(ids, ["1", "2"]);
        let connection = Connection::open(&old).unwrap();
        let layout: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        assert_eq!(layout, LAYOUT);
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
