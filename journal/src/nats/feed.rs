//! Following a partition: a consumer that is thrown away and made again behind the last commit
//! delivered, whenever something is amiss.
//!
//! Nothing is ever deleted from a partition, so sequences have no gaps: a gap within one
//! consumer's messages is a message that got lost on the way and is fetched again; a gap at a
//! consumer's very start is a message that the log has lost, and ends the feed.

use std::time::Duration;

use async_nats::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, push};
use async_nats::jetstream::{ErrorCode, stream::ConsumerErrorKind};
use async_stream::try_stream;
use futures::StreamExt;

use super::{NatsJournal, fetch};
use crate::entry::Entry;
use crate::position::Position;
use crate::{Feed, JournalError, meters};

/// How many commits a batch has at most.
const BATCH: usize = 4096;
/// An idle server says every so often that it is alive …
const HEARTBEAT: Duration = Duration::from_secs(1);
/// … and when it has not for so long, it is not.
const SILENCE: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why a consumer is thrown away.
type Amiss = Box<dyn std::error::Error + Send + Sync>;

/// Commits behind a sequence, then whatever comes.
pub(super) fn follow(journal: NatsJournal, partition: u16, mut after: u64) -> Feed {
    try_stream! {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut consumer = match Consumer::start(&journal, partition, after).await {
                Ok(consumer) => consumer,
                Err(error) if is_final(&error) => Err(error)?,
                Err(error) => {
                    tracing::warn!(%error, partition, "the feed waits for NATS");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
            };
            loop {
                match consumer.next().await? {
                    Ok(batch) => {
                        pause = FIRST_PAUSE;
                        after = consumer.last;
                        if !batch.is_empty() {
                            yield batch;
                        }
                    }
                    Err(reason) => {
                        meters::feed_restarted();
                        tracing::info!(%reason, partition, after, "the feed starts again");
                        break;
                    }
                }
            }
        }
    }
    .boxed()
}

/// A feed does not wait for a partition that somebody has deleted, or that never was.
fn is_final(error: &JournalError) -> bool {
    matches!(error, JournalError::Malformed(_))
}

struct Consumer {
    journal: NatsJournal,
    partition: u16,
    messages: futures::stream::ReadyChunks<async_nats::Subscriber>,
    /// The sequence of the last commit delivered.
    last: u64,
    /// Whether this consumer has delivered nothing yet.
    fresh: bool,
    /// Found behind what was delivered last, for the next call to tell.
    amiss: Option<Amiss>,
}

impl Consumer {
    async fn start(
        journal: &NatsJournal,
        partition: u16,
        after: u64,
    ) -> Result<Self, JournalError> {
        let inner = &journal.inner;
        let events = journal
            .events(partition)
            .map_err(|e| JournalError::Malformed(e.to_string()))?;
        let inbox = inner.client.new_inbox();
        let messages = inner
            .client
            .subscribe(inbox.clone())
            .await
            .map_err(JournalError::unavailable)?;
        let config = push::Config {
            deliver_subject: inbox,
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: after + 1,
            },
            ack_policy: AckPolicy::None,
            replay_policy: ReplayPolicy::Instant,
            max_deliver: 1,
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            num_replicas: 1,
            memory_storage: true,
            ..push::Config::default()
        };
        match inner
            .context
            .create_consumer_on_stream(config, events.name())
            .await
        {
            Ok(_) => {}
            Err(error) => match error.kind() {
                ConsumerErrorKind::JetStream(gone)
                    if gone.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    let reason = format!("the stream {} is gone", events.name());
                    return Err(JournalError::Malformed(reason));
                }
                ConsumerErrorKind::JetStream(_)
                | ConsumerErrorKind::TimedOut
                | ConsumerErrorKind::Request
                | ConsumerErrorKind::InvalidConsumerType
                | ConsumerErrorKind::InvalidName
                | ConsumerErrorKind::Other => return Err(JournalError::unavailable(error)),
            },
        }
        let messages = messages.ready_chunks(BATCH);
        Ok(Self {
            journal: journal.clone(),
            partition,
            messages,
            last: after,
            fresh: true,
            amiss: None,
        })
    }

    /// What is at hand, or why this consumer is of no more use; fails where the log itself does.
    async fn next(&mut self) -> Result<Result<Vec<Entry>, Amiss>, JournalError> {
        if let Some(reason) = self.amiss.take() {
            return Ok(Err(reason));
        }
        let Ok(chunk) = tokio::time::timeout(SILENCE, self.messages.next()).await else {
            return Ok(Err("NATS has fallen silent".into()));
        };
        let Some(chunk) = chunk else {
            return Err(JournalError::unavailable(
                "the connection to NATS was closed",
            ));
        };
        let mut batch = Vec::with_capacity(chunk.len());
        for message in chunk {
            let taken = if message.status.is_some() {
                self.heed(&message).await
            } else {
                self.take(&message, &mut batch)?
            };
            if let Err(reason) = taken {
                self.amiss = Some(reason);
                break;
            }
        }
        Ok(Ok(batch))
    }

    /// One commit, if it is the next one.
    fn take(
        &mut self,
        message: &Message,
        batch: &mut Vec<Entry>,
    ) -> Result<Result<(), Amiss>, JournalError> {
        let sequence = match sequence(message) {
            Ok(sequence) => sequence,
            Err(reason) => return Ok(Err(reason)),
        };
        let next = self.last + 1;
        if sequence != next {
            if self.fresh && sequence > next {
                let position = Position {
                    partition: self.partition,
                    sequence: next,
                };
                return Err(JournalError::Corrupt {
                    position,
                    reason: "it is missing".into(),
                });
            }
            return Ok(Err(
                format!("commit {sequence} came where {next} was due").into()
            ));
        }
        let stored = fetch::Stored::delivered(sequence, message);
        batch.push(self.journal.entry(self.partition, stored));
        self.last = sequence;
        self.fresh = false;
        Ok(Ok(()))
    }

    /// Heartbeats tell what should have arrived; flow control asks for an answer.
    async fn heed(&self, message: &Message) -> Result<(), Amiss> {
        let status = message.status.map_or(0, |status| status.as_u16());
        if status != 100 {
            return Err(format!("NATS: {}", message.description.as_deref().unwrap_or("?")).into());
        }
        let header = |name| {
            message
                .headers
                .as_ref()
                .and_then(|headers| headers.get(name))
        };
        let stalled = header("Nats-Consumer-Stalled").map(|subject| subject.as_str().into());
        if let Some(reply) = message.reply.clone().or(stalled) {
            self.journal.inner.client.publish(reply, "".into()).await?;
        }
        let sent = header("Nats-Last-Stream").and_then(|last| last.as_str().parse::<u64>().ok());
        match sent {
            Some(sent) if sent > self.last => {
                Err(format!("commits {} to {sent} got lost on the way", self.last + 1).into())
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The commit's sequence: part of the subject that an acknowledgement would go to, with or
/// without the account's domain and hash in it.
fn sequence(message: &Message) -> Result<u64, Amiss> {
    let reply = message
        .reply
        .as_ref()
        .ok_or("a message without its place")?;
    let tokens: Vec<_> = reply.split('.').collect();
    let place = if tokens.len() > 9 { 7 } else { 5 };
    let sequence = tokens.get(place).ok_or("a message without its place")?;
    Ok(sequence.parse()?)
}
