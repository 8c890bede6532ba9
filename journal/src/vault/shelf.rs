//! Where wrapped keys are kept: a table of three columns. A destroyed key leaves its row, so that
//! it is never made again; one that is known to be lost leaves an empty text. Beside it stands what the
//! vault says of itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use sqlx::postgres::{PgPool, PgPoolOptions};

use super::VaultError;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS rapport_vault_keys \
    (workspace TEXT NOT NULL, name TEXT NOT NULL, wrapped TEXT, PRIMARY KEY (workspace, name))";
const STATE: &str = "CREATE TABLE IF NOT EXISTS rapport_vault_state \
    (name TEXT PRIMARY KEY, value TEXT NOT NULL)";

// SQLite numbers `$n` by their first appearance: they stand in order in every statement.

/// What is kept under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    Never,
    Destroyed,
    Lost,
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
        connection.execute_batch(&format!("{TABLE}; {STATE};"))?;
        Ok(Self::Sqlite(Mutex::new(connection)))
    }

    pub(super) async fn postgres(url: &str) -> Result<Self, VaultError> {
        let pool = PgPoolOptions::new().max_connections(2).connect(url).await?;
        // Two processes that start at once can both find it missing, and one then fails.
        for table in [TABLE, STATE] {
            if sqlx::query(table).execute(&pool).await.is_err() {
                sqlx::query(table).execute(&pool).await?;
            }
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
            Some(Some(text)) if text.is_empty() => Ok(Kept::Lost),
            Some(Some(text)) => from_hex(&text).map(Kept::Wrapped),
        }
    }

    /// Keeps a key where there is none and never was, and where the vault's check is still this one:
    /// in a vault that was emptied, replaced or wrapped anew meanwhile, nothing is kept.
    pub(super) async fn put_first(
        &self,
        workspace: &str,
        name: &str,
        wrapped: Vec<u8>,
        check: &str,
    ) -> Result<(), VaultError> {
        const PUT: &str = "INSERT INTO rapport_vault_keys SELECT $1, $2, $3 \
             WHERE EXISTS (SELECT 1 FROM rapport_vault_keys \
             WHERE workspace = '_vault' AND name = 'check' AND wrapped = $4) ON CONFLICT DO NOTHING";
        match self {
            Self::Memory(keys) => {
                lock(keys)
                    .entry((workspace.to_owned(), name.to_owned()))
                    .or_insert(Some(wrapped));
            }
            Self::Sqlite(connection) => {
                lock(connection)
                    .execute(PUT, params![workspace, name, hex::encode(wrapped), check])?;
            }
            Self::Postgres(pool) => {
                let put = sqlx::query(PUT)
                    .bind(workspace)
                    .bind(name)
                    .bind(hex::encode(wrapped))
                    .bind(check);
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

    /// Keeps the vault's check, where there is none.
    pub(super) async fn make(&self, wrapped: &[u8]) -> Result<(), VaultError> {
        let row = ("_vault".into(), "check".into(), Some(hex::encode(wrapped)));
        self.carry_out(vec![Statement::add(row)]).await
    }

    /// Which of these keys are here, those that were destroyed and those known to be lost included.
    pub(super) async fn known_of(
        &self,
        asked: &[(String, String)],
    ) -> Result<Vec<(String, String)>, VaultError> {
        const ONE: &str = "SELECT 1 FROM rapport_vault_keys WHERE workspace = $1 AND name = $2";
        const ALL: &str = "SELECT kept.workspace, kept.name FROM rapport_vault_keys kept JOIN \
             unnest($1::text[], $2::text[]) AS asked(workspace, name) USING (workspace, name)";
        match self {
            Self::Memory(keys) => {
                let keys = lock(keys);
                let known = asked.iter().filter(|one| keys.contains_key(*one));
                Ok(known.cloned().collect())
            }
            Self::Sqlite(connection) => {
                let connection = lock(connection);
                let mut statement = connection.prepare_cached(ONE)?;
                let mut known = Vec::new();
                for (workspace, name) in asked {
                    if statement.exists(params![workspace, name])? {
                        known.push((workspace.clone(), name.clone()));
                    }
                }
                Ok(known)
            }
            Self::Postgres(pool) => {
                let (workspaces, names): (Vec<_>, Vec<_>) = asked.iter().cloned().unzip();
                let known = sqlx::query_as(ALL).bind(workspaces).bind(names);
                Ok(known.fetch_all(pool).await?)
            }
        }
    }

    /// Those whose keys are known to be lost.
    pub(super) async fn lost(&self) -> Result<Vec<(String, String)>, VaultError> {
        const LOST: &str = "SELECT workspace, name FROM rapport_vault_keys WHERE wrapped = '' \
             ORDER BY workspace, name";
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Sqlite(connection) => {
                let connection = lock(connection);
                let mut statement = connection.prepare(LOST)?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            }
            Self::Postgres(pool) => Ok(sqlx::query_as(LOST).fetch_all(pool).await?),
        }
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

    /// What the master key wraps: the keys of workspaces, which have no name, and our own.
    pub(super) async fn wrapped_by_master(&self, ours: &str) -> Result<Vec<Placed>, VaultError> {
        const ALL: &str = "SELECT workspace, name, wrapped FROM rapport_vault_keys \
             WHERE wrapped <> '' AND (name = '' OR workspace = $1)";
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

    /// What the vault says of itself, beside its keys.
    pub(super) async fn states(&self) -> Result<BTreeMap<String, String>, VaultError> {
        const ALL: &str = "SELECT name, value FROM rapport_vault_state";
        let rows: Vec<(String, String)> = match self {
            Self::Memory(_) => Vec::new(),
            Self::Sqlite(connection) => {
                let connection = lock(connection);
                let mut statement = connection.prepare(ALL)?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                rows.collect::<Result<_, _>>()?
            }
            Self::Postgres(pool) => sqlx::query_as(ALL).fetch_all(pool).await?,
        };
        Ok(rows.into_iter().collect())
    }

    /// Carries out all of these or none.
    pub(super) async fn carry_out(&self, statements: Vec<Statement>) -> Result<(), VaultError> {
        match self {
            Self::Memory(_) => {}
            Self::Sqlite(connection) => {
                let mut connection = lock(connection);
                let transaction = connection.transaction()?;
                for Statement(sql, texts) in statements {
                    let mut statement = transaction.prepare_cached(sql)?;
                    statement.execute(rusqlite::params_from_iter(texts))?;
                }
                transaction.commit()?;
            }
            Self::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                for Statement(sql, texts) in statements {
                    let statement = texts
                        .into_iter()
                        .fold(sqlx::query(sql), sqlx::query::Query::bind);
                    statement.execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
            }
        }
        Ok(())
    }
}

/// A statement with its texts. In every one `$n` stand in order, as SQLite numbers them.
pub(super) struct Statement(&'static str, Vec<Option<String>>);

impl Statement {
    /// Forgets every key.
    pub(super) const fn clear() -> Self {
        Self("DELETE FROM rapport_vault_keys", Vec::new())
    }

    /// Keeps a key, where this one is not kept and was never destroyed here.
    pub(super) fn add((workspace, name, wrapped): Row) -> Self {
        let texts = vec![Some(workspace), Some(name), wrapped];
        Self(
            "INSERT INTO rapport_vault_keys VALUES ($1, $2, $3) ON CONFLICT (workspace, name) \
             DO UPDATE SET wrapped = excluded.wrapped WHERE rapport_vault_keys.wrapped = ''",
            texts,
        )
    }

    /// Replaces a key that is kept.
    pub(super) fn replace((workspace, name, wrapped): Placed) -> Self {
        let texts = vec![Some(hex::encode(wrapped)), Some(workspace), Some(name)];
        Self(
            "UPDATE rapport_vault_keys SET wrapped = $1 WHERE workspace = $2 AND name = $3",
            texts,
        )
    }

    /// Says something of the vault itself.
    pub(super) fn say(name: &str, value: String) -> Self {
        let texts = vec![Some(name.to_owned()), Some(value)];
        Self(
            "INSERT INTO rapport_vault_state VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            texts,
        )
    }

    /// Says it, where this was said before.
    pub(super) fn say_behind(name: &str, before: String, value: String) -> Self {
        let texts = vec![Some(value), Some(name.to_owned()), Some(before)];
        Self(
            "UPDATE rapport_vault_state SET value = $1 WHERE name = $2 AND value = $3",
            texts,
        )
    }

    /// Says it no more.
    pub(super) fn unsay(name: &str) -> Self {
        Self(
            "DELETE FROM rapport_vault_state WHERE name = $1",
            vec![Some(name.to_owned())],
        )
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
