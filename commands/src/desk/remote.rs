//! The desk that asks a process with the role `commands`, over NATS request/reply.
//!
//! The caller fixes the ids of what it asks for, so an ask that got no answer is repeated and
//! carried out once. It is repeated soon: whoever got it may be frozen, or sit on a node that is, and
//! the next ask may reach another.

use std::sync::Arc;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, Request};
use bytes::Bytes;
use cqrs_es::AggregateError;
use journal::store::Loaded;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::local::{command_name, failed, traceparent};
use super::{Expected, Handled, Outcome, Stores, stream_of};
use crate::clock::{Clock, fresh_id};
use crate::origin::Origin;
use crate::precondition::VersionMismatch;

/// The first token of the subjects that desks listen on.
pub(super) const SUBJECT: &str = "rapport.cmd";
/// How long each ask may take. The later ones have time for a busy stream's lost races, and ask no
/// more of processes that are slow than they can do.
const ANSWERS_WITHIN: [Duration; 4] = [
    Duration::from_millis(1500),
    Duration::from_secs(3),
    Duration::from_secs(6),
    Duration::from_secs(9),
];
/// How long to wait where nobody listens: a process that is replaced is back soon.
const NOBODY_LISTENS: Duration = Duration::from_secs(2);

/// A desk that asks another process.
pub struct Remote {
    client: Client,
    pub(super) stores: Stores,
    pub(super) clock: Clock,
}

/// A command on its way.
#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "I: Serialize, C: Serialize",
    deserialize = "I: DeserializeOwned, C: DeserializeOwned"
))]
pub(super) struct Ask<I, C> {
    pub id: I,
    pub command: C,
    pub origin: Origin,
    #[serde(flatten)]
    pub expected: Expected,
    /// The caller's trace, W3C.
    pub traceparent: Option<String>,
}

/// Its answer.
#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "S: Serialize, E: Serialize",
    deserialize = "S: DeserializeOwned, E: DeserializeOwned"
))]
pub(super) enum Answer<S, E> {
    Done(S),
    /// It was done, and the state is larger than a message may be: whoever asked reads it from the log.
    DoneUnsent,
    Refused(E),
    Conflict,
    /// The record is at this version, and the request held for another.
    Mismatch(u64),
    Unavailable(String),
    /// The aggregate's own commits cannot be read.
    Unreadable(String),
    Failed(String),
}

impl Remote {
    pub(super) fn new(client: Client, stores: Stores, clock: Clock) -> Self {
        Self {
            client,
            stores,
            clock,
        }
    }

    /// See [`super::Desk::send`], [`super::Desk::send_at`] and [`super::Desk::open`].
    pub(super) async fn send<A: Handled>(
        &self,
        id: A::Id,
        command: A::Command,
        origin: &Origin,
        expected: Expected,
    ) -> Outcome<A> {
        let mut origin = origin.clone();
        origin.seed.get_or_insert_with(fresh_id);
        let mut ask = Ask {
            id,
            command,
            origin,
            expected,
            traceparent: traceparent(),
        };
        let mut last = Unanswered::Other("no answer".into());
        for within in ANSWERS_WITHIN {
            match self.ask::<A>(&ask, within).await {
                Ok(Answer::Done(loaded)) => return Ok(Arc::new(loaded)),
                Ok(Answer::DoneUnsent) => return self.left_by(&ask).await,
                Ok(Answer::Refused(refusal)) => return Err(AggregateError::UserError(refusal)),
                Ok(Answer::Conflict) => return Err(AggregateError::AggregateConflict),
                Ok(Answer::Unreadable(reason)) => {
                    return Err(AggregateError::DeserializationError(reason.into()));
                }
                Ok(Answer::Mismatch(current)) => return Err(VersionMismatch { current }.into()),
                Ok(Answer::Failed(reason)) => {
                    return Err(AggregateError::UnexpectedError(reason.into()));
                }
                Ok(Answer::Unavailable(reason)) => last = Unanswered::Other(reason),
                Err(Unanswered::NobodyListens) => {
                    last = Unanswered::NobodyListens;
                    tokio::time::sleep(NOBODY_LISTENS).await;
                    continue;
                }
                Err(reason) => last = reason,
            }
            // It may have been carried out although nobody said so.
            ask.origin.retried = true;
        }
        Err(AggregateError::DatabaseConnectionError(last.into()))
    }

    /// What an ask that was carried out has left, as the log has it.
    async fn left_by<A: Handled>(&self, ask: &Ask<A::Id, A::Command>) -> Outcome<A> {
        let store = A::store(&self.stores);
        let stream = stream_of(store, &ask.origin.workspace, ask.id).map_err(failed)?;
        let commit_id = ask.origin.commit_id(&stream, &command_name(&ask.command));
        let left = store.load_after(&stream, commit_id, ask.origin.behind);
        match left.await.map_err(failed)? {
            Some(left) => Ok(left),
            // There was nothing to be done.
            None => store.reload(&stream).await.map_err(failed),
        }
    }

    async fn ask<A: Handled>(
        &self,
        ask: &Ask<A::Id, A::Command>,
        within: Duration,
    ) -> Result<Answer<Loaded<A>, A::Error>, Unanswered> {
        let other = |error: &dyn std::fmt::Display| Unanswered::Other(error.to_string());
        let payload = serde_json::to_vec(ask).map_err(|error| other(&error))?;
        let (bytes, most) = (payload.len(), self.client.server_info().max_payload);
        if bytes > most {
            return Ok(Answer::Failed(format!(
                "a command of {bytes} bytes is too large; NATS takes messages of {most}"
            )));
        }
        let request = Request::new()
            .payload(Bytes::from(payload))
            .timeout(Some(within));
        let subject = format!("{SUBJECT}.{}", A::TYPE);
        match self.client.send_request(subject, request).await {
            Ok(reply) => serde_json::from_slice(&reply.payload).map_err(|error| other(&error)),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                Err(Unanswered::NobodyListens)
            }
            Err(error) => Err(other(&error)),
        }
    }
}

/// Why an ask has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The server knows nobody who takes asks.
    #[error(
        "no process with the role commands runs, or its NATS user may not listen: start one with \
         rapport serve --role commands"
    )]
    NobodyListens,
    /// Somebody may have taken it.
    #[error("no process with the role commands answers: {0}")]
    Other(String),
}
