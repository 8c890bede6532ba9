//! What can go wrong on the way to a KurrentDB.

use journal::Journal;
use journal::envelope::Sealed;
use serde_json::{Value, json};
use stories::servers::{Kurrent, eventually};

use super::place::{Place, append, everything, expected, fill, log_of};
use crate::backend::fresh_stream;
use crate::sample::{commit_of, lost};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_is_a_stream_and_a_commit_an_event() {
    let place = Place::Kurrent(Kurrent::start());
    let journal = log_of(3).await;
    place.copied(&journal).await;
    let Place::Kurrent(server) = &place else {
        unreachable!()
    };
    let stream = format!("rapport-{}-0", journal.identity());
    assert_eq!(
        server.names(),
        ["rapport-archive".to_owned(), stream.clone()]
    );
    let (events, expected) = (server.events(&stream), expected(&journal, 0).await);
    assert_eq!(events.len(), expected.len());
    for (event, expected) in events.iter().zip(expected) {
        assert_eq!(event.revision + 1, expected.position.sequence);
        assert_eq!(event.data, expected.body.as_bytes());
        let metadata: Value = serde_json::from_slice(&event.metadata).unwrap();
        let position = expected.position.to_string();
        assert_eq!(
            metadata,
            json!({ "position": position, "hash": expected.hash })
        );
        assert_eq!(event.system["type"], "rapport.commit");
        assert_eq!(event.system["content-type"], "application/json");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_acknowledgement_changes_nothing() {
    let server = Kurrent::start();
    server.lose_acks(3);
    let place = Place::Kurrent(server);
    let journal = log_of(0).await;
    // Too large for one append.
    large(&journal, 6).await;
    let archive = place.copied(&journal).await;
    assert_eq!(everything(&archive, 0).await, expected(&journal, 0).await);
    let Place::Kurrent(server) = &place else {
        unreachable!()
    };
    assert_eq!(server.acks_to_lose(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_copier_has_appended_is_passed_over() {
    let server = Kurrent::start();
    server.let_another_be_faster(2);
    let place = Place::Kurrent(server);
    let journal = log_of(5).await;
    let archive = place.copied(&journal).await;
    assert_eq!(everything(&archive, 0).await, expected(&journal, 0).await);
    let Place::Kurrent(server) = &place else {
        unreachable!()
    };
    assert!(!server.another_will_be_faster());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_found_again() {
    let place = Place::Kurrent(Kurrent::start());
    let journal = log_of(3).await;
    let archive = place.copied(&journal).await;
    let Place::Kurrent(server) = &place else {
        unreachable!()
    };
    server.go_away();
    assert!(archive.head(0).await.is_err());
    assert!(archive.head(0).await.is_err());
    append(&journal, 2).await;
    server.come_back();
    fill(&archive, &journal).await;
    assert_eq!(everything(&archive, 0).await, expected(&journal, 0).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_commit_in_its_place_is_told_and_left() {
    let place = Place::Kurrent(Kurrent::start());
    let journal = log_of(4).await;
    let archive = place.copied(&journal).await;
    place.swap(3).await;
    let Place::Kurrent(server) = &place else {
        unreachable!()
    };
    let told = archive.head(0).await.unwrap_err().to_string();
    assert!(told.contains("the archive has 0:3 there"), "{told}");
    let stream = format!("rapport-{}-0", journal.identity());
    server.tamper(&stream, Vec::clear);
    assert!(
        eventually(async || archive.head(0).await.is_ok_and(|head| head.sequence == 0)).await,
        "an emptied stream is none"
    );
    fill(&archive, &journal).await;
    assert_eq!(everything(&archive, 0).await, expected(&journal, 0).await);
}

/// Appends commits of 400 kB.
async fn large(journal: &Journal, count: u64) {
    let (stream, mut last) = (fresh_stream(), 0);
    for version in 1..=count {
        let commit = commit_of(&stream, version, &[lost(&"x".repeat(400_000))]);
        let sealed = Sealed::try_new(&commit).unwrap();
        last = journal.append(sealed, last).await.unwrap().sequence;
    }
}
