//! Batches instead of single commits, under load: a follower that writes one transaction per
//! commit costs more than the commands that it follows.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::Instant;

use crate::Feed;

/// The least time between two batches while little happens. A commit after a quiet moment does not
/// wait.
const BETWEEN: Duration = Duration::from_millis(4);
/// The least time between two batches under load: each costs a transaction in every read model,
/// however little is in it, and twenty milliseconds are what nobody waits for.
const UNDER_LOAD: Duration = Duration::from_millis(20);
/// A batch of this many commits says that there is load.
const MANY: usize = 16;
/// A batch of this many is full enough not to wait for more.
const FULL: usize = 1024;

/// The same commits in fewer batches.
pub(crate) fn paced(feed: Feed) -> Feed {
    let begin = (feed, None::<Instant>);
    futures::stream::unfold(begin, async |(mut feed, rest)| {
        if let Some(until) = rest {
            tokio::time::sleep_until(until).await;
        }
        let batch = feed.next().await?;
        let rest = batch
            .as_ref()
            .ok()
            .and_then(|batch| rest_after(batch.len()));
        let rest = rest.map(|rest| Instant::now() + rest);
        Some((batch, (feed, rest)))
    })
    .boxed()
}

/// How long to rest after a batch of so many commits.
const fn rest_after(commits: usize) -> Option<Duration> {
    match commits {
        0..MANY => Some(BETWEEN),
        MANY..FULL => Some(UNDER_LOAD),
        FULL.. => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{BETWEEN, FULL, MANY, UNDER_LOAD, rest_after};

    #[test]
    fn the_more_there_is_the_more_comes_at_once() {
        assert_eq!(rest_after(1), Some(BETWEEN));
        assert_eq!(rest_after(MANY), Some(UNDER_LOAD));
        assert_eq!(rest_after(FULL), None);
    }
}
