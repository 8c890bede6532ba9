//! Following: stored, then live, each commit once and in order.

use std::time::Duration;

use futures::StreamExt;
use journal::Feed;
use journal::position::Position;

use crate::backend::{Backend, beside, fresh_stream};
use crate::sample::grow;

const WITHIN: Duration = Duration::from_mins(1);

/// The next `count` positions of a feed.
pub async fn next(feed: &mut Feed, count: usize) -> Vec<Position> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let batch = tokio::time::timeout(WITHIN, feed.next()).await;
        let batch = batch
            .expect("the feed stands still")
            .expect("a feed never ends")
            .unwrap();
        assert!(!batch.is_empty() && batch.len() <= 4096);
        seen.extend(batch.iter().map(journal::entry::Entry::position));
    }
    seen
}

pub async fn a_feed_goes_from_stored_to_live(backend: &mut Backend) {
    let (journal, stream) = (backend.journal.clone(), fresh_stream());
    let partition = journal.partition(&stream.workspace);
    let before = journal.heads().await.unwrap()[usize::from(partition)].sequence;
    let mut expected = grow(&journal, &stream, 5).await;
    let mut feed = journal.follow(partition, before);
    let mut seen = next(&mut feed, 5).await;
    // Live, one by one …
    for _ in 0..3 {
        expected.extend(grow(&journal, &stream, 1).await);
        seen.extend(next(&mut feed, 1).await);
    }
    // … and while others append faster than we look.
    let writer = tokio::spawn(async move { grow(&journal, &beside(&stream, 2), 200).await });
    seen.extend(next(&mut feed, 200).await);
    expected.extend(writer.await.unwrap());
    assert_eq!(seen, expected);
}

pub async fn a_feed_can_start_anywhere(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let partition = journal.partition(&stream.workspace);
    let positions = grow(journal, &stream, 6).await;
    for (skipped, after) in positions[..5].iter().enumerate() {
        let mut feed = journal.follow(partition, after.sequence);
        assert_eq!(next(&mut feed, 5 - skipped).await, positions[skipped + 1..]);
    }
    // At the head: nothing until something comes.
    let mut feed = journal.follow(partition, positions[5].sequence);
    let nothing = tokio::time::timeout(Duration::from_millis(50), feed.next()).await;
    assert!(nothing.is_err());
    let more = grow(journal, &stream, 1).await;
    assert_eq!(next(&mut feed, 1).await, more);
}

pub async fn two_feeds_see_the_same(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let partition = journal.partition(&stream.workspace);
    let before = journal.heads().await.unwrap()[usize::from(partition)].sequence;
    let (mut one, mut two) = (
        journal.follow(partition, before),
        journal.follow(partition, before),
    );
    let grown = grow(journal, &stream, 50).await;
    let (one, two) = tokio::join!(next(&mut one, 50), next(&mut two, 50));
    assert_eq!((&one, &two), (&grown, &grown));
}
