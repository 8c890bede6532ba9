//! The end of a partition, read once for everybody in the process who follows it.
//!
//! Read models, policies, gateways and the archive all want the same commits at the same time:
//! one task reads and parses them, and hands them round. Whoever is behind reads the log by
//! itself until it has caught up, and again where it falls behind.
//!
//! Invariant: a follower sees every commit behind its position once and in order, whichever of
//! both ways a commit takes to it.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use async_stream::try_stream;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Sender};
use tokio::task::AbortHandle;

use crate::entry::Entry;
use crate::health::Part;
use crate::{Feed, JournalError};

/// Batches kept for whoever is a little slower than the others.
const KEPT: usize = 64;
/// Commits read at once by whoever catches up.
const CATCH_UP: usize = 4096;

type Batch = Arc<[Entry]>;

/// Where a tail gets its commits.
pub(crate) trait Source: Clone + Send + Sync + 'static {
    /// The last sequence.
    fn head(&self) -> BoxFuture<'_, Result<u64, JournalError>>;
    /// Stored commits behind a sequence.
    fn read(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, JournalError>>;
    /// Commits behind a sequence, for ever.
    fn follow(&self, after: u64) -> Feed;
    /// What the task reports through.
    fn part(&self) -> Part;
}

/// The tail of one partition, where somebody follows it.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Weak<Tail>>);

#[derive(Debug)]
struct Tail {
    round: Arc<Round>,
    task: AbortHandle,
}

/// What the task hands round.
#[derive(Debug)]
struct Round {
    sender: Sender<Result<Batch, Arc<str>>>,
    /// The last sequence that was handed round.
    sent: AtomicU64,
    /// Whether the task has ended.
    ended: AtomicBool,
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// The tail that there is, or a new one from the end of the partition.
    async fn tail(&self, source: &impl Source) -> Result<Arc<Tail>, JournalError> {
        let mut known = self.0.lock().await;
        if let Some(tail) = known
            .upgrade()
            .filter(|tail| !tail.round.ended.load(Ordering::SeqCst))
        {
            return Ok(tail);
        }
        let head = source.head().await?;
        let round = Arc::new(Round {
            sender: Sender::new(KEPT),
            sent: AtomicU64::new(head),
            ended: AtomicBool::new(false),
        });
        let task = tokio::spawn(hand_round(
            Arc::clone(&round),
            source.follow(head),
            source.part(),
        ));
        let tail = Arc::new(Tail {
            round,
            task: task.abort_handle(),
        });
        *known = Arc::downgrade(&tail);
        Ok(tail)
    }
}

/// Hands commits round until nobody wants them any more and the task is ended, or until the feed
/// ends: whoever waits for its next commit must hear of that, whatever it ends by.
async fn hand_round(round: Arc<Round>, feed: Feed, part: Part) {
    let handing = AssertUnwindSafe(hand_on(&round, feed, &part));
    let reason = match handing.catch_unwind().await {
        Ok(reason) => reason,
        Err(_panic) => {
            part.panicked();
            "reading the end of the log panicked".into()
        }
    };
    round.ended.store(true, Ordering::SeqCst);
    drop(round.sender.send(Err(reason.into())));
}

/// Answers why there will be no more.
async fn hand_on(round: &Round, mut feed: Feed, part: &Part) -> String {
    loop {
        part.waits();
        let batch = match feed.next().await {
            Some(Ok(batch)) => batch,
            Some(Err(error)) => return error.to_string(),
            None => return "the feed has ended".into(),
        };
        part.works();
        // Before they are sent: whoever joins between the two reads them from the log.
        if let Some(last) = batch.last() {
            round.sent.store(last.position().sequence, Ordering::SeqCst);
        }
        drop(round.sender.send(Ok(batch.into())));
    }
}

/// Commits behind a sequence, for ever: from the log what is stored, from the tail what comes.
pub(crate) fn follow(shared: Arc<Shared>, source: impl Source, mut after: u64) -> Feed {
    try_stream! {
        loop {
            let tail = shared.tail(&source).await?;
            let mut coming: broadcast::Receiver<_> = tail.round.sender.subscribe();
            let joined = tail.round.sent.load(Ordering::SeqCst);
            while after < joined {
                let batch = source.read(after, CATCH_UP).await?;
                let Some(last) = batch.last() else { break };
                after = last.position().sequence;
                yield batch;
            }
            loop {
                match coming.recv().await {
                    Ok(Ok(batch)) => {
                        let new = &batch[batch.partition_point(|one| one.position().sequence <= after)..];
                        if let Some(last) = new.last() {
                            after = last.position().sequence;
                            yield new.to_vec();
                        }
                    }
                    Ok(Err(reason)) => Err(JournalError::unavailable(reason.as_ref()))?,
                    // It has fallen behind: what it missed is in the log.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => break,
                }
            }
        }
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use jiff::Timestamp;

    use super::KEPT;
    use crate::memory::MemoryJournal;
    use crate::{Feed, Journal, sample};

    async fn happen(journal: &Journal, number: u64) {
        sample::happen(journal, number, Timestamp::UNIX_EPOCH).await;
    }

    async fn sees(feed: &mut Feed, mut next: u64, last: u64) {
        while next <= last {
            for recorded in feed.next().await.unwrap().unwrap() {
                assert_eq!(recorded.position().sequence, next);
                next += 1;
            }
        }
    }

    #[tokio::test]
    async fn whoever_falls_behind_misses_nothing() {
        let journal = Journal::from(MemoryJournal::new());
        happen(&journal, 1).await;
        let (mut quick, mut slow) = (journal.follow(0, 0), journal.follow(0, 0));
        sees(&mut quick, 1, 1).await;
        sees(&mut slow, 1, 1).await;
        let last = KEPT as u64 * 2;
        for number in 2..=last {
            happen(&journal, number).await;
            sees(&mut quick, number, number).await;
        }
        sees(&mut slow, 2, last).await;
        happen(&journal, last + 1).await;
        sees(&mut slow, last + 1, last + 1).await;
        sees(&mut quick, last + 1, last + 1).await;
    }

    #[tokio::test]
    async fn whoever_comes_in_between_sees_everything_once() {
        let journal = Journal::from(MemoryJournal::new());
        let mut first = journal.follow(0, 0);
        let mut readers = Vec::new();
        for number in 1..=50 {
            happen(&journal, number).await;
            let mut late = journal.follow(0, number / 2);
            readers.push(tokio::spawn(async move {
                sees(&mut late, number / 2 + 1, 50).await;
            }));
        }
        sees(&mut first, 1, 50).await;
        for reader in readers {
            reader.await.unwrap();
        }
    }
}
