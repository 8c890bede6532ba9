//! The log as generations follow it: commits decoded ahead of their writing.

use futures::StreamExt as _;
use futures::stream::{BoxStream, SelectAll};
use journal::{Journal, JournalError};
use tokio::sync::mpsc;

use super::held::Held;
use crate::change::Followed;

/// Batches decoded ahead of the one that is being written.
const AHEAD: usize = 2;

/// Batches of the log, decoded; of each partition in order.
pub(super) type Batches = SelectAll<BoxStream<'static, Result<Vec<Followed>, JournalError>>>;

/// Commits from the least checkpoint of these on; none where there are none of these.
pub(super) fn feed(journal: &Journal, held: &[Held]) -> Batches {
    let partitions = if held.is_empty() {
        0
    } else {
        journal.partitions()
    };
    let feeds = (0..partitions).map(|partition| {
        let after = held
            .iter()
            .map(|held| held.checkpoint(partition).sequence)
            .min()
            .unwrap_or(0);
        let mut commits = journal.follow(partition, after);
        let (send, mut receive) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            loop {
                let batch = tokio::select! {
                    batch = commits.next() => batch,
                    // Nobody takes them any more; the next commit may be hours away.
                    () = send.closed() => break,
                };
                let Some(batch) = batch else { break };
                let batch =
                    batch.map(|batch| batch.into_iter().map(Followed::from).collect::<Vec<_>>());
                if send.send(batch).await.is_err() {
                    break;
                }
            }
        });
        let decoded = futures::stream::poll_fn(move |context| receive.poll_recv(context));
        // Without this a feed that ended would be a partition that nobody follows any more.
        let ended = async { Err(JournalError::unavailable("decoding commits has ended")) };
        decoded.chain(futures::stream::once(ended)).boxed()
    });
    futures::stream::select_all(feeds)
}
