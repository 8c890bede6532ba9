//! What is told of a copy that is not the same.

use journal::archive::compare::compare;

use super::place::{Place, everything, expected, log_of};

pub async fn the_first_difference_is_named(place: &Place) {
    let journal = log_of(9).await;
    let archive = place.copied(&journal).await;
    let first = async || compare(&journal, &archive).await.unwrap_err().to_string();
    place.change(8).await;
    assert_eq!(first().await, "0:8 was changed in the archive");
    place.remove(6).await;
    assert_eq!(first().await, "the archive lacks 0:6");
    place.swap(3).await;
    let told = first().await;
    assert!(told.contains("0:3"), "{told}");
    place.remove(1).await;
    assert_eq!(first().await, "the archive lacks 0:1");
}

pub async fn a_log_that_was_cut_off_is_named(place: &Place) {
    let journal = log_of(5).await;
    let archive = place.copied(&journal).await;
    let shorter = log_of(3).await;
    let told = compare(&shorter, &archive).await.unwrap_err().to_string();
    assert!(
        told.contains("the log ends at 0:3, and the archive has 0:5"),
        "{told}"
    );
}

pub async fn a_copy_that_was_cut_off_is_filled_again(place: &Place) {
    let journal = log_of(7).await;
    let archive = place.copied(&journal).await;
    place.cut_behind(4).await;
    assert_eq!(
        compare(&journal, &archive).await.unwrap(),
        4,
        "it is a copy of less, and tells of how much"
    );
    let archive = place.copied(&journal).await;
    assert_eq!(everything(&archive, 0).await, expected(&journal, 0).await);
}
