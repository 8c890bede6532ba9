//! What is kept beside the commits: snapshots, claims, identity.

use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use journal::Journal;
use journal::claim::{Claim, ClaimKey};
use journal::token::{StreamId, Token};

use crate::backend::{Backend, beside, fresh_stream};
use crate::sample::is_conflict;

const NOW: Timestamp = Timestamp::constant(1_900_000_000, 0);

/// Waits until the snapshot is this one: a replica may lag for a moment.
async fn snapshot_becomes(journal: &Journal, stream: &StreamId, bytes: &[u8]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while journal.snapshot(stream).await.unwrap().as_deref() != Some(bytes) {
        assert!(Instant::now() < deadline, "the snapshot is not replaced");
        tokio::task::yield_now().await;
    }
}

pub async fn a_snapshot_replaces_the_one_before(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    assert!(journal.snapshot(&stream).await.unwrap().is_none());
    for snapshot in [b"one".to_vec(), b"two\0\xff".to_vec(), vec![7; 200_000]] {
        journal
            .put_snapshot(&stream, snapshot.clone())
            .await
            .unwrap();
        snapshot_becomes(journal, &stream, &snapshot).await;
    }
    assert!(
        journal
            .snapshot(&beside(&stream, 2))
            .await
            .unwrap()
            .is_none()
    );
}

fn key(stream: &StreamId, key: &str) -> ClaimKey {
    ClaimKey {
        workspace: stream.workspace.clone(),
        key: Token::try_new(key).unwrap(),
    }
}

pub async fn a_claim_is_won_once(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let key = key(&stream, "a");
    assert_eq!(journal.claim(&key).await.unwrap(), None);
    assert!(is_conflict(
        &journal.put_claim(&key, 1, b"early".to_vec(), NOW).await
    ));

    let first = journal
        .put_claim(&key, 0, b"first".to_vec(), NOW)
        .await
        .unwrap();
    assert!(is_conflict(
        &journal.put_claim(&key, 0, b"late".to_vec(), NOW).await
    ));
    let kept = journal.claim(&key).await.unwrap();
    assert_eq!(
        kept,
        Some(Claim {
            revision: first,
            body: b"first".to_vec()
        })
    );

    let second = journal
        .put_claim(&key, first, b"second".to_vec(), NOW)
        .await
        .unwrap();
    assert_ne!(second, first);
    assert!(is_conflict(
        &journal.put_claim(&key, first, b"stale".to_vec(), NOW).await
    ));
    let kept = journal.claim(&key).await.unwrap();
    assert_eq!(
        kept,
        Some(Claim {
            revision: second,
            body: b"second".to_vec()
        })
    );
    assert_eq!(journal.claim(&self::key(&stream, "b")).await.unwrap(), None);
}

pub async fn of_many_claimants_exactly_one_wins(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let key = key(&stream, "once");
    let claims = (0..16_u8).map(|claimant| journal.put_claim(&key, 0, vec![claimant], NOW));
    let outcomes = join_all(claims).await;
    let won: Vec<_> = (0..)
        .zip(&outcomes)
        .filter(|(_, outcome)| outcome.is_ok())
        .collect();
    assert_eq!(won.len(), 1);
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| is_conflict(outcome))
            .count(),
        15
    );
    let (claimant, revision) = (won[0].0, *won[0].1.as_ref().unwrap());
    let kept = journal.claim(&key).await.unwrap();
    assert_eq!(
        kept,
        Some(Claim {
            revision,
            body: vec![claimant]
        })
    );
}

pub async fn another_log_has_another_identity(backend: &mut Backend) {
    let another = backend.another().await;
    assert_ne!(another.identity(), backend.journal.identity());
    assert!(
        another
            .heads()
            .await
            .unwrap()
            .iter()
            .all(|head| head.sequence == 0)
    );
}
