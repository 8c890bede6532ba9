//! The store over the log in memory: cache, snapshots, lost races, and the cqrs-es contract.

use std::collections::HashMap;
use std::sync::Arc;

use cqrs_es::{AggregateContext as _, AggregateError, EventStore as _};
use domain::event::Decide as _;
use domain::number::{Numbers, NumbersEvent};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Loaded, Meta, Store, WorkspaceStore};
use crate::entry::readable;
use crate::envelope::{CommitHash, Sealed};
use crate::memory::MemoryJournal;
use crate::position::Position;
use crate::token::{StreamId, Token};
use crate::{Journal, JournalError};

fn token(text: &str) -> Token {
    Token::try_new(text).unwrap()
}

fn stream() -> StreamId {
    StreamId::try_new("main", "number", "lead").unwrap()
}

fn journal() -> Journal {
    Journal::from(MemoryJournal::new())
}

fn store(journal: &Journal) -> Store<Numbers> {
    Store::try_new(journal.clone(), 1 << 20).unwrap()
}

fn meta(number: u128) -> Meta {
    Meta {
        commit_id: Uuid::from_u128(number),
        actor: "test".into(),
        command: "take".into(),
        correlation: Uuid::from_u128(number),
        causation: None,
        undoes: None,
        person: None,
        traceparent: None,
        asked: None,
        at: Timestamp::from_second(i64::try_from(number).unwrap()).unwrap(),
        retried: false,
    }
}

fn taken(first: u64) -> Vec<NumbersEvent> {
    vec![NumbersEvent::Taken { first, count: 1 }]
}

async fn append(
    store: &Store<Numbers>,
    seen: &Loaded<Numbers>,
    number: u128,
) -> Result<Loaded<Numbers>, JournalError> {
    let events = taken(seen.state.used + 1);
    store
        .append(&stream(), Arc::new(seen.clone()), &events, meta(number))
        .await
        .map(|loaded| Loaded::clone(&loaded))
}

#[tokio::test]
async fn a_state_grows_with_what_is_appended_and_is_the_same_when_read_back() {
    let journal = journal();
    let (writer, reader) = (store(&journal), store(&journal));
    let mut loaded = Loaded::default();
    for number in 1..=3 {
        loaded = append(&writer, &loaded, number).await.unwrap();
    }
    let read = reader.load(&stream()).await.unwrap();
    assert_eq!(read.state, Numbers { used: 3 });
    assert_eq!(
        (read.version, read.last, read.hash),
        (loaded.version, loaded.last, loaded.hash)
    );
    assert_eq!(read.created_at, Some(Timestamp::from_second(1).unwrap()));
    assert_eq!(read.updated_at, Some(Timestamp::from_second(3).unwrap()));
    assert!(read.remembers(Uuid::from_u128(2)));
}

#[tokio::test]
async fn a_stale_cache_is_refused_and_catches_up() {
    let journal = journal();
    let (one, two) = (store(&journal), store(&journal));
    let seen = one.load(&stream()).await.unwrap();
    append(&two, &Loaded::default(), 1).await.unwrap();
    assert!(matches!(
        append(&one, &seen, 2).await,
        Err(JournalError::Conflict)
    ));
    let seen = one.reload(&stream()).await.unwrap();
    assert_eq!(append(&one, &seen, 2).await.unwrap().state.used, 2);
}

#[tokio::test]
async fn a_retry_reads_back_what_was_stored_first() {
    let journal = journal();
    let store = store(&journal);
    append(&store, &Loaded::default(), 7).await.unwrap();
    let again = Meta {
        at: Timestamp::from_second(99).unwrap(),
        retried: true,
        ..meta(7)
    };
    let loaded = store
        .append(&stream(), Arc::default(), &taken(1), again)
        .await
        .unwrap();
    assert_eq!(loaded.updated_at, Some(Timestamp::from_second(7).unwrap()));
    assert_eq!(loaded.version, 1);
}

#[tokio::test]
async fn a_retry_answers_what_its_own_commit_left() {
    let journal = journal();
    let (store, other) = (store(&journal), store(&journal));
    let first = append(&store, &Loaded::default(), 7).await.unwrap();
    append(&other, &first, 8).await.unwrap();
    let again = Meta {
        retried: true,
        ..meta(7)
    };
    let loaded = store
        .append(&stream(), Arc::default(), &taken(1), again)
        .await
        .unwrap();
    assert_eq!((loaded.version, loaded.state.used), (1, 1));
    let now = store.reload(&stream()).await.unwrap();
    assert_eq!(now.state.used, 2, "and the cache catches up");
}

#[tokio::test]
async fn commits_under_fixed_ids_are_snapshotted_too() {
    let journal = journal();
    let store = store(&journal);
    let mut loaded = Arc::new(Loaded::<Numbers>::default());
    for number in 1..=100 {
        let fixed = Meta {
            retried: true,
            ..meta(number)
        };
        let events = taken(loaded.state.used + 1);
        loaded = store
            .append(&stream(), loaded, &events, fixed)
            .await
            .unwrap();
    }
    while journal.snapshot(&stream()).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn time_never_runs_backwards_within_a_stream() {
    let journal = journal();
    let store = store(&journal);
    let seen = append(&store, &Loaded::default(), 9).await.unwrap();
    let earlier = append(&store, &seen, 5).await.unwrap();
    assert_eq!(earlier.updated_at, seen.updated_at);
}

#[tokio::test]
async fn a_state_can_be_seen_as_of_an_earlier_time_and_as_a_commit_left_it() {
    let journal = journal();
    let store = store(&journal);
    let mut loaded = Loaded::default();
    for number in 1..=5 {
        loaded = append(&store, &loaded, number).await.unwrap();
    }
    let at = Timestamp::from_second(3).unwrap();
    assert_eq!(store.load_as_of(&stream(), at).await.unwrap().state.used, 3);
    let after = store
        .load_after(&stream(), Uuid::from_u128(2), 0)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(after.state.used, 2);
    assert!(
        store
            .load_after(&stream(), Uuid::from_u128(77), 0)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_snapshot_is_taken_behind_the_commit_and_used_by_the_next_load() {
    let journal = journal();
    let writer = store(&journal);
    let mut loaded = Loaded::default();
    for number in 1..=120 {
        loaded = append(&writer, &loaded, number).await.unwrap();
    }
    let snapshot = loop {
        if let Some(snapshot) = journal.snapshot(&stream()).await.unwrap() {
            break snapshot;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        Loaded::<Numbers>::from_snapshot(&snapshot).unwrap().version,
        100
    );
    let read = store(&journal).load(&stream()).await.unwrap();
    assert_eq!(
        (read.state.used, read.version, read.hash),
        (120, 120, loaded.hash)
    );
}

#[test]
fn a_snapshot_of_another_version_of_the_state_is_ignored() {
    let of = |state: u32| {
        let loaded = Loaded::<Numbers>::default();
        let body = serde_json::json!({ "frame": 1, "state": state, "loaded": loaded });
        let body = serde_json::to_vec(&body).unwrap();
        let snapshot = [CommitHash::of(&body).as_bytes(), body.as_slice()].concat();
        Loaded::<Numbers>::from_snapshot(&snapshot)
    };
    assert!(of(Numbers::STATE).is_some());
    assert!(of(Numbers::STATE + 1).is_none());
}

#[tokio::test]
async fn a_state_that_nobody_else_looks_at_grows_where_it_is() {
    let journal = journal();
    let store = store(&journal);
    append(&store, &Loaded::default(), 1).await.unwrap();
    let seen = store.load(&stream()).await.unwrap();
    let held = Arc::downgrade(&seen);
    let events = taken(2);
    drop(store.append(&stream(), seen, &events, meta(2)).await);
    assert!(held.upgrade().is_none(), "it was moved, not copied");
    assert_eq!(store.load(&stream()).await.unwrap().state.used, 2);
}

#[tokio::test]
async fn a_commit_is_found_behind_whatever_stands_before_and_after_it() {
    let journal = journal();
    let writer = store(&journal);
    let mut loaded = Loaded::default();
    for number in 1..=220 {
        loaded = append(&writer, &loaded, number).await.unwrap();
    }
    while journal.snapshot(&stream()).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    for number in [1_u32, 150, 212, 213, 219, 220] {
        let id = Uuid::from_u128(number.into());
        let left = store(&journal).load_after(&stream(), id, 0).await.unwrap();
        assert_eq!(left.unwrap().state.used, u64::from(number));
    }
    let never = Uuid::from_u128(221);
    let never = store(&journal).load_after(&stream(), never, 0).await;
    assert!(never.unwrap().is_none());
    for second in [50, 150, 219, 230] {
        let at = Timestamp::from_second(second).unwrap();
        let then = store(&journal).load_as_of(&stream(), at).await.unwrap();
        assert_eq!(then.state.used, second.cast_unsigned().min(220));
    }
}

#[tokio::test]
async fn a_cache_holds_so_many_bytes_and_no_more() {
    let journal = journal();
    let store = store(&journal);
    for number in 0..5_000_u32 {
        let id = token(&number.to_string());
        let stream = store.stream(token("main"), id);
        store.load(&stream).await.unwrap();
    }
    let held = store.cache.weight();
    assert!((1 << 19..=1 << 20).contains(&held), "{held} bytes");
}

#[test]
fn a_snapshot_that_a_disk_has_changed_is_ignored() {
    let good = Loaded::<Numbers>::default().to_snapshot().unwrap();
    assert!(Loaded::<Numbers>::from_snapshot(&good).is_some());
    for place in 0..good.len() {
        let mut flipped = good.clone();
        flipped[place] ^= 1;
        assert!(Loaded::<Numbers>::from_snapshot(&flipped).is_none());
    }
}

#[tokio::test]
async fn it_keeps_the_contract_of_cqrs_es() {
    let store = WorkspaceStore::new(store(&journal()), token("main"));
    let metadata = |number: u128| {
        HashMap::from([
            ("commit_id".to_owned(), Uuid::from_u128(number).to_string()),
            ("at".to_owned(), "2026-01-01T00:00:00Z".to_owned()),
        ])
    };
    let early = store.load_aggregate("lead").await.unwrap();
    let late = store.load_aggregate("lead").await.unwrap();
    let written = store.commit(taken(1), early, metadata(1)).await.unwrap();
    assert_eq!(written[0].sequence, 1);
    let lost = store.commit(taken(1), late, metadata(2)).await;
    assert!(matches!(lost, Err(AggregateError::AggregateConflict)));
    let nameless = store.load_aggregate("lead").await.unwrap();
    assert!(
        store
            .commit(taken(2), nameless, HashMap::new())
            .await
            .is_err()
    );
    assert_eq!(store.load_events("lead").await.unwrap().len(), 1);
    let mut context = store.load_aggregate("lead").await.unwrap();
    assert_eq!(context.aggregate().used, 1);
    assert!(store.load_aggregate("not a token").await.is_err());
}

/// Something in the stream of these tests that is no commit.
async fn junk(journal: &Journal, version: u64, after: u64, is_authentic: bool) -> Position {
    let bytes = b"junk".to_vec();
    let sealed = Sealed {
        hash: CommitHash::of(&bytes),
        bytes,
        commit_id: Uuid::from_u128(1_000 + u128::from(version)),
        stream: stream(),
        first_version: version,
        is_authentic,
    };
    journal.append(sealed, after).await.unwrap()
}

#[tokio::test]
async fn nothing_is_decided_on_what_cannot_be_read() {
    let journal = journal();
    let (writer, reader) = (store(&journal), store(&journal));
    let loaded = append(&writer, &Loaded::default(), 1).await.unwrap();
    let at = junk(&journal, 2, loaded.last, true).await;
    for outcome in [reader.load(&stream()).await, writer.reload(&stream()).await] {
        let error = outcome.unwrap_err();
        assert!(
            matches!(&error, JournalError::Corrupt { position, .. } if *position == at),
            "{error}"
        );
    }
    let stale = append(&writer, &loaded, 2).await;
    assert!(matches!(stale, Err(JournalError::Conflict)));
}

#[tokio::test]
async fn a_stream_goes_on_behind_what_nobody_of_ours_wrote() {
    let journal = journal();
    let (writer, reader) = (store(&journal), store(&journal));
    let first = append(&writer, &Loaded::default(), 1).await.unwrap();
    let at = junk(&journal, 2, first.last, false).await;
    let seen = writer.reload(&stream()).await.unwrap();
    assert_eq!((seen.version, seen.last), (1, at.sequence));
    let second = append(&writer, &seen, 2).await.unwrap();
    let read = reader.load(&stream()).await.unwrap();
    assert_eq!(read.state, Numbers { used: 2 });
    assert_eq!((read.version, read.hash), (2, second.hash));
    let commits = readable(&journal.load(&stream(), 0).await.unwrap()).unwrap();
    assert_eq!(
        commits[1].commit.prev_hash, first.hash,
        "it is chained to ours"
    );
}
