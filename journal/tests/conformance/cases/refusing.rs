//! What is never stored.

use journal::JournalError;
use journal::entry::readable;
use journal::envelope::{Commit, MAX_BYTES, Sealed};
use journal::token::{StreamId, Token};

use crate::backend::{Backend, fresh_stream};
use crate::sample::{commit_of, is_conflict, lost};

/// A commit whose stored form has this many bytes.
fn commit_of_size(stream: &StreamId, bytes: usize) -> Commit {
    let empty = serde_json::to_vec(&commit_of(stream, 1, &[lost("")]))
        .unwrap()
        .len();
    commit_of(stream, 1, &[lost(&"x".repeat(bytes - empty))])
}

pub async fn a_commit_beyond_the_limit_is_refused(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let refused = Sealed::try_new(&commit_of_size(&stream, MAX_BYTES + 1));
    assert!(matches!(refused, Err(JournalError::TooLarge { bytes }) if bytes == MAX_BYTES + 1));
    assert!(
        readable(&journal.load(&stream, 0).await.unwrap())
            .unwrap()
            .is_empty()
    );
}

pub async fn a_commit_at_the_limit_is_kept(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let sealed = Sealed::try_new(&commit_of_size(&stream, MAX_BYTES)).unwrap();
    let hash = sealed.hash;
    let first = journal.append(sealed, 0).await.unwrap();
    // Several of them do not fit in one answer of a server, which must not matter.
    let mut last = first.sequence;
    for version in 2..=12 {
        let mut commit = commit_of_size(&stream, MAX_BYTES - 10);
        commit.first_version = version;
        last = journal
            .append(Sealed::try_new(&commit).unwrap(), last)
            .await
            .unwrap()
            .sequence;
    }
    let held = readable(&journal.load(&stream, 0).await.unwrap()).unwrap();
    assert_eq!((held.len(), held[0].hash), (12, hash));
    let partition = journal.partition(&stream.workspace);
    let read = readable(
        &journal
            .read(partition, first.sequence - 1, 12)
            .await
            .unwrap(),
    )
    .unwrap();
    assert_eq!(read.len(), 12);
}

pub async fn names_that_are_no_tokens_are_refused(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    for bad in [
        "",
        "*",
        ">",
        "a.b",
        "a b",
        "a\r\nPUB x",
        "ключ",
        &"x".repeat(65),
    ] {
        assert!(Token::try_new(bad).is_err(), "{bad}");
        assert!(
            StreamId::try_new(stream.workspace.as_str(), "lead", bad).is_err(),
            "{bad}"
        );
        let json = serde_json::to_string(&commit_of(&stream, 1, &[lost("")])).unwrap();
        let name = serde_json::to_string(bad).unwrap();
        let forged = json.replacen(r#""category":"lead""#, &format!(r#""category":{name}"#), 1);
        assert_ne!(json, forged);
        assert!(serde_json::from_str::<Commit>(&forged).is_err(), "{bad}");
    }
    assert!(
        readable(&journal.load(&stream, 0).await.unwrap())
            .unwrap()
            .is_empty()
    );
}

pub async fn the_longest_names_are_taken(backend: &mut Backend) {
    let journal = &backend.journal;
    let workspace = format!("{:x<64}", fresh_stream().workspace.as_str());
    let stream = StreamId::try_new(&workspace, &"C".repeat(64), &"_-9".repeat(21)).unwrap();
    let sealed = Sealed::try_new(&commit_of_size(&stream, MAX_BYTES)).unwrap();
    let position = journal.append(sealed, 0).await.unwrap();
    // Its category is of no aggregate that this program knows.
    let held = journal.load(&stream, 0).await.unwrap();
    assert_eq!(held[0].position(), position);
}

pub async fn a_commit_without_events_is_refused(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let empty = Sealed::try_new(&commit_of(&stream, 1, &[]));
    assert!(matches!(empty, Err(JournalError::Malformed(_))));
    let unversioned = Sealed::try_new(&commit_of(&stream, 0, &[lost("")]));
    assert!(matches!(unversioned, Err(JournalError::Malformed(_))));
    let sealed = Sealed::try_new(&commit_of(&stream, 1, &[lost("")])).unwrap();
    assert!(!is_conflict(&journal.append(sealed, 0).await));
}
