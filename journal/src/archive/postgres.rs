//! The archive in PostgreSQL, with the history that analysts can ask in SQL.
//!
//! Every commit stands in `rapport_archive` byte for byte, with its position and hash, and its
//! events in the table of `postgres-es` (`events`), in one transaction.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::postgres::{PgPool, PgPoolOptions};

use super::Archived;
use crate::JournalError;
use crate::entry::Entry;
use crate::envelope::Recorded;
use crate::position::Position;
use crate::token::Token;

/// How long to wait for a connection: whoever copies must say soon that it cannot.
const WAIT: Duration = Duration::from_secs(5);

const TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS rapport_archive_log (identity TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS rapport_archive (part BIGINT NOT NULL, sequence BIGINT NOT NULL, \
     hash TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (part, sequence))",
    "CREATE TABLE IF NOT EXISTS rapport_archive_cursors (name TEXT PRIMARY KEY, body TEXT NOT NULL)",
    // The table of postgres-es 0.5, as its db/init.sql has it.
    "CREATE TABLE IF NOT EXISTS events (aggregate_type TEXT NOT NULL, aggregate_id TEXT NOT NULL, \
     sequence BIGINT CHECK (sequence >= 0) NOT NULL, event_type TEXT NOT NULL, event_version TEXT NOT NULL, \
     payload JSON NOT NULL, metadata JSON NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence))",
];

/// The copy of the log in PostgreSQL. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresArchive {
    pool: PgPool,
}

impl PostgresArchive {
    /// The archive at this address, its tables made where they are missing.
    pub(super) async fn open(url: &str) -> Result<Self, JournalError> {
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(WAIT)
            .connect(url)
            .await?;
        for table in TABLES {
            // Two processes that start at once can both find one missing, and one then fails.
            if sqlx::query(table).execute(&pool).await.is_err() {
                sqlx::query(table).execute(&pool).await?;
            }
        }
        Ok(Self { pool })
    }

    pub(super) async fn identity(&self) -> Result<Option<String>, JournalError> {
        let identity = sqlx::query_scalar("SELECT identity FROM rapport_archive_log");
        Ok(identity.fetch_optional(&self.pool).await?)
    }

    pub(super) async fn head(&self, partition: u16) -> Result<Position, JournalError> {
        let last = sqlx::query_scalar(
            "SELECT COALESCE(MAX(sequence), 0) FROM rapport_archive WHERE part = $1",
        );
        let last: i64 = last
            .bind(i64::from(partition))
            .fetch_one(&self.pool)
            .await?;
        Ok(Position {
            partition,
            sequence: u64::try_from(last).unwrap_or_default(),
        })
    }

    pub(super) async fn partitions(&self) -> Result<u16, JournalError> {
        let last = sqlx::query_scalar("SELECT COALESCE(MAX(part), 0) FROM rapport_archive");
        let last: i64 = last.fetch_one(&self.pool).await?;
        Ok(u16::try_from(last).unwrap_or_default() + 1)
    }

    pub(super) async fn read(
        &self,
        partition: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Archived>, JournalError> {
        let rows = sqlx::query_as(
            "SELECT sequence, hash, body FROM rapport_archive WHERE part = $1 AND sequence > $2 \
             ORDER BY sequence LIMIT $3",
        );
        let rows = rows
            .bind(i64::from(partition))
            .bind(signed(after))
            .bind(signed(limit as u64));
        let rows: Vec<(i64, String, String)> = rows.fetch_all(&self.pool).await?;
        let archived = |(sequence, hash, body): (i64, String, String)| {
            let sequence = u64::try_from(sequence).unwrap_or_default();
            Archived {
                position: Position {
                    partition,
                    sequence,
                },
                hash,
                body,
            }
        };
        Ok(rows.into_iter().map(archived).collect())
    }

    /// Keeps cursors as they are now.
    pub(super) async fn keep_cursors(
        &self,
        cursors: &[(Token, Vec<u8>)],
    ) -> Result<(), JournalError> {
        for (name, body) in cursors {
            let put = sqlx::query(
                "INSERT INTO rapport_archive_cursors (name, body) VALUES ($1, $2) \
                 ON CONFLICT (name) DO UPDATE SET body = excluded.body",
            );
            let body = String::from_utf8_lossy(body).into_owned();
            put.bind(name.as_str())
                .bind(body)
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    /// The cursors that were kept last.
    pub(super) async fn cursors(&self) -> Result<Vec<(Token, Vec<u8>)>, JournalError> {
        let rows = sqlx::query_as("SELECT name, body FROM rapport_archive_cursors");
        let rows: Vec<(String, String)> = rows.fetch_all(&self.pool).await?;
        let read = |(name, body): (String, String)| {
            let name = Token::try_new(&name).map_err(JournalError::unavailable)?;
            Ok((name, body.into_bytes()))
        };
        rows.into_iter().map(read).collect()
    }

    /// Says whose copy it is, where nobody has said it yet.
    pub(super) async fn sign(&self, identity: &str, _partitions: u16) -> Result<(), JournalError> {
        let put = sqlx::query("INSERT INTO rapport_archive_log VALUES ($1) ON CONFLICT DO NOTHING");
        put.bind(identity).execute(&self.pool).await?;
        Ok(())
    }

    /// Keeps a batch, commits and events together.
    pub(super) async fn keep(&self, batch: &[Entry]) -> Result<(), JournalError> {
        let (mut commits, mut events) = (Commits::default(), Events::default());
        for entry in batch {
            commits.add(entry)?;
            // What is no commit has no events; it is kept all the same.
            entry
                .commit()
                .map_or(Ok(()), |recorded| events.add(recorded))?;
        }
        let mut transaction = self.pool.begin().await?;
        let put = sqlx::query(
            "INSERT INTO rapport_archive SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::text[]) \
             ON CONFLICT DO NOTHING",
        );
        let put = put
            .bind(commits.parts)
            .bind(commits.sequences)
            .bind(commits.hashes)
            .bind(commits.bodies);
        put.execute(&mut *transaction).await?;
        let put = sqlx::query(
            "INSERT INTO events SELECT t, i, s, e, v, p::json, m::json FROM UNNEST($1::text[], $2::text[], \
             $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[]) AS u(t, i, s, e, v, p, m) \
             ON CONFLICT DO NOTHING",
        );
        let put = put
            .bind(events.types)
            .bind(events.ids)
            .bind(events.sequences)
            .bind(events.names);
        let put = put
            .bind(events.versions)
            .bind(events.payloads)
            .bind(events.metadata);
        put.execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }
}

/// Columns of `rapport_archive`.
#[derive(Default)]
struct Commits {
    parts: Vec<i64>,
    sequences: Vec<i64>,
    hashes: Vec<String>,
    bodies: Vec<String>,
}

impl Commits {
    fn add(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let Archived {
            position,
            hash,
            body,
        } = Archived::of(entry)?;
        self.parts.push(position.partition.into());
        self.sequences.push(signed(position.sequence));
        self.hashes.push(hash);
        self.bodies.push(body);
        Ok(())
    }
}

/// Columns of the table of postgres-es.
#[derive(Default)]
struct Events {
    types: Vec<String>,
    ids: Vec<String>,
    sequences: Vec<i64>,
    names: Vec<String>,
    versions: Vec<String>,
    payloads: Vec<String>,
    metadata: Vec<String>,
}

impl Events {
    fn add(&mut self, recorded: &Recorded) -> Result<(), JournalError> {
        let (commit, position) = (&recorded.commit, recorded.position);
        let metadata = json!({
            "position": position.to_string(), "hash": recorded.hash, "commit_id": commit.commit_id,
            "workspace": commit.workspace, "actor": commit.actor, "command": commit.command,
            "correlation": commit.correlation, "causation": commit.causation, "at": commit.at,
        });
        for (version, event) in (commit.first_version..).zip(&commit.events) {
            let event: Value =
                serde_json::from_str(event.get()).map_err(|error| JournalError::Corrupt {
                    position,
                    reason: error.to_string(),
                })?;
            self.types.push(commit.category.to_string());
            self.ids.push(format!("{}.{}", commit.workspace, commit.id));
            self.sequences.push(signed(version));
            self.names
                .push(event["type"].as_str().unwrap_or_default().to_owned());
            self.versions.push(event["version"].to_string());
            self.payloads.push(event["payload"].to_string());
            self.metadata.push(metadata.to_string());
        }
        Ok(())
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl From<sqlx::Error> for JournalError {
    fn from(error: sqlx::Error) -> Self {
        Self::unavailable(error)
    }
}
