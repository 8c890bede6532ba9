//! What a copy has.

use journal::archive::compare::compare;
use journal::envelope::{MAX_BYTES, Sealed};

use super::place::{Place, append, everything, expected, fill, is_full, log_of};
use crate::backend::fresh_stream;
use crate::sample::{commit_of, lost};

pub async fn everything_is_copied_byte_for_byte(place: &Place) {
    let journal = log_of(9).await;
    let archive = place.copied(&journal).await;
    assert_eq!(archive.identity().await.unwrap(), Some(journal.identity()));
    assert_eq!(archive.partitions().await.unwrap(), 1);
    assert_eq!(everything(&archive, 0).await, expected(&journal, 0).await);
    let page = archive.read(0, 3, 2).await.unwrap();
    assert_eq!(
        page,
        expected(&journal, 0).await[3..5],
        "it is read in pages"
    );
    assert!(archive.read(0, 9, 2).await.unwrap().is_empty());
    assert_eq!(compare(&journal, &archive).await.unwrap(), 9);
}

pub async fn a_copy_goes_on_where_it_stopped(place: &Place) {
    let journal = log_of(5).await;
    drop(place.copied(&journal).await);
    append(&journal, 6).await;
    let archive = place.copied(&journal).await;
    assert_eq!(everything(&archive, 0).await, expected(&journal, 0).await);
}

pub async fn two_copiers_keep_every_commit_once(place: &Place) {
    let journal = log_of(0).await;
    let (one, other) = tokio::join!(place.open(), place.open());
    for _ in 0..5 {
        append(&journal, 20).await;
        tokio::join!(fill(&one, &journal), fill(&other, &journal));
    }
    assert_eq!(everything(&one, 0).await, expected(&journal, 0).await);
}

pub async fn the_largest_commits_are_copied(place: &Place) {
    let journal = log_of(1).await;
    let stream = fresh_stream();
    let of = |reason: usize| commit_of(&stream, 1, &[lost(&"x".repeat(reason))]);
    let beside = Sealed::try_new(&of(0)).unwrap().bytes.len();
    let largest = Sealed::try_new(&of(MAX_BYTES - beside)).unwrap();
    assert_eq!(largest.bytes.len(), MAX_BYTES);
    journal.append(largest, 0).await.unwrap();
    append(&journal, 1).await;
    let archive = place.copied(&journal).await;
    assert_eq!(everything(&archive, 0).await, expected(&journal, 0).await);
}

pub async fn a_copy_of_another_log_is_refused(place: &Place) {
    let (journal, other) = (log_of(2).await, log_of(3).await);
    let archive = place.copied(&journal).await;
    archive.claim(&journal).await.unwrap();
    let refused = archive.claim(&other).await.unwrap_err().to_string();
    assert!(refused.contains(&journal.identity()), "{refused}");
    assert!(!is_full(&archive, &other).await);
}
