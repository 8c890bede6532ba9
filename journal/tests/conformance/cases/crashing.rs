//! What a crash leaves: everything that was acknowledged.

use jiff::Timestamp;
use journal::claim::ClaimKey;
use journal::entry::readable;

use super::feeding::next;
use crate::backend::{Backend, beside, fresh_stream};
use crate::sample::{commit, grow};

pub async fn what_was_acknowledged_survives_a_crash(backend: &mut Backend) {
    let stream = fresh_stream();
    let claim = ClaimKey {
        workspace: stream.workspace.clone(),
        key: stream.id.clone(),
    };
    let identity = backend.journal.identity();
    let mut positions = grow(&backend.journal, &stream, 5).await;
    let last = commit(&stream, 6);
    positions.push(
        backend
            .journal
            .append(last.clone(), positions[4].sequence)
            .await
            .unwrap(),
    );
    let revision = backend
        .journal
        .put_claim(&claim, 0, b"kept".to_vec(), Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    let heads = backend.journal.heads().await.unwrap();

    backend.crash().await;

    let journal = &backend.journal;
    assert_eq!(journal.identity(), identity);
    assert_eq!(journal.heads().await.unwrap(), heads);
    let held = readable(&journal.load(&stream, 0).await.unwrap()).unwrap();
    let held: Vec<_> = held.iter().map(|held| held.position).collect();
    assert_eq!(held, positions);
    assert_eq!(
        journal.claim(&claim).await.unwrap().unwrap().revision,
        revision
    );
    // Who never got the answer asks again, and nothing happens twice.
    assert_eq!(
        journal.append(last, positions[4].sequence).await.unwrap(),
        positions[5]
    );
    let more = grow(journal, &stream, 1).await[0];
    assert!(more.sequence > positions[5].sequence);
}

pub async fn a_feed_opened_after_a_crash_goes_on(backend: &mut Backend) {
    let stream = fresh_stream();
    let partition = backend.journal.partition(&stream.workspace);
    let before = grow(&backend.journal, &stream, 4).await;
    backend.crash().await;
    let after = grow(&backend.journal, &beside(&stream, 2), 2).await;
    let mut feed = backend.journal.follow(partition, before[1].sequence);
    let expected: Vec<_> = before[2..].iter().chain(&after).copied().collect();
    assert_eq!(next(&mut feed, 4).await, expected);
}
