//! Reading what a stream holds: many messages in one round trip, and never less than what was
//! acknowledged, though any replica may answer.
//!
//! A batch is one request to `$JS.API.DIRECT.GET` (ADR-31): the messages, each naming the one
//! before it, then an end marker. On a replicated stream the replica that answers may lag, so
//! the leader is asked at the same time where the end is.
//!
//! The server gives a batch to any replica, also to one that is frozen, until the other nodes notice.
//! After such a silence an aggregate is read from the leader for a while, message by message.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::header::HeaderName;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    DirectGetErrorKind, LastRawMessageErrorKind, RawMessageErrorKind, Stream,
};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::try_join;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::patience::{Patience, patiently};
use super::publish::{ANSWER_WITHIN, EXPECTED_LAST, MESSAGE_ID};
use super::signing::SIGNATURE;
use crate::JournalError;

/// The subject that a message is stored under, in answers of batches.
const SUBJECT: &str = "Nats-Subject";
/// How many messages one request asks for.
const BATCH: usize = 4096;
/// Far below the 64 MB at which a server cuts off a slow client.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;
/// How long a replica may lag behind what is acknowledged.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(10);
/// How long a replica may say nothing, where there are others.
const SPEAKS_WITHIN: Duration = Duration::from_secs(1);
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

/// A request for a batch, from a sequence or from a moment on.
#[derive(Debug, Serialize)]
struct Ask<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
    batch: usize,
    max_bytes: u64,
}

/// A batch, and whether there is more behind it, as the replica that answered knows.
#[derive(Debug)]
struct Batch {
    messages: Vec<Stored>,
    more: bool,
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

    /// The messages of one exact subject behind a sequence.
    pub(super) async fn subject_after(
        &self,
        subject: &str,
        after: u64,
    ) -> Result<Vec<Stored>, JournalError> {
        patiently(|| async {
            if self.avoids_replicas() {
                return self.leader_after(subject, after).await;
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
            self.collect(Some(subject), after, usize::MAX, end).await
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

    /// A sequence before every message that the server took at this moment or later.
    pub(super) async fn before(&self, moment: Timestamp) -> Result<u64, JournalError> {
        let end = self.last().await?;
        let ask = Ask {
            seq: None,
            start_time: Some(moment),
            next_by_subj: None,
            batch: 1,
            max_bytes: BATCH_BYTES,
        };
        let first = patiently(|| self.asked(&ask)).await?;
        Ok(match first.messages.first() {
            Some(message) => message.sequence - 1,
            // The replica that answered may lack the last ones.
            None => end.saturating_sub(BATCH as u64),
        })
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

    /// At most one batch of messages behind a sequence, as any replica has them: perhaps not the last
    /// ones yet.
    pub(super) async fn some_after(&self, after: u64) -> Result<Vec<Stored>, JournalError> {
        Ok(self.batch(None, after, BATCH).await?.messages)
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
    ) -> Result<Vec<Stored>, JournalError> {
        let mut messages = Vec::new();
        while let Some(message) = self.leader_next(subject, after).await? {
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

    /// Batch after batch until the limit, or the end as both the answering replica and the
    /// leader (`end`) see it.
    async fn collect(
        &self,
        subject: Option<&str>,
        mut after: u64,
        limit: usize,
        end: impl Future<Output = Result<u64, JournalError>>,
    ) -> Result<Vec<Stored>, JournalError> {
        let (mut batch, end) = try_join(self.batch(subject, after, limit), end).await?;
        let mut patience = Patience::new(CATCH_UP_WITHIN);
        let mut messages = Vec::new();
        loop {
            after = batch
                .messages
                .last()
                .map_or(after, |message| message.sequence);
            messages.append(&mut batch.messages);
            if messages.len() >= limit || (!batch.more && after >= end) {
                return Ok(messages);
            }
            if !batch.more && !patience.pause().await {
                return Err(JournalError::unavailable(
                    "a replica of NATS does not catch up",
                ));
            }
            batch = self.batch(subject, after, limit - messages.len()).await?;
        }
    }

    async fn batch(
        &self,
        subject: Option<&str>,
        after: u64,
        limit: usize,
    ) -> Result<Batch, JournalError> {
        let nothing = Batch {
            messages: Vec::new(),
            more: false,
        };
        if limit == 0 {
            return Ok(nothing);
        }
        self.asked(&Ask {
            seq: Some(after + 1),
            start_time: None,
            next_by_subj: subject,
            batch: limit.min(BATCH),
            max_bytes: BATCH_BYTES,
        })
        .await
    }

    async fn asked(&self, ask: &Ask<'_>) -> Result<Batch, JournalError> {
        let ask = serde_json::to_vec(ask).map_err(JournalError::unavailable)?;
        let client = self.context.client();
        let inbox = client.new_inbox();
        let mut answers = client
            .subscribe(inbox.clone())
            .await
            .map_err(JournalError::unavailable)?;
        let address = format!("{}.DIRECT.GET.{}", self.api, self.name);
        client
            .publish_with_reply(address, inbox, ask.into())
            .await
            .map_err(JournalError::unavailable)?;
        let mut batch = Batch {
            messages: Vec::new(),
            more: false,
        };
        let mut last = 0;
        let within = if self.replicated {
            SPEAKS_WITHIN
        } else {
            ANSWER_WITHIN
        };
        loop {
            let next = tokio::time::timeout(within, answers.next()).await;
            let message = next
                .map_err(|_| {
                    self.avoid_replicas();
                    JournalError::unavailable("a replica of NATS is silent")
                })?
                .ok_or_else(|| JournalError::unavailable("the connection to NATS was closed"))?;
            // A message may have been stored with a status of its own: what tells is its sequence.
            let is_stored = number(&message, "Nats-Sequence").is_ok();
            match message.status.map(|status| status.as_u16()) {
                _ if is_stored => {
                    let previous = number(&message, "Nats-Last-Sequence")?;
                    if !batch.messages.is_empty() && previous != last {
                        return Err(JournalError::unavailable("a part of a batch was lost"));
                    }
                    last = number(&message, "Nats-Sequence")?;
                    let headers = message.headers.as_ref();
                    let subject = headers.and_then(|headers| headers.get_last(SUBJECT));
                    let subject = subject.map(ToString::to_string).unwrap_or_default();
                    let stored = Stored::of(last, subject, headers, message.payload);
                    batch.messages.push(stored);
                }
                Some(204) => {
                    if number(&message, "Nats-Last-Sequence")? != last {
                        return Err(JournalError::unavailable("the end of a batch was lost"));
                    }
                    batch.more = number(&message, "Nats-Num-Pending")? > 0;
                    return Ok(batch);
                }
                Some(404) => return Ok(batch),
                None => return Err(JournalError::unavailable("NATS answers without a sequence")),
                Some(503) => {
                    return Err(JournalError::unavailable("no NATS server has the stream"));
                }
                Some(_) => {
                    let reason = message.description.unwrap_or_default();
                    return Err(JournalError::unavailable(format!("NATS: {reason}")));
                }
            }
        }
    }
}

/// A number out of a header that the server has added: behind those of the message, which may have the
/// same name. A server that knows no batches does not send it.
fn number(message: &Message, name: &str) -> Result<u64, JournalError> {
    let value = message
        .headers
        .as_ref()
        .and_then(|headers| headers.get_last(name));
    value
        .and_then(|value| value.as_str().parse().ok())
        .ok_or_else(|| {
            JournalError::unavailable(format!(
                "NATS answers a batch without {name}; it is too old"
            ))
        })
}

fn id(headers: &HeaderMap) -> Option<Uuid> {
    headers.get(MESSAGE_ID)?.as_str().parse().ok()
}
