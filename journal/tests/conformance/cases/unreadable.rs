//! What cannot be read is an entry by itself, and the rest goes on.

use futures::StreamExt as _;
use journal::JournalError;
use journal::entry::{Entry, Fault, readable};
use journal::envelope::{CommitHash, Sealed};
use journal::token::StreamId;

use crate::backend::{Backend, beside, fresh_stream};
use crate::sample::{commit, commit_of, fresh_id, grow, lost};

/// Bytes that are no commit, in the place of one.
fn junk(stream: &StreamId, version: u64) -> Sealed {
    let bytes: Vec<u8> = (0..=255).rev().cycle().take(300).collect();
    Sealed {
        hash: CommitHash::of(&bytes),
        bytes,
        commit_id: fresh_id(),
        stream: stream.clone(),
        first_version: version,
        is_authentic: true,
    }
}

pub async fn junk_is_an_entry_and_the_rest_goes_on(backend: &mut Backend) {
    let (journal, bad) = (&backend.journal, fresh_stream());
    let good = beside(&bad, 2);
    let first = grow(journal, &bad, 1).await[0];
    let at = journal.append(junk(&bad, 2), first.sequence).await.unwrap();
    let last = grow(journal, &good, 1).await[0];
    let (partition, before) = (first.partition, first.sequence - 1);
    let read = journal.read(partition, before, 3).await.unwrap();
    let mut feed = journal.follow(partition, before);
    let mut followed = Vec::new();
    while followed.len() < 3 {
        followed.extend(feed.next().await.unwrap().unwrap());
    }
    for entries in [read, followed] {
        let positions: Vec<_> = entries.iter().map(Entry::position).collect();
        assert_eq!(positions, [first, at, last]);
        let Entry::Unreadable(unreadable) = &entries[1] else {
            panic!("{:?}", entries[1])
        };
        assert_eq!(unreadable.stream.as_ref(), Some(&bad));
        assert_eq!(unreadable.stored.bytes, junk(&bad, 2).bytes);
        assert!(matches!(unreadable.fault, Fault::Undecodable(_)));
    }
    let known = journal.faults().all();
    assert_eq!(
        known
            .iter()
            .filter(|noted| noted.position == at.to_string())
            .count(),
        1
    );
    // Of its stream nothing is decided any more; of any other, everything.
    let held = journal.load(&bad, 0).await.unwrap();
    let refusal = readable(&held).unwrap_err();
    assert!(matches!(refusal, JournalError::Corrupt { position, .. } if position == at));
    assert_eq!(
        readable(&journal.load(&good, 0).await.unwrap())
            .unwrap()
            .len(),
        1
    );
    journal
        .append(commit(&good, 2), last.sequence)
        .await
        .unwrap();
}

pub async fn a_commit_of_a_newer_program_is_an_entry_too(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let mut newer = commit_of(&stream, 1, &[lost("later")]);
    newer.events.push(
        serde_json::value::RawValue::from_string(
            r#"{"version":1,"type":"lead.flew","payload":{}}"#.into(),
        )
        .unwrap(),
    );
    let at = journal
        .append(Sealed::try_new(&newer).unwrap(), 0)
        .await
        .unwrap();
    let held = journal.load(&stream, 0).await.unwrap();
    let Entry::Unreadable(unreadable) = &held[0] else {
        panic!("{:?}", held[0])
    };
    assert_eq!(unreadable.position, at);
    assert_eq!(unreadable.fault, Fault::NewerProgram("lead.flew v1".into()));
    let sealed = journal
        .read_sealed(at.partition, at.sequence - 1, 1)
        .await
        .unwrap();
    assert!(
        sealed[0].commit().is_some(),
        "it can be copied all the same"
    );
}
