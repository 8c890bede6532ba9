//! One suite for every place of the archive: what holds in one must hold in all.
//!
//! - `place`: the places, and what may happen to a copy there
//! - `copying`, `comparing`, `restoring`: what must hold
//! - `kurrent`: what can go wrong only there

mod comparing;
mod copying;
#[cfg(feature = "kurrent")]
mod kurrent;
mod place;
mod restoring;

use place::Place;

macro_rules! suite {
    ($($group:ident { $($case:ident),* $(,)? })*) => {
        suite! { @on in_postgres [Place::postgres().await] $($($group $case)*)* }
        #[cfg(feature = "kurrent")]
        suite! { @on in_kurrent [Place::kurrent()] $($($group $case)*)* }
    };
    (@on $name:ident [$place:expr] $($group:ident $case:ident)*) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $group::$case(&$place).await;
                }
            )*
        }
    };
}

suite! {
    copying {
        everything_is_copied_byte_for_byte,
        a_copy_goes_on_where_it_stopped,
        two_copiers_keep_every_commit_once,
        the_largest_commits_are_copied,
        a_copy_of_another_log_is_refused,
    }
    comparing {
        the_first_difference_is_named,
        a_log_that_was_cut_off_is_named,
        a_copy_that_was_cut_off_is_filled_again,
    }
    restoring {
        a_lost_log_is_made_again_at_the_same_positions,
        a_log_of_several_partitions_is_made_again,
        a_changed_commit_is_not_restored,
        nothing_is_restored_behind_a_gap,
        a_log_with_other_commits_is_left_alone,
    }
}
