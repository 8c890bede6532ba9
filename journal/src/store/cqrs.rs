//! The store as `cqrs_es::EventStore`, seen from one workspace.

use std::collections::HashMap;
use std::sync::Arc;

use cqrs_es::{AggregateContext, AggregateError, EventEnvelope, EventStore};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Loaded, Meta, Storable, Store};
use crate::JournalError;
use crate::entry;
use crate::token::{BadToken, StreamId, Token};

/// One workspace's aggregates of one kind.
#[derive(Debug)]
pub struct WorkspaceStore<A: Storable> {
    store: Store<A>,
    workspace: Token,
}

/// An aggregate between load and commit.
#[derive(Debug)]
pub struct Context<A: Storable> {
    stream: StreamId,
    seen: Arc<Loaded<A>>,
    state: A,
}

impl<A: Storable> AggregateContext<A> for Context<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.state
    }
}

impl<A: Storable> WorkspaceStore<A> {
    /// The store as this workspace sees it.
    #[must_use]
    pub const fn new(store: Store<A>, workspace: Token) -> Self {
        Self { store, workspace }
    }

    fn stream(&self, id: &str) -> Result<StreamId, BadToken> {
        Ok(self
            .store
            .stream(self.workspace.clone(), Token::try_new(id)?))
    }
}

fn failed<E: std::error::Error>(error: JournalError) -> AggregateError<E> {
    match error {
        JournalError::Conflict => AggregateError::AggregateConflict,
        error @ JournalError::Unavailable(_) => {
            AggregateError::DatabaseConnectionError(error.into())
        }
        error @ (JournalError::Corrupt { .. } | JournalError::Damaged(_)) => {
            AggregateError::DeserializationError(error.into())
        }
        error @ (JournalError::TooLarge { .. } | JournalError::Malformed(_)) => {
            AggregateError::UnexpectedError(error.into())
        }
    }
}

fn unexpected<E: std::error::Error>(
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> AggregateError<E> {
    AggregateError::UnexpectedError(error.into())
}

/// A metadata value; commits without one are refused, for nothing here invents ids or times.
fn given<T: std::str::FromStr, E: std::error::Error>(
    metadata: &HashMap<String, String>,
    name: &str,
) -> Result<T, AggregateError<E>> {
    let value = metadata.get(name).and_then(|value| value.parse().ok());
    value.ok_or_else(|| unexpected(format!("metadata needs a valid {name}")))
}

impl<A: Storable> EventStore<A> for WorkspaceStore<A> {
    type AC = Context<A>;

    async fn load_events(
        &self,
        id: &str,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let stream = self.stream(id).map_err(unexpected)?;
        let entries = self.store.journal.load(&stream, 0).await.map_err(failed)?;
        let mut envelopes = Vec::new();
        for recorded in entry::readable(&entries).map_err(failed)? {
            let versions = recorded.commit.first_version..;
            for (version, event) in versions.zip(&recorded.commit.events) {
                envelopes.push(EventEnvelope {
                    aggregate_id: id.to_owned(),
                    sequence: usize::try_from(version).map_err(unexpected)?,
                    payload: schemas::codec::decode(event).map_err(unexpected)?,
                    metadata: HashMap::from([
                        ("at".into(), recorded.commit.at.to_string()),
                        ("actor".into(), recorded.commit.actor.clone()),
                        ("commit_id".into(), recorded.commit.commit_id.to_string()),
                    ]),
                });
            }
        }
        Ok(envelopes)
    }

    async fn load_aggregate(&self, id: &str) -> Result<Context<A>, AggregateError<A::Error>> {
        let stream = self.stream(id).map_err(unexpected)?;
        let seen = self.store.load(&stream).await.map_err(failed)?;
        Ok(Context {
            stream,
            state: seen.state.clone(),
            seen,
        })
    }

    /// Needs `commit_id` and `at` in the metadata, and takes `actor`, `command` and
    /// `correlation`.
    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: Context<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let commit_id: Uuid = given(&metadata, "commit_id")?;
        let text = |name: &str| {
            metadata
                .get(name)
                .cloned()
                .unwrap_or_else(|| "unknown".into())
        };
        let meta = Meta {
            commit_id,
            actor: text("actor"),
            command: text("command"),
            correlation: given::<_, A::Error>(&metadata, "correlation").unwrap_or(commit_id),
            causation: None,
            undoes: None,
            person: None,
            traceparent: metadata.get("traceparent").cloned(),
            asked: None,
            at: given::<Timestamp, _>(&metadata, "at")?,
            retried: false,
        };
        let Context { stream, seen, .. } = context;
        let first = usize::try_from(seen.version + 1).map_err(unexpected)?;
        self.store
            .append(&stream, seen, &events, meta)
            .await
            .map_err(failed)?;
        Ok((first..)
            .zip(events)
            .map(|(sequence, payload)| EventEnvelope {
                aggregate_id: stream.id.to_string(),
                sequence,
                payload,
                metadata: metadata.clone(),
            })
            .collect())
    }
}
