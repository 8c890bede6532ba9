//! The desk that asks a process with the role `commands`, over NATS request/reply.
//!
//! The caller fixes the ids of what it asks for, so an ask that got no answer is repeated and
//! carried out once.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use cqrs_es::AggregateError;
use journal::store::Loaded;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::local::traceparent;
use super::{Expected, Handled, Outcome, Stores};
use crate::clock::{Clock, fresh_id};
use crate::origin::Origin;

/// The first token of the subjects that desks listen on.
pub(super) const SUBJECT: &str = "rapport.cmd";
/// How long one ask may take; a busy stream's lost races are within it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often an ask is made.
const TRIES: u32 = 4;

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
    Refused(E),
    Conflict,
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
        let mut last = String::from("no answer");
        for _ in 0..TRIES {
            match self.ask::<A>(&ask).await {
                Ok(Answer::Done(loaded)) => return Ok(Arc::new(loaded)),
                Ok(Answer::Refused(refusal)) => return Err(AggregateError::UserError(refusal)),
                Ok(Answer::Conflict) => return Err(AggregateError::AggregateConflict),
                Ok(Answer::Unreadable(reason)) => {
                    return Err(AggregateError::DeserializationError(reason.into()));
                }
                Ok(Answer::Failed(reason)) => {
                    return Err(AggregateError::UnexpectedError(reason.into()));
                }
                Ok(Answer::Unavailable(reason)) | Err(reason) => last = reason,
            }
            // It may have been carried out although nobody said so.
            ask.origin.retried = true;
        }
        Err(AggregateError::DatabaseConnectionError(
            format!("no process with the role commands answers: {last}").into(),
        ))
    }

    async fn ask<A: Handled>(
        &self,
        ask: &Ask<A::Id, A::Command>,
    ) -> Result<Answer<Loaded<A>, A::Error>, String> {
        let payload = serde_json::to_vec(ask).map_err(|error| error.to_string())?;
        let subject = format!("{SUBJECT}.{}", A::TYPE);
        let request = self.client.request(subject, Bytes::from(payload));
        let reply = tokio::time::timeout(ANSWER_WITHIN, request).await;
        let reply = reply
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&reply.payload).map_err(|error| error.to_string())
    }
}
