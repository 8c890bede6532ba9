//! Many messages in one round trip.
//!
//! A batch is one request to `$JS.API.DIRECT.GET` (ADR-31): the messages, each naming the one
//! before it, then an end marker. On a replicated stream the replica that answers may lag, so
//! the leader is asked at the same time where the end is.

use std::time::Duration;

use async_nats::Message;
use futures::StreamExt as _;
use futures::future::try_join;
use jiff::Timestamp;
use serde::Serialize;

use super::{Source, Stored};
use crate::JournalError;
use crate::nats::patience::{Patience, patiently};
use crate::nats::publish::ANSWER_WITHIN;

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
    /// A sequence before every message that the server took at this moment or later.
    pub(in crate::nats) async fn before(&self, moment: Timestamp) -> Result<u64, JournalError> {
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

    /// At most one batch of messages behind a sequence, as any replica has them: perhaps not the last
    /// ones yet.
    pub(in crate::nats) async fn some_after(
        &self,
        after: u64,
    ) -> Result<Vec<Stored>, JournalError> {
        Ok(self.batch(None, after, BATCH).await?.messages)
    }

    /// Batch after batch until the limit, or the end as both the answering replica and the
    /// leader (`end`) see it.
    pub(super) async fn collect(
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
