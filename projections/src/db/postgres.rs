//! Read models in PostgreSQL.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Column as _, Executor as _, Postgres, Row as _, TypeInfo as _};

use super::{DbError, Row, Statement, Value};

/// Connections of one process.
const CONNECTIONS: u32 = 16;
/// How long a caller waits for one of them.
const WAIT: Duration = Duration::from_secs(5);

/// Read models in PostgreSQL. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresDb(PgPool);

impl PostgresDb {
    pub(super) fn new(url: &str) -> Result<Self, DbError> {
        let options = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(WAIT);
        let server: PgConnectOptions = url.parse()?;
        Ok(Self(options.connect_lazy_with(server)))
    }

    pub(super) async fn transact(&self, statements: Vec<Statement>) -> Result<(), DbError> {
        let mut transaction = self.0.begin().await?;
        for statement in &statements {
            let changed = transaction.execute(bound(statement)).await?.rows_affected();
            if statement.fences && changed == 0 {
                return Err(DbError::Fenced);
            }
        }
        Ok(transaction.commit().await?)
    }

    pub(super) async fn scrub(&self, tables: &[String]) -> Result<(), DbError> {
        for table in tables {
            // Names of tables are ours; they cannot be bound.
            self.0
                .execute(format!("VACUUM \"{table}\"").as_str())
                .await?;
        }
        Ok(())
    }

    pub(super) async fn rows(&self, query: Statement) -> Result<Vec<Row>, DbError> {
        let rows = self.0.fetch_all(bound(&query)).await?;
        rows.iter().map(row).collect()
    }
}

fn bound(statement: &Statement) -> Query<'_, Postgres, PgArguments> {
    statement
        .values
        .iter()
        .fold(sqlx::query(&statement.sql), |query, value| match value {
            Value::Null => query.bind(None::<&str>),
            Value::Int(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.as_str()),
            Value::List(values) if values.iter().any(|value| matches!(value, Value::Int(_))) => {
                query.bind(values.iter().map(int).collect::<Vec<_>>())
            }
            Value::List(values) => query.bind(values.iter().map(text).collect::<Vec<_>>()),
        })
}

const fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Text(_) | Value::List(_) | Value::Null => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Int(_) | Value::List(_) | Value::Null => None,
    }
}

fn row(row: &PgRow) -> Result<Row, DbError> {
    let value = |column: &sqlx::postgres::PgColumn| -> Result<Value, sqlx::Error> {
        Ok(match column.type_info().name() {
            "INT8" => row.try_get::<Option<i64>, _>(column.ordinal())?.into(),
            "INT4" => row
                .try_get::<Option<i32>, _>(column.ordinal())?
                .map(i64::from)
                .into(),
            _ => row.try_get::<Option<String>, _>(column.ordinal())?.into(),
        })
    };
    Ok(Row(row
        .columns()
        .iter()
        .map(value)
        .collect::<Result<_, _>>()?))
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        let code = code.unwrap_or_default();
        match code.get(..2) {
            Some("42") if code == "42P01" => Self::Gone(error.to_string()),
            // Data exceptions and violated constraints; the rest passes.
            Some("22" | "23") => Self::Refused(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
