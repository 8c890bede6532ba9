//! Following a partition: batch after batch of direct gets, from behind the last entry delivered.
//!
//! No consumer: whoever may make one may name the subject that it delivers to, and could have the
//! server append to the log. An end that does not move is asked for less and less often, so a commit
//! is seen within [`LONGEST_PAUSE`], and a quiet partition costs a few small requests a second.
//!
//! Nothing is ever deleted from a partition, so sequences have no gaps: what a batch lacks got lost
//! on the way and is asked for again, and a gap at its very start is a message that the log has lost,
//! which ends the feed.

use std::time::Duration;

use async_stream::try_stream;
use futures::StreamExt as _;

use super::NatsJournal;
use crate::entry::Entry;
use crate::position::Position;
use crate::{Feed, JournalError, meters};

/// After the first look that finds nothing new …
const FIRST_PAUSE: Duration = Duration::from_millis(4);
/// … and after many.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);
/// After a failure.
const FAULT_PAUSE: Duration = Duration::from_millis(250);

/// What stands behind a sequence, then whatever comes.
pub(super) fn follow(journal: NatsJournal, partition: u16, mut after: u64) -> Feed {
    try_stream! {
        let mut pause = FIRST_PAUSE;
        loop {
            match journal.next(partition, after).await {
                Ok(batch) => {
                    if let Some(last) = batch.last() {
                        after = last.position().sequence;
                        pause = FIRST_PAUSE;
                        yield batch;
                    } else {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                }
                Err(error) if is_final(&error) => Err(error)?,
                Err(error) => {
                    meters::feed_restarted();
                    tracing::warn!(%error, partition, after, "the feed waits for NATS");
                    tokio::time::sleep(FAULT_PAUSE).await;
                }
            }
        }
    }
    .boxed()
}

/// A feed does not wait for what the log has lost, nor for a partition that is gone or never was.
fn is_final(error: &JournalError) -> bool {
    match error {
        JournalError::Malformed(_) | JournalError::Corrupt { .. } => true,
        JournalError::Unavailable(_)
        | JournalError::Conflict
        | JournalError::TooLarge { .. }
        | JournalError::Damaged(_) => false,
    }
}

impl NatsJournal {
    /// What is at hand behind a sequence.
    async fn next(&self, partition: u16, after: u64) -> Result<Vec<Entry>, JournalError> {
        let events = self
            .events(partition)
            .map_err(|error| JournalError::Malformed(error.to_string()))?;
        let stored = events.some_after(after).await;
        if stored.is_err() && events.is_gone().await {
            let reason = format!("the stream {} is gone", events.name());
            return Err(JournalError::Malformed(reason));
        }
        let stored = stored?;
        let mut next = after;
        for message in &stored {
            next += 1;
            if message.sequence != next {
                let position = Position {
                    partition,
                    sequence: next,
                };
                return Err(JournalError::Corrupt {
                    position,
                    reason: "it is missing".into(),
                });
            }
        }
        self.entries(partition, stored).await
    }
}
