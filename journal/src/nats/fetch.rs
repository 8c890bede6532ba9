//! Reading what a stream holds: many messages in one round trip, and never less than what was
//! acknowledged, though any replica may answer.
//!
//! [`batch`] makes the round trips; here is what is asked for, and of whom.
//!
//! The server gives a batch to any replica, also to one that is frozen, until the other nodes notice.
//! After such a silence an aggregate is read from the leader for a while, message by message.

mod batch;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::HeaderName;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    DirectGetErrorKind, LastRawMessageErrorKind, RawMessageErrorKind, Stream,
};
use async_nats::jetstream::{Context, ErrorCode};
use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use super::patience::patiently;
use super::publish::{EXPECTED_LAST, MESSAGE_ID};
use super::signing::SIGNATURE;
use crate::JournalError;

/// How long replicas are not asked after one of them was silent. Its node is given up by the others
/// within this time (`ping_interval` in `nats.conf`).
const AVOIDED_FOR: Duration = Duration::from_secs(5);

/// A stream to read from.
#[derive(Debug)]
pub(super) struct Source {
    context: Context,
    /// What the subjects of the server's own services start with.
    api: String,
    name: String,
    replicated: bool,
    /// Until when replicas are not asked, because one was silent.
    avoided_until: Mutex<Option<Instant>>,
}

/// A message as stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) sequence: u64,
    pub(super) subject: String,
    pub(super) id: Option<Uuid>,
    /// The sequence that it was appended behind, as its author named it and the server checked it.
    pub(super) expected_last: Option<u64>,
    pub(super) signature: Option<String>,
    pub(super) payload: Bytes,
}

impl From<StreamMessage> for Stored {
    fn from(message: StreamMessage) -> Self {
        let subject = message.subject.to_string();
        Self::of(
            message.sequence,
            subject,
            Some(&message.headers),
            message.payload,
        )
    }
}

impl Stored {
    fn of(sequence: u64, subject: String, headers: Option<&HeaderMap>, payload: Bytes) -> Self {
        // The server looks at the first value of a name that comes twice.
        let first = |name: HeaderName| Some(headers?.get(name)?.as_str());
        Self {
            sequence,
            subject,
            id: headers.and_then(id),
            expected_last: first(EXPECTED_LAST).and_then(|last| last.parse().ok()),
            signature: first(SIGNATURE).map(str::to_owned),
            payload,
        }
    }
}

/// A message's place and the id that its author gave it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) sequence: u64,
    pub(super) id: Option<Uuid>,
}

impl Source {
    pub(super) fn new(context: &Context, api: &str, name: String, replicated: bool) -> Self {
        Self {
            context: context.clone(),
            api: api.to_owned(),
            name,
            replicated,
            avoided_until: Mutex::new(None),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether several nodes hold it.
    pub(super) const fn is_replicated(&self) -> bool {
        self.replicated
    }

    /// The messages of one exact subject behind a sequence, at most `limit`.
    pub(super) async fn subject_after(
        &self,
        subject: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Stored>, JournalError> {
        patiently(|| async {
            if self.avoids_replicas() {
                return self.leader_after(subject, after, limit).await;
            }
            let end = async {
                if !self.replicated {
                    return Ok(0);
                }
                Ok(self
                    .leader_last(subject)
                    .await?
                    .map_or(0, |message| message.sequence))
            };
            self.collect(Some(subject), after, limit, end).await
        })
        .await
    }

    /// All messages behind a sequence.
    pub(super) async fn all_after(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Stored>, JournalError> {
        patiently(|| {
            let end = async {
                if self.replicated {
                    self.last().await
                } else {
                    Ok(0)
                }
            };
            self.collect(None, after, limit, end)
        })
        .await
    }

    /// The sequence of the last message.
    pub(super) async fn last(&self) -> Result<u64, JournalError> {
        patiently(|| async {
            let info = self
                .handle()
                .await?
                .get_info()
                .await
                .map_err(JournalError::unavailable)?;
            Ok(info.state.last_sequence)
        })
        .await
    }

    /// What the stream says of itself.
    pub(super) async fn metadata(&self) -> Result<HashMap<String, String>, JournalError> {
        patiently(|| async {
            let info = self.handle().await?.get_info().await;
            Ok(info.map_err(JournalError::unavailable)?.config.metadata)
        })
        .await
    }

    /// Whether the server says that there is no such stream.
    pub(super) async fn is_gone(&self) -> bool {
        let found = self.context.get_stream(&self.name).await;
        found.is_err_and(|error| match error.kind() {
            GetStreamErrorKind::JetStream(error) => {
                error.error_code() == ErrorCode::STREAM_NOT_FOUND
            }
            GetStreamErrorKind::EmptyName
            | GetStreamErrorKind::Request
            | GetStreamErrorKind::InvalidStreamName => false,
        })
    }

    /// The first message of a subject behind a sequence, as the leader has it.
    pub(super) async fn first_behind(
        &self,
        subject: &str,
        after: u64,
    ) -> Result<Option<Found>, JournalError> {
        let found = if self.replicated {
            let found = self.leader_next(subject, after).await?;
            found.map(|message| (message.sequence, message.headers))
        } else {
            let stream = self.handle().await?;
            let get = stream
                .direct_get_builder()
                .sequence(after + 1)
                .next_by_subject(subject);
            match get.send().await {
                Ok(message) => Some((message.sequence, message.headers)),
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => None,
                Err(error) => return Err(JournalError::unavailable(error)),
            }
        };
        Ok(found.map(|(sequence, headers)| Found {
            sequence,
            id: id(&headers),
        }))
    }

    /// The last message of a subject, as the leader has it.
    pub(super) async fn newest(&self, subject: &str) -> Result<Option<Stored>, JournalError> {
        if self.replicated {
            patiently(|| self.leader_last(subject)).await
        } else {
            self.direct_last(subject).await
        }
    }

    /// The last message of a subject, as any replica has it.
    pub(super) async fn direct_last(&self, subject: &str) -> Result<Option<Stored>, JournalError> {
        patiently(|| async {
            if self.avoids_replicas() {
                return self.leader_last(subject).await;
            }
            match self
                .handle()
                .await?
                .direct_get_last_for_subject(subject)
                .await
            {
                Ok(message) => Ok(Some(message.into())),
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
                Err(error) => {
                    if error.kind() == DirectGetErrorKind::TimedOut {
                        self.avoid_replicas();
                    }
                    Err(JournalError::unavailable(error))
                }
            }
        })
        .await
    }

    /// The first message of a subject behind a sequence, as the leader has it.
    async fn leader_next(
        &self,
        subject: &str,
        after: u64,
    ) -> Result<Option<StreamMessage>, JournalError> {
        let stream = self.handle().await?;
        let get = stream
            .raw_message_builder()
            .sequence(after + 1)
            .next_by_subject(subject);
        match get.send().await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(JournalError::unavailable(error)),
        }
    }

    /// The messages of a subject behind a sequence, as the leader has them: one at a time.
    async fn leader_after(
        &self,
        subject: &str,
        mut after: u64,
        limit: usize,
    ) -> Result<Vec<Stored>, JournalError> {
        let mut messages = Vec::new();
        while messages.len() < limit
            && let Some(message) = self.leader_next(subject, after).await?
        {
            after = message.sequence;
            messages.push(message.into());
        }
        Ok(messages)
    }

    fn avoids_replicas(&self) -> bool {
        let until = self.avoided_until.lock();
        let until = *until.unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn avoid_replicas(&self) {
        if self.replicated {
            tracing::debug!(stream = self.name, "a replica of NATS is silent");
            let mut until = self
                .avoided_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *until = Some(Instant::now() + AVOIDED_FOR);
        }
    }

    async fn leader_last(&self, subject: &str) -> Result<Option<Stored>, JournalError> {
        match self
            .handle()
            .await?
            .get_last_raw_message_by_subject(subject)
            .await
        {
            Ok(message) => Ok(Some(message.into())),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(JournalError::unavailable(error)),
        }
    }

    async fn handle(&self) -> Result<Stream<()>, JournalError> {
        self.context
            .get_stream_no_info(&self.name)
            .await
            .map_err(JournalError::unavailable)
    }
}

fn id(headers: &HeaderMap) -> Option<Uuid> {
    headers.get(MESSAGE_ID)?.as_str().parse().ok()
}
