//! A generation that catches up beside the active one, and takes its place.

use std::sync::Arc;

use journal::Journal;

use super::FollowError;
use super::held::{self, Held};
use crate::change::Change;
use crate::projection::Screen;
use crate::registry::Registry;

/// Commits read at once.
const BATCH: usize = 4096;
/// With fewer than this many to go, the rest is done while the active generation waits.
const NEAR: usize = 256;

/// Lets a generation see everything up to nearly the end of the log. `None` where another
/// process keeps it by now.
pub(super) async fn catch_up(
    journal: Journal,
    registry: Registry,
    screens: Arc<[Box<dyn Screen>]>,
    mut held: Held,
) -> Result<Option<Held>, FollowError> {
    loop {
        let mut most = 0;
        for partition in 0..journal.partitions() {
            let read = see_more(&journal, &registry, &screens, &mut held, partition, BATCH).await?;
            let Some(read) = read else { return Ok(None) };
            most = most.max(read);
        }
        if most < NEAR {
            return Ok(Some(held));
        }
    }
}

/// Brings a generation to where the active one stands, or to the end of the log where there is
/// none of ours, and lets reads use it from now on.
pub(super) async fn take_over(
    journal: &Journal,
    registry: &Registry,
    screens: &[Box<dyn Screen>],
    front: &mut Vec<Held>,
    mut next: Held,
) -> Result<(), FollowError> {
    let old = front.iter().find(|held| held.name() == next.name());
    let goal = match old {
        Some(old) => old.checkpoints().collect(),
        None => journal.heads().await?,
    };
    for goal in goal {
        while next.checkpoint(goal.partition).sequence < goal.sequence {
            match see_more(journal, registry, screens, &mut next, goal.partition, NEAR).await? {
                Some(read) if read > 0 => {}
                Some(_) | None => return Ok(()),
            }
        }
    }
    registry
        .flip(&next.generation, &*screens[next.screen])
        .await?;
    tracing::info!(
        projection = next.name(),
        generation = next.generation.number,
        "rebuilt; reads use it now"
    );
    front.retain(|held| held.name() != next.name());
    front.push(next);
    Ok(())
}

/// Tells how many commits there were; `None` where another process keeps the generation.
async fn see_more(
    journal: &Journal,
    registry: &Registry,
    screens: &[Box<dyn Screen>],
    held: &mut Held,
    partition: u16,
    limit: usize,
) -> Result<Option<usize>, FollowError> {
    let commits = journal
        .read(partition, held.checkpoint(partition).sequence, limit)
        .await?;
    let changes: Vec<_> = commits.into_iter().map(Change::of).collect();
    let kept = held::apply(registry, screens, std::slice::from_mut(held), &changes).await?;
    Ok(kept.then_some(changes.len()))
}
