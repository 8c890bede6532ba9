//! What is made again from a copy.

use journal::Journal;
use journal::archive::Archive;
use journal::archive::compare::compare;
use journal::archive::restore::{RestoreError, restore};

use super::place::{Place, append, expected, log_of};
use crate::backend::Backend;

pub async fn a_lost_log_is_made_again_at_the_same_positions(place: &Place) {
    let journal = log_of(9).await;
    let archive = place.copied(&journal).await;
    let backend = Backend::sqlite();
    let again = &backend.journal;
    assert_eq!(restored(&archive, again).await.unwrap(), 9);
    assert_eq!(expected(again, 0).await, expected(&journal, 0).await);
    assert_eq!(compare(again, &archive).await.unwrap(), 9);
    assert_eq!(
        restored(&archive, again).await.unwrap(),
        9,
        "begun again, it finds them"
    );
    assert_eq!(expected(again, 0).await, expected(&journal, 0).await);
}

pub async fn a_log_of_several_partitions_is_made_again(place: &Place) {
    let backend = Backend::nats(4).await;
    for _ in 0..8 {
        append(&backend.journal, 3).await;
    }
    let archive = place.copied(&backend.journal).await;
    let again = backend.another().await;
    assert_eq!(restored(&archive, &again).await.unwrap(), 24);
    for partition in 0..4 {
        let made = expected(&again, partition).await;
        assert_eq!(made, expected(&backend.journal, partition).await);
    }
}

pub async fn a_changed_commit_is_not_restored(place: &Place) {
    let archive = place.copied(&log_of(5).await).await;
    place.change(4).await;
    let again = log_of(0).await;
    let refused = restored(&archive, &again).await.unwrap_err().to_string();
    assert_eq!(refused, "0:4 was changed in the archive");
    assert_eq!(expected(&again, 0).await.len(), 3);
}

pub async fn nothing_is_restored_behind_a_gap(place: &Place) {
    let archive = place.copied(&log_of(5).await).await;
    place.remove(3).await;
    let again = log_of(0).await;
    let refused = restored(&archive, &again).await.unwrap_err().to_string();
    assert_eq!(refused, "the archive has nothing between 2 and 0:4");
    assert_eq!(expected(&again, 0).await.len(), 2);
}

pub async fn a_log_with_other_commits_is_left_alone(place: &Place) {
    let archive = place.copied(&log_of(3).await).await;
    let other = log_of(1).await;
    let refused = restored(&archive, &other).await.unwrap_err();
    assert!(
        matches!(refused, RestoreError::NotEmpty { .. }),
        "{refused}"
    );
}

async fn restored(archive: &Archive, journal: &Journal) -> Result<u64, RestoreError> {
    let mut count = 0;
    for partition in 0..archive.partitions().await? {
        let end = archive.head(partition).await?;
        count += restore(journal, archive, end, |_| {}).await?;
    }
    Ok(count)
}
