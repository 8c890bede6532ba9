//! Read models in a SQLite file: one writer, readers beside it (WAL).
//!
//! `synchronous=NORMAL`: a power failure may undo the last transactions, rows and checkpoints
//! together, and the follower goes on from there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};

use super::{DbError, Row, Statement, Value};

/// How long one process waits for another's write.
const BUSY: Duration = Duration::from_secs(10);
/// How long the WAL grows, 16 MB: rows that change often are moved into the file once.
const WAL_PAGES: i64 = 4096;
/// How large the WAL's file stays when it begins anew, in bytes; a long reader may have made it larger.
const WAL_KEPT: u64 = 64 * 1024 * 1024;
/// Prepared statements kept by each connection.
const PREPARED: usize = 128;
/// Readers kept open; more may be open for a moment.
const IDLE_READERS: usize = 8;

/// Read models in a SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteDb(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl SqliteDb {
    pub(super) fn open(path: &Path) -> Result<Self, DbError> {
        let writer = connect(path)?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
        })))
    }

    pub(super) async fn transact(&self, statements: Vec<Statement>) -> Result<(), DbError> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction =
                writer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            for statement in &statements {
                let changed = transaction
                    .prepare_cached(&statement.sql)?
                    .execute(params_from_iter(&statement.values))?;
                if statement.fences && changed == 0 {
                    return Err(DbError::Fenced);
                }
            }
            Ok(transaction.commit()?)
        })
        .await
    }

    /// Pages are overwritten as they are freed (`secure_delete`); what is left is the WAL.
    pub(super) async fn scrub(&self) -> Result<(), DbError> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            let writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let busy: i64 =
                writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy == 0 {
                Ok(())
            } else {
                Err(DbError::Unavailable("readers hold the old pages".into()))
            }
        })
        .await
    }

    /// On the caller's thread: an answer takes microseconds, and handing it to another thread
    /// takes longer. Readers never wait for the writer (WAL).
    pub(super) fn rows(&self, query: &Statement) -> Result<Vec<Row>, DbError> {
        let reader = match self.0.lock_readers().pop() {
            Some(reader) => reader,
            None => connect(&self.0.path)?,
        };
        let rows = read(&reader, query);
        let mut idle = self.0.lock_readers();
        if idle.len() < IDLE_READERS {
            idle.push(reader);
        }
        rows
    }
}

impl Inner {
    fn lock_readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DbError> + Send + 'static,
) -> Result<T, DbError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| DbError::Unavailable(error.to_string()))?
}

fn connect(path: &Path) -> Result<Connection, DbError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    // What is replaced or deleted may name a person who asked to be forgotten.
    connection.pragma_update(None, "secure_delete", "ON")?;
    Ok(connection)
}

fn read(reader: &Connection, query: &Statement) -> Result<Vec<Row>, DbError> {
    let mut statement = reader.prepare_cached(&query.sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(params_from_iter(&query.values))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get_ref(column).map(value));
        all.push(Row(values.collect::<Result<_, _>>()?));
    }
    Ok(all)
}

fn value(held: ValueRef<'_>) -> Value {
    match held {
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Value::Null,
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Null => Ok(ToSqlOutput::Borrowed(ValueRef::Null)),
            Self::Int(number) => Ok((*number).into()),
            Self::Text(text) => Ok(text.as_str().into()),
            Self::List(_) => Err(rusqlite::Error::ToSqlConversionFailure(
                "SQLite has no lists".into(),
            )),
        }
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                Self::Refused(reason)
            }
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(reason),
            _ if reason.contains("no such table") => Self::Gone(reason),
            _ => Self::Unavailable(reason),
        }
    }
}
