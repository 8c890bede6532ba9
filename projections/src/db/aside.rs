//! Tables that nobody needs any more.
//!
//! PostgreSQL drops a table at once, however large. SQLite has to overwrite every page of it, and
//! nobody else writes meanwhile: there a table is renamed at once, and emptied a little at a time.

use std::time::Duration;

use super::{Db, DbError, Statement};

/// How the names of tables begin that are to be emptied.
const ASIDE: &str = "aside_";
/// Rows removed in one transaction.
const AT_ONCE: u16 = 500;
/// Others write between two of them.
const PAUSE: Duration = Duration::from_millis(5);

impl Db {
    /// The names of all tables.
    pub(crate) async fn tables(&self) -> Result<Vec<String>, DbError> {
        let sql = match self {
            Self::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table'",
            Self::Postgres(_) => {
                "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()"
            }
        };
        let rows = self.rows(Statement::new(sql.to_owned(), Vec::new()));
        let rows = rows.await?;
        Ok(rows.iter().map(|row| row.text(0).to_owned()).collect())
    }

    /// The statement after which there is no table of this name. Names of tables are ours; they
    /// cannot be bound.
    pub(crate) fn set_aside(&self, table: &str) -> Statement {
        let sql = match self {
            Self::Sqlite(_) => format!("ALTER TABLE \"{table}\" RENAME TO \"{ASIDE}{table}\""),
            Self::Postgres(_) => format!("DROP TABLE \"{table}\""),
        };
        Statement::new(sql, Vec::new())
    }

    /// Removes what was set aside, and leaves nothing of it on disk.
    pub(crate) async fn clear_aside(&self) -> Result<(), DbError> {
        let tables = self.tables().await?.into_iter();
        let aside: Vec<_> = tables.filter(|name| name.starts_with(ASIDE)).collect();
        for table in &aside {
            self.clear(table).await?;
        }
        if aside.is_empty() {
            return Ok(());
        }
        self.scrub(&[]).await
    }

    async fn clear(&self, table: &str) -> Result<(), DbError> {
        let some = format!("SELECT rowid FROM \"{table}\" LIMIT {AT_ONCE}");
        let some = format!("DELETE FROM \"{table}\" WHERE rowid IN ({some})");
        let some = Statement::new(some, Vec::new()).or_undo();
        loop {
            match self.transact(vec![some.clone()]).await {
                Ok(()) => tokio::time::sleep(PAUSE).await,
                Err(DbError::Fenced) => break,
                Err(error) => return Err(error),
            }
        }
        let drop = Statement::new(format!("DROP TABLE \"{table}\""), Vec::new());
        self.transact(vec![drop]).await
    }
}
