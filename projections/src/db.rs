//! Where read models are kept: a SQLite file or PostgreSQL, behind one set of statements.
//!
//! Statements are built with `sea-query` and rendered in the database's dialect; values are
//! integers and texts, which both have.
//!
//! - `value`: what goes in and comes out
//! - `aside`: tables that nobody needs any more
//! - `by_hand`: many rows at once, where each database has a way of its own, and one card
//! - `sqlite`, `postgres`: the two databases

mod aside;
mod by_hand;
mod postgres;
mod sqlite;
mod value;

use std::path::Path;
use std::sync::Arc;

use sea_query::{
    IndexCreateStatement, PostgresQueryBuilder, QueryStatementWriter, SqliteQueryBuilder,
    TableCreateStatement,
};

pub(crate) use by_hand::{Clash, Put, card, records};
pub use value::{Column, Row, Value, signed};

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It does not answer, or is too busy; trying again is safe.
    #[error("the read models' database does not answer: {0}")]
    Unavailable(String),
    /// The file holds something else than was written. Nothing is lost by deleting it: read models are made
    /// from the log.
    #[error(
        "the read models' file is damaged ({0}): stop every process, delete the file and those beside it \
         that begin with its name, and start again; all of it is made anew from the log"
    )]
    Damaged(String),
    /// It refuses this statement with these values, and always will.
    #[error("the read models' database refuses: {0}")]
    Refused(String),
    /// There is no such table: another generation took its place.
    #[error("a read model is gone: {0}")]
    Gone(String),
    /// A statement that must change a row changed none: somebody else did before.
    #[error("another process keeps this read model now")]
    Fenced,
}

/// A statement in the database's dialect.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The text, with places for values.
    pub sql: Arc<str>,
    /// The values.
    pub values: Vec<Value>,
    /// Whether it must change a row: where it changes none, the transaction is undone.
    pub fences: bool,
}

impl Statement {
    pub(crate) fn new(sql: String, values: Vec<Value>) -> Self {
        Self {
            sql: sql.into(),
            values,
            fences: false,
        }
    }

    /// This statement, whose transaction is undone where it changes no row.
    #[must_use]
    pub fn or_undo(self) -> Self {
        Self {
            fences: true,
            ..self
        }
    }
}

/// Where read models are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Db {
    /// A file.
    Sqlite(sqlite::SqliteDb),
    /// A server.
    Postgres(postgres::PostgresDb),
}

impl Db {
    /// The file at this path, made where there is none.
    pub fn sqlite(path: &Path) -> Result<Self, DbError> {
        sqlite::SqliteDb::open(path).map(Self::Sqlite)
    }

    /// The server at this address; connects when it is first asked.
    pub fn postgres(url: &str) -> Result<Self, DbError> {
        postgres::PostgresDb::new(url).map(Self::Postgres)
    }

    /// The statement in this database's dialect.
    #[must_use]
    pub fn statement(&self, query: &impl QueryStatementWriter) -> Statement {
        let (sql, values) = match self {
            Self::Sqlite(_) => query.build(SqliteQueryBuilder),
            Self::Postgres(_) => query.build(PostgresQueryBuilder),
        };
        Statement::new(sql, values.into_iter().map(Value::from).collect())
    }

    /// The statement that makes a table.
    #[must_use]
    pub fn create_table(&self, table: &TableCreateStatement) -> Statement {
        self.bare(
            table.build(SqliteQueryBuilder),
            table.build(PostgresQueryBuilder),
        )
    }

    /// The statement that makes an index.
    #[must_use]
    pub fn create_index(&self, index: &IndexCreateStatement) -> Statement {
        self.bare(
            index.build(SqliteQueryBuilder),
            index.build(PostgresQueryBuilder),
        )
    }

    fn bare(&self, sqlite: String, postgres: String) -> Statement {
        let sql = match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        };
        Statement::new(sql, Vec::new())
    }

    /// Whether transactions that touch different tables are written at the same time.
    pub(crate) const fn writes_side_by_side(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Carries out all statements or none.
    pub async fn transact(&self, statements: Vec<Statement>) -> Result<(), DbError> {
        match self {
            Self::Sqlite(db) => db.transact(statements).await,
            Self::Postgres(db) => db.transact(statements).await,
        }
    }

    /// Leaves nothing on disk of what was deleted or replaced in these tables.
    pub async fn scrub(&self, tables: &[String]) -> Result<(), DbError> {
        match self {
            Self::Sqlite(db) => db.scrub().await,
            Self::Postgres(db) => db.scrub(tables).await,
        }
    }

    /// The rows of a query.
    pub async fn rows(&self, query: Statement) -> Result<Vec<Row>, DbError> {
        match self {
            Self::Sqlite(db) => db.rows(&query),
            Self::Postgres(db) => db.rows(query).await,
        }
    }
}
