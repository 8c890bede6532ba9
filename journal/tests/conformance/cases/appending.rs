//! Appending: expected versions, races, retries.

use futures::future::join_all;
use journal::entry::readable;

use crate::backend::{Backend, beside, fresh_stream};
use crate::sample::{commit, grow, is_conflict};

pub async fn a_stream_starts_behind_zero_and_goes_on_behind_its_last_commit(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let first = journal.append(commit(&stream, 1), 0).await.unwrap();
    let second = journal
        .append(commit(&stream, 2), first.sequence)
        .await
        .unwrap();
    assert!(second.sequence > first.sequence);
    assert_eq!(first.partition, journal.partition(&stream.workspace));
    assert_eq!(second.partition, first.partition);
}

pub async fn an_expected_version_that_is_too_low_is_a_conflict(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let positions = grow(journal, &stream, 2).await;
    for low in [0, positions[0].sequence] {
        assert!(
            is_conflict(&journal.append(commit(&stream, 3), low).await),
            "{low}"
        );
    }
    assert_eq!(
        readable(&journal.load(&stream, 0).await.unwrap())
            .unwrap()
            .len(),
        2
    );
}

pub async fn an_expected_version_that_is_too_high_is_a_conflict(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    assert!(is_conflict(&journal.append(commit(&stream, 1), 1).await));
    let first = grow(journal, &stream, 1).await[0].sequence;
    // A sequence that exists, but is another stream's, is no better than one that does not.
    let other = grow(journal, &beside(&stream, 2), 1).await[0].sequence;
    for high in [other, first + 1_000_000] {
        assert!(
            is_conflict(&journal.append(commit(&stream, 2), high).await),
            "{high}"
        );
    }
    assert_eq!(
        readable(&journal.load(&stream, 0).await.unwrap())
            .unwrap()
            .len(),
        1
    );
}

pub async fn of_many_writers_exactly_one_wins_each_round(backend: &mut Backend) {
    const WRITERS: usize = 16;
    let (journal, stream) = (&backend.journal, fresh_stream());
    let (mut last, mut winners) = (0, Vec::new());
    for version in 1..=20 {
        let tries = (0..WRITERS).map(|_| {
            let (journal, commit) = (journal.clone(), commit(&stream, version));
            tokio::spawn(async move { (commit.commit_id, journal.append(commit, last).await) })
        });
        let mut won = Vec::new();
        for (id, outcome) in join_all(tries).await.into_iter().map(Result::unwrap) {
            match outcome {
                Ok(position) => won.push((id, position)),
                refused => assert!(is_conflict(&refused), "{refused:?}"),
            }
        }
        assert_eq!(won.len(), 1, "round {version}");
        last = won[0].1.sequence;
        winners.push(won[0]);
    }
    let held = readable(&journal.load(&stream, 0).await.unwrap()).unwrap();
    let held: Vec<_> = held
        .iter()
        .map(|held| (held.commit.commit_id, held.position))
        .collect();
    assert_eq!(held, winners);
}

pub async fn many_writers_that_try_again_lose_nothing(backend: &mut Backend) {
    const WRITERS: u64 = 8;
    const EACH: u64 = 10;
    let (journal, stream) = (&backend.journal, fresh_stream());
    let writers = (0..WRITERS).map(|_| {
        let (journal, stream) = (journal.clone(), stream.clone());
        tokio::spawn(async move {
            let mut done = 0;
            while done < EACH {
                let held = readable(&journal.load(&stream, 0).await.unwrap()).unwrap();
                let last = held.last().map_or(0, |held| held.position.sequence);
                let outcome = journal
                    .append(commit(&stream, held.len() as u64 + 1), last)
                    .await;
                done += u64::from(outcome.is_ok());
                assert!(outcome.is_ok() || is_conflict(&outcome), "{outcome:?}");
            }
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    let held = readable(&journal.load(&stream, 0).await.unwrap()).unwrap();
    let versions: Vec<_> = held.iter().map(|held| held.commit.first_version).collect();
    assert_eq!(versions, (1..=WRITERS * EACH).collect::<Vec<_>>());
}

pub async fn a_retry_answers_the_first_position(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let first = commit(&stream, 1);
    let position = journal.append(first.clone(), 0).await.unwrap();
    assert_eq!(journal.append(first.clone(), 0).await.unwrap(), position);
    // Commits of others in between change nothing.
    grow(journal, &beside(&stream, 2), 3).await;
    assert_eq!(journal.append(first, 0).await.unwrap(), position);
    assert_eq!(
        readable(&journal.load(&stream, 0).await.unwrap())
            .unwrap()
            .len(),
        1
    );
}

pub async fn a_retry_is_recognised_behind_later_commits(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let before = grow(journal, &stream, 1).await[0].sequence;
    let ours = commit(&stream, 2);
    let position = journal.append(ours.clone(), before).await.unwrap();
    grow(journal, &stream, 3).await;
    assert_eq!(
        journal.append(ours.clone(), before).await.unwrap(),
        position
    );
    let retries = (0..8).map(|_| journal.append(ours.clone(), before));
    for retry in join_all(retries).await {
        assert_eq!(retry.unwrap(), position);
    }
    assert_eq!(
        readable(&journal.load(&stream, 0).await.unwrap())
            .unwrap()
            .len(),
        5
    );
}

pub async fn an_id_of_another_stream_is_a_conflict(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let (first, mut second) = (commit(&stream, 1), commit(&beside(&stream, 2), 1));
    second.commit_id = first.commit_id;
    journal.append(first, 0).await.unwrap();
    assert!(is_conflict(&journal.append(second, 0).await));
    assert!(
        readable(&journal.load(&beside(&stream, 2), 0).await.unwrap())
            .unwrap()
            .is_empty()
    );
}

pub async fn what_is_refused_or_comes_twice_uses_no_position(backend: &mut Backend) {
    let (journal, stream) = (&backend.journal, fresh_stream());
    let first = commit(&stream, 1);
    let at = journal.append(first.clone(), 0).await.unwrap();
    for _ in 0..3 {
        assert_eq!(journal.append(first.clone(), 0).await.unwrap(), at);
        assert!(is_conflict(&journal.append(commit(&stream, 1), 0).await));
    }
    let next = journal
        .append(commit(&stream, 2), at.sequence)
        .await
        .unwrap();
    assert_eq!(next.sequence, at.sequence + 1);
    assert_eq!(journal.count().await.unwrap() % next.sequence, 0);
    assert!(journal.check_store().await.unwrap().is_empty());
}

pub async fn hundreds_of_appends_may_be_under_way(backend: &mut Backend) {
    const COUNT: u32 = 500;
    let (journal, stream) = (&backend.journal, fresh_stream());
    let appends = (1..=COUNT).map(|id| journal.append(commit(&beside(&stream, id), 1), 0));
    let mut sequences: Vec<_> = join_all(appends)
        .await
        .into_iter()
        .map(|position| position.unwrap().sequence)
        .collect();
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences.len(), COUNT as usize);
}
