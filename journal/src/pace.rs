//! Batches instead of single commits, under load: a follower that writes one transaction per
//! commit costs more than the commands that it follows.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::Instant;

use crate::Commits;

/// The least time between two batches. A commit after a quiet moment does not wait.
const BETWEEN: Duration = Duration::from_millis(4);
/// A batch of this many is full enough not to wait for more.
const FULL: usize = 256;

/// The same commits in fewer batches.
pub(crate) fn paced(feed: Commits) -> Commits {
    let begin = (feed, None::<Instant>);
    futures::stream::unfold(begin, async |(mut feed, rest)| {
        if let Some(until) = rest {
            tokio::time::sleep_until(until).await;
        }
        let batch = feed.next().await?;
        let small = batch.as_ref().is_ok_and(|batch| batch.len() < FULL);
        let rest = small.then(|| Instant::now() + BETWEEN);
        Some((batch, (feed, rest)))
    })
    .boxed()
}
