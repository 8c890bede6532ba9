//! Where wrapped keys are kept: a table of three columns. A destroyed key leaves its row, so that
//! it is never made again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use sqlx::postgres::{PgPool, PgPoolOptions};

use super::VaultError;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS rapport_vault_keys \
    (workspace TEXT NOT NULL, name TEXT NOT NULL, wrapped TEXT, PRIMARY KEY (workspace, name))";

// SQLite numbers `$n` by their first appearance: they stand in order in every statement.

/// What is kept under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    Never,
    Destroyed,
    Wrapped(Vec<u8>),
}

/// A key as it is exported: workspace, name, and the wrapped key in hex unless it was destroyed.
pub type Row = (String, String, Option<String>);

/// A key with its place: workspace, name, wrapped.
pub(super) type Placed = (String, String, Vec<u8>);

/// By workspace and name; `None` where a key was destroyed.
type Held = BTreeMap<(String, String), Option<Vec<u8>>>;

pub(super) enum Shelf {
    Memory(Mutex<Held>),
    Sqlite(Mutex<Connection>),
    Postgres(PgPool),
}

impl Shelf {
    pub(super) fn in_memory() -> Self {
        Self::Memory(Mutex::default())
    }

    pub(super) fn sqlite(path: &Path) -> Result<Self, VaultError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        // A destroyed key must not be left in a free page or in a journal.
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "journal_mode", "DELETE")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(TABLE)?;
        Ok(Self::Sqlite(Mutex::new(connection)))
    }

    pub(super) async fn postgres(url: &str) -> Result<Self, VaultError> {
        let pool = PgPoolOptions::new().max_connections(2).connect(url).await?;
        // Two processes that start at once can both find it missing, and one then fails.
        if sqlx::query(TABLE).execute(&pool).await.is_err() {
            sqlx::query(TABLE).execute(&pool).await?;
        }
        Ok(Self::Postgres(pool))
    }

    pub(super) async fn get(&self, workspace: &str, name: &str) -> Result<Kept, VaultError> {
        const GET: &str =
            "SELECT wrapped FROM rapport_vault_keys WHERE workspace = $1 AND name = $2";
        let found: Option<Option<String>> = match self {
            Self::Memory(keys) => {
                let found = lock(keys)
                    .get(&(workspace.to_owned(), name.to_owned()))
                    .cloned();
                return Ok(found.map_or(Kept::Never, |kept| {
                    kept.map_or(Kept::Destroyed, Kept::Wrapped)
                }));
            }
            Self::Sqlite(connection) => lock(connection)
                .query_row(GET, params![workspace, name], |row| row.get(0))
                .optional()?,
            Self::Postgres(pool) => {
                sqlx::query_scalar(GET)
                    .bind(workspace)
                    .bind(name)
                    .fetch_optional(pool)
                    .await?
            }
        };
        match found {
            None => Ok(Kept::Never),
            Some(None) => Ok(Kept::Destroyed),
            Some(Some(text)) => from_hex(&text).map(Kept::Wrapped),
        }
    }

    /// Keeps a key where there is none and never was.
    pub(super) async fn put_first(
        &self,
        workspace: &str,
        name: &str,
        wrapped: Vec<u8>,
    ) -> Result<(), VaultError> {
        const PUT: &str =
            "INSERT INTO rapport_vault_keys VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        match self {
            Self::Memory(keys) => {
                lock(keys)
                    .entry((workspace.to_owned(), name.to_owned()))
                    .or_insert(Some(wrapped));
            }
            Self::Sqlite(connection) => {
                lock(connection).execute(PUT, params![workspace, name, hex::encode(wrapped)])?;
            }
            Self::Postgres(pool) => {
                let put = sqlx::query(PUT)
                    .bind(workspace)
                    .bind(name)
                    .bind(hex::encode(wrapped));
                put.execute(pool).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn destroy(&self, workspace: &str, name: &str) -> Result<(), VaultError> {
        const DESTROY: &str = "INSERT INTO rapport_vault_keys VALUES ($1, $2, NULL) \
             ON CONFLICT (workspace, name) DO UPDATE SET wrapped = NULL";
        match self {
            Self::Memory(keys) => {
                lock(keys).insert((workspace.to_owned(), name.to_owned()), None);
            }
            Self::Sqlite(connection) => {
                lock(connection).execute(DESTROY, params![workspace, name])?;
            }
            Self::Postgres(pool) => {
                sqlx::query(DESTROY)
                    .bind(workspace)
                    .bind(name)
                    .execute(pool)
                    .await?;
                // The old row stays on disk until it is vacuumed.
                sqlx::query("VACUUM rapport_vault_keys")
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }

    /// Every key, also those that were destroyed.
    pub(super) async fn all(&self) -> Result<Vec<Row>, VaultError> {
        const ALL: &str =
            "SELECT workspace, name, wrapped FROM rapport_vault_keys ORDER BY workspace, name";
        match self {
            Self::Memory(keys) => {
                let keys = lock(keys);
                let row = |((workspace, name), wrapped): (&(String, String), &Option<Vec<u8>>)| {
                    (
                        workspace.clone(),
                        name.clone(),
                        wrapped.as_ref().map(hex::encode),
                    )
                };
                Ok(keys.iter().map(row).collect())
            }
            Self::Sqlite(connection) => {
                let connection = lock(connection);
                let mut statement = connection.prepare(ALL)?;
                let rows =
                    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            }
            Self::Postgres(pool) => Ok(sqlx::query_as(ALL).fetch_all(pool).await?),
        }
    }

    /// Forgets every key and keeps these, all or none.
    pub(super) async fn become_these(&self, rows: &[Row]) -> Result<(), VaultError> {
        const CLEAR: &str = "DELETE FROM rapport_vault_keys";
        const PUT: &str = "INSERT INTO rapport_vault_keys VALUES ($1, $2, $3)";
        match self {
            Self::Memory(_) => {}
            Self::Sqlite(connection) => {
                let mut connection = lock(connection);
                let transaction = connection.transaction()?;
                transaction.execute(CLEAR, [])?;
                for (workspace, name, wrapped) in rows {
                    transaction.execute(PUT, params![workspace, name, wrapped])?;
                }
                transaction.commit()?;
            }
            Self::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                sqlx::query(CLEAR).execute(&mut *transaction).await?;
                for (workspace, name, wrapped) in rows {
                    let put = sqlx::query(PUT).bind(workspace).bind(name).bind(wrapped);
                    put.execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
            }
        }
        Ok(())
    }

    /// What the master key wraps: the keys of workspaces, which have no name, and our own.
    pub(super) async fn wrapped_by_master(&self, ours: &str) -> Result<Vec<Placed>, VaultError> {
        const ALL: &str = "SELECT workspace, name, wrapped FROM rapport_vault_keys \
             WHERE wrapped IS NOT NULL AND (name = '' OR workspace = $1)";
        let rows: Vec<(String, String, String)> = match self {
            Self::Memory(_) => Vec::new(),
            Self::Sqlite(connection) => {
                let connection = lock(connection);
                let mut statement = connection.prepare(ALL)?;
                let rows = statement
                    .query_map([ours], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                rows.collect::<Result<_, _>>()?
            }
            Self::Postgres(pool) => sqlx::query_as(ALL).bind(ours).fetch_all(pool).await?,
        };
        rows.into_iter()
            .map(|(workspace, name, text)| Ok((workspace, name, from_hex(&text)?)))
            .collect()
    }

    /// Replaces all of these or none.
    pub(super) async fn replace(&self, keys: Vec<Placed>) -> Result<(), VaultError> {
        const SET: &str =
            "UPDATE rapport_vault_keys SET wrapped = $1 WHERE workspace = $2 AND name = $3";
        match self {
            Self::Memory(_) => {}
            Self::Sqlite(connection) => {
                let mut connection = lock(connection);
                let transaction = connection.transaction()?;
                for (workspace, name, wrapped) in keys {
                    transaction.execute(SET, params![hex::encode(wrapped), workspace, name])?;
                }
                transaction.commit()?;
            }
            Self::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                for (workspace, name, wrapped) in keys {
                    let set = sqlx::query(SET)
                        .bind(hex::encode(wrapped))
                        .bind(workspace)
                        .bind(name);
                    set.execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
            }
        }
        Ok(())
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn from_hex(text: &str) -> Result<Vec<u8>, VaultError> {
    hex::decode(text).map_err(|error| VaultError::Unavailable(format!("a kept key: {error}")))
}

impl From<rusqlite::Error> for VaultError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
