//! One suite for every backend of the log: what holds on one must hold on all.
//!
//! - `archives`: the same for every place of the archive
//! - `backend`: the backends, and how each is opened, crashed and opened again
//! - `sample`: commits to append
//! - `nodes`: what a cluster of three does while nodes die, freeze or lose their disk
//! - `cases`: what must hold; a case takes a workspace of its own, so that cases can share a log

mod archives;
mod backend;
mod cases;
mod nodes;
mod sample;

use backend::Backend;
use cases::{appending, crashing, feeding, keeping, reading, refusing, unreadable};

macro_rules! suite {
    ($($group:ident { $($case:ident),* $(,)? })*) => {
        /// Every case, one after the other, on one log.
        async fn every_case(backend: &mut Backend) {
            $($(
                println!("{}", stringify!($case));
                $group::$case(backend).await;
            )*)*
        }

        suite! { @on memory [Backend::memory()] $($($group $case)*)* }
        suite! { @on sqlite [Backend::sqlite()] $($($group $case)*)* }
        suite! { @on nats [Backend::nats(1).await] $($($group $case)*)* }
        suite! { @on nats_with_four_partitions [Backend::nats(4).await] $($($group $case)*)* }
    };
    (@on $name:ident [$open:expr] $($group:ident $case:ident)*) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $group::$case(&mut $open).await;
                }
            )*
        }
    };
}

suite! {
    appending {
        a_stream_starts_behind_zero_and_goes_on_behind_its_last_commit,
        an_expected_version_that_is_too_low_is_a_conflict,
        an_expected_version_that_is_too_high_is_a_conflict,
        of_many_writers_exactly_one_wins_each_round,
        many_writers_that_try_again_lose_nothing,
        a_retry_answers_the_first_position,
        a_retry_is_recognised_behind_later_commits,
        an_id_of_another_stream_is_a_conflict,
        what_is_refused_or_comes_twice_uses_no_position,
        hundreds_of_appends_may_be_under_way,
    }
    reading {
        a_commit_of_several_events_comes_back_whole,
        a_stream_can_be_loaded_from_anywhere,
        a_partition_has_one_order,
        a_partition_can_be_read_from_anywhere,
        bytes_and_hashes_survive,
        heads_are_the_last_positions,
        what_one_request_caused_is_found,
        what_is_not_there_is_empty,
    }
    feeding {
        a_feed_goes_from_stored_to_live,
        a_feed_can_start_anywhere,
        two_feeds_see_the_same,
    }
    refusing {
        a_commit_beyond_the_limit_is_refused,
        a_commit_at_the_limit_is_kept,
        names_that_are_no_tokens_are_refused,
        the_longest_names_are_taken,
        a_commit_without_events_is_refused,
    }
    unreadable {
        junk_is_an_entry_and_the_rest_goes_on,
        a_commit_of_a_newer_program_is_an_entry_too,
    }
    keeping {
        a_snapshot_replaces_the_one_before,
        a_claim_is_won_once,
        of_many_claimants_exactly_one_wins,
        another_log_has_another_identity,
    }
    crashing {
        what_was_acknowledged_survives_a_crash,
        a_feed_opened_after_a_crash_goes_on,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_three_holds_every_case() {
    every_case(&mut Backend::cluster(1).await).await;
}
