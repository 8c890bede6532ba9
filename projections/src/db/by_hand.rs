//! Statements whose text is written by hand: many rows at once, and the one that is asked most.
//!
//! PostgreSQL takes a column of any length as one value, so one statement serves any number of
//! rows. SQLite has a place for each value; statements of few sizes stay prepared.

use super::{Column, Db, Statement, Value};

/// Rows that one statement of SQLite writes.
const CHUNKS: [usize; 4] = [128, 32, 8, 1];
/// Rows that one query of SQLite reads.
const ASKED: usize = 512;

/// Rows to be put into a table.
#[derive(Debug)]
pub(crate) struct Put<'a> {
    /// The table; names of tables are ours, they cannot be bound.
    pub(crate) table: &'a str,
    /// Its columns, in the order of the values.
    pub(crate) columns: &'a [Column],
    /// How many of them are the key.
    pub(crate) key: usize,
    /// What becomes of a row that has the key already.
    pub(crate) clash: Clash,
}

/// What becomes of a row that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clash {
    /// It gets the new values.
    Replace,
    /// The new numbers are added to its own; its texts stay.
    Add,
}

impl Put<'_> {
    /// What writes these rows, each with a key of its own.
    pub(crate) fn statements(&self, db: &Db, rows: Vec<Vec<Value>>) -> Vec<Statement> {
        match db {
            _ if rows.is_empty() => Vec::new(),
            Db::Sqlite(_) => self.in_chunks(rows),
            Db::Postgres(_) => vec![self.in_columns(rows)],
        }
    }

    fn in_chunks(&self, rows: Vec<Vec<Value>>) -> Vec<Statement> {
        let mut statements = Vec::new();
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let size = CHUNKS.into_iter().find(|size| *size <= rows.len());
            let size = size.unwrap_or(1);
            let places = format!("({})", list(self.columns.iter().map(|_| "?")));
            let places = list(std::iter::repeat_n(&places, size));
            statements.push(Statement::new(
                format!("{} VALUES {places} {}", self.insert(), self.on_conflict()),
                rows.by_ref().take(size).flatten().collect(),
            ));
        }
        statements
    }

    fn in_columns(&self, rows: Vec<Vec<Value>>) -> Statement {
        let mut columns: Vec<_> = self.columns.iter().map(|_| Vec::new()).collect();
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let places = self.columns.iter().zip(1..);
        let places = places.map(|(column, place)| format!("${place}::{}[]", column.sql_type()));
        Statement::new(
            format!(
                "{} SELECT * FROM UNNEST({}) {}",
                self.insert(),
                list(places),
                self.on_conflict()
            ),
            columns.into_iter().map(Value::List).collect(),
        )
    }

    fn insert(&self) -> String {
        let columns = list(self.columns.iter().map(Column::quoted));
        format!("INSERT INTO \"{}\" ({columns})", self.table)
    }

    fn on_conflict(&self) -> String {
        let (key, rest) = self.columns.split_at(self.key);
        let is_set = |column: &&Column| match (self.clash, column) {
            (Clash::Replace, _) | (Clash::Add, Column::Int(_)) => true,
            (Clash::Add, Column::Text(_)) => false,
        };
        let set = rest
            .iter()
            .filter(is_set)
            .map(Column::quoted)
            .map(|name| match self.clash {
                Clash::Replace => format!("{name} = excluded.{name}"),
                Clash::Add => format!("{name} = \"{}\".{name} + excluded.{name}", self.table),
            });
        format!(
            "ON CONFLICT ({}) DO UPDATE SET {}",
            list(key.iter().map(Column::quoted)),
            list(set)
        )
    }
}

/// What reads the `body` of one row of a workspace. It is asked more often than everything else,
/// so its text is written by hand.
pub(crate) fn card(table: &str, workspace: &str, id: i64) -> Statement {
    let sql = format!(
        "SELECT \"body\" FROM \"{table}\" WHERE \"workspace\" = $1 AND \"id\" = $2 AND \"body\" IS NOT NULL"
    );
    Statement::new(sql, vec![workspace.into(), Value::Int(id)])
}

/// What reads `id` and `record` of these rows of a workspace.
pub(crate) fn records(db: &Db, table: &str, workspace: &str, ids: &[i64]) -> Vec<Statement> {
    let query = |wanted: &str, values| {
        let sql = format!(
            "SELECT \"id\", \"record\" FROM \"{table}\" WHERE \"workspace\" = $1 AND \"id\" {wanted}"
        );
        Statement::new(sql, values)
    };
    match db {
        Db::Sqlite(_) => ids
            .chunks(ASKED)
            .map(|ids| {
                // Filled up to a power of two with the last one again.
                let places = ids.len().next_power_of_two();
                let last = ids.last().copied().unwrap_or_default();
                let ids = ids.iter().copied().chain(std::iter::repeat(last));
                let values = std::iter::once(workspace.into())
                    .chain(ids.take(places).map(Value::Int))
                    .collect();
                query(
                    &format!("IN ({})", list(std::iter::repeat_n("?", places))),
                    values,
                )
            })
            .collect(),
        Db::Postgres(_) if ids.is_empty() => Vec::new(),
        Db::Postgres(_) => {
            let ids = Value::List(ids.iter().copied().map(Value::Int).collect());
            vec![query("= ANY($2::bigint[])", vec![workspace.into(), ids])]
        }
    }
}

fn list(items: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}
