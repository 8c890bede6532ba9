//! Reading back: order, bytes, and starting anywhere.

use futures::future::join_all;
use journal::entry::readable;
use journal::envelope::{Commit, CommitHash, Sealed};

use crate::backend::{Backend, beside, fresh_stream};
use crate::sample::{chained, commit, commit_of, fresh_id, fresh_request, grow, lost, recorded};

pub async fn a_commit_of_several_events_comes_back_whole(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let events = [
        recorded(1),
        lost("ціна \"зависока\"\n\u{1f62c}"),
        recorded(2),
    ];
    let first = commit_of(&stream, 1, &events);
    let second = commit_of(&stream, 4, &[recorded(3)]);
    let position = journal
        .append(Sealed::try_new(&first).unwrap(), 0)
        .await
        .unwrap();
    journal
        .append(Sealed::try_new(&second).unwrap(), position.sequence)
        .await
        .unwrap();

    let held = readable(&journal.load(&stream, 0).await.unwrap()).unwrap();
    let texts: Vec<_> = held[0]
        .commit
        .events
        .iter()
        .map(|event| event.get())
        .collect();
    let written: Vec<_> = first.events.iter().map(|event| event.get()).collect();
    assert_eq!(texts, written);
    assert_eq!(
        (held[0].commit.first_version, held[0].commit.last_version()),
        (1, 3)
    );
    assert_eq!(
        (held[1].commit.first_version, held[1].commit.last_version()),
        (4, 4)
    );
    assert_eq!(held[0].position, position);
    assert_eq!(held[0].commit.traceparent, first.traceparent);
    assert_eq!(held[0].commit.correlation, first.correlation);
}

pub async fn a_stream_can_be_loaded_from_anywhere(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let mut positions = Vec::new();
    for round in 0..5 {
        grow(journal, &beside(&stream, 2 + round), 2).await;
        positions.extend(grow(journal, &stream, 3).await);
    }
    for (skipped, after) in [0]
        .into_iter()
        .chain(positions.iter().map(|p| p.sequence))
        .enumerate()
    {
        let held = readable(&journal.load(&stream, after).await.unwrap()).unwrap();
        let held: Vec<_> = held.iter().map(|held| held.position).collect();
        assert_eq!(held, positions[skipped..], "after {after}");
    }
}

pub async fn a_partition_has_one_order(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let partition = journal.partition(&stream.workspace);
    let before = journal.heads().await.unwrap()[usize::from(partition)].sequence;
    let streams: Vec<_> = (1..=12).map(|id| beside(&stream, id)).collect();
    let grown = join_all(streams.iter().map(|stream| grow(journal, stream, 8))).await;

    let all = readable(&journal.read(partition, before, usize::MAX).await.unwrap()).unwrap();
    assert!(
        all.windows(2)
            .all(|pair| pair[0].position.sequence < pair[1].position.sequence)
    );
    assert_eq!(all.len(), 12 * 8);
    for (stream, positions) in streams.iter().zip(grown) {
        let of_stream: Vec<_> = all
            .iter()
            .filter(|held| held.commit.stream() == *stream)
            .map(|held| (held.position, held.commit.first_version))
            .collect();
        assert_eq!(
            of_stream,
            positions.into_iter().zip(1..).collect::<Vec<_>>()
        );
    }
}

pub async fn a_partition_can_be_read_from_anywhere(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let partition = journal.partition(&stream.workspace);
    let before = journal.heads().await.unwrap()[usize::from(partition)].sequence;
    let positions = grow(journal, &stream, 10).await;
    let sequences: Vec<_> = positions.iter().map(|position| position.sequence).collect();
    let starts = [before].into_iter().chain(sequences.iter().copied());
    for (skipped, after) in starts.enumerate() {
        for limit in [1, 3, 100] {
            let read = readable(&journal.read(partition, after, limit).await.unwrap()).unwrap();
            let read: Vec<_> = read.iter().map(|held| held.position.sequence).collect();
            let expected: Vec<_> = sequences[skipped..].iter().copied().take(limit).collect();
            assert_eq!(read, expected, "after {after}, at most {limit}");
        }
    }
    assert!(
        readable(&journal.read(partition, before, 0).await.unwrap())
            .unwrap()
            .is_empty()
    );
}

pub async fn bytes_and_hashes_survive(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let (mut last, mut previous, mut written) = (0, None, Vec::new());
    for version in 1..=3 {
        let sealed = chained(&stream, version, previous);
        previous = Some(sealed.hash);
        written.push((sealed.hash, sealed.bytes.clone()));
        last = journal.append(sealed, last).await.unwrap().sequence;
    }
    let held = readable(&journal.load(&stream, 0).await.unwrap()).unwrap();
    let mut previous = None;
    for (held, (hash, bytes)) in held.iter().zip(&written) {
        // The hash is taken of what was read, so equal hashes are equal bytes.
        assert_eq!(held.hash, *hash);
        assert_eq!(held.hash, CommitHash::of(bytes));
        assert_eq!(held.commit.prev_hash, previous);
        previous = Some(held.hash);
    }
    assert_eq!(held.len(), written.len());
}

pub async fn heads_are_the_last_positions(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let before = journal.heads().await.unwrap();
    assert_eq!(before.len(), usize::from(journal.partitions()));
    let last = grow(journal, &stream, 3).await[2];
    for (old, new) in before.into_iter().zip(journal.heads().await.unwrap()) {
        assert_eq!(old.partition, new.partition);
        assert_eq!(
            new,
            if new.partition == last.partition {
                last
            } else {
                old
            }
        );
    }
}

pub async fn what_is_not_there_is_empty(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    assert!(
        readable(&journal.load(&stream, 0).await.unwrap())
            .unwrap()
            .is_empty()
    );
    assert!(
        readable(&journal.load(&stream, 1_000_000).await.unwrap())
            .unwrap()
            .is_empty()
    );
    assert!(journal.snapshot(&stream).await.unwrap().is_none());
    journal.append(commit(&stream, 1), 0).await.unwrap();
    let partition = journal.partition(&stream.workspace);
    assert!(
        readable(&journal.read(partition, 1_000_000, 10).await.unwrap())
            .unwrap()
            .is_empty()
    );
    // One name that starts like another is another.
    let longer = beside(&stream, 10);
    assert!(
        readable(&journal.load(&longer, 0).await.unwrap())
            .unwrap()
            .is_empty()
    );
}

pub async fn what_one_request_caused_is_found(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let partition = journal.partition(&stream.workspace);
    grow(journal, &beside(&stream, 2), 3).await;
    for correlation in [fresh_id(), fresh_request()] {
        assert!(
            readable(&journal.caused_by(partition, correlation).await.unwrap())
                .unwrap()
                .is_empty()
        );
        let mut positions = Vec::new();
        for id in [3, 4] {
            let stream = beside(&stream, id);
            let after = grow(journal, &stream, 1).await[0].sequence;
            let version = readable(&journal.load(&stream, 0).await.unwrap())
                .unwrap()
                .len() as u64
                + 1;
            let commit = Commit {
                correlation,
                ..commit_of(&stream, version, &[recorded(version)])
            };
            let sealed = Sealed::try_new(&commit).unwrap();
            positions.push(journal.append(sealed, after).await.unwrap());
        }
        grow(journal, &beside(&stream, 2), 2).await;
        let caused = readable(&journal.caused_by(partition, correlation).await.unwrap()).unwrap();
        let found: Vec<_> = caused.iter().map(|caused| caused.position).collect();
        assert_eq!(found, positions);
    }
}
