//! Generations that are built beside the active ones, and take their places.
//!
//! Those that stand at the same place are built from one feed of their own: the active ones wait
//! for nobody, and the log is read and decoded once for all of them.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use journal::health::Part;
use journal::position::Position;
use journal::{Journal, JournalError};

use super::FollowError;
use super::feed::feed;
use super::held::{self, Held};
use crate::change::Followed;
use crate::projection::Screen;
use crate::registry::Registry;

/// With fewer than this many to go, the rest is done while the active generation waits.
const NEAR: u64 = 256;
/// Commits read at once by then.
const BATCH: usize = 256;
/// How often a generation tries to get ahead of one that another process keeps.
const TRIES: usize = 20;
/// After a fault, until it is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// What building works with.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) journal: Journal,
    pub(super) registry: Registry,
    pub(super) screens: Arc<[Box<dyn Screen>]>,
}

/// These by where they stand.
pub(super) fn grouped(behind: Vec<Held>) -> Vec<Vec<Held>> {
    let mut groups: Vec<Vec<Held>> = Vec::new();
    for held in behind {
        let stands_here = |group: &&mut Vec<Held>| {
            let mut here = group.iter().take(1).flat_map(Held::checkpoints);
            held.checkpoints().eq(&mut here)
        };
        match groups.iter_mut().find(stands_here) {
            Some(group) => group.push(held),
            None => groups.push(vec![held]),
        }
    }
    groups
}

impl Site {
    /// Lets these see everything up to nearly the end of the log. `None` where another process
    /// keeps one of them by now. A fault costs a pause: the active generations know nothing of it.
    pub(super) async fn catch_up(self, mut group: Vec<Held>) -> Option<Vec<Held>> {
        let names: Vec<_> = group.iter().map(Held::name).collect();
        let names = names.join(",");
        let part = self.journal.health().part_of("build", &names);
        loop {
            match self.see_nearly_all(&mut group, &part).await {
                Ok(kept) => return kept.then_some(group),
                Err(error) => {
                    tracing::warn!(%error, projections = names, "building waits for a moment");
                    part.fails(&error);
                }
            }
            tokio::time::sleep(PAUSE).await;
            // What was written before the fault is not known.
            for held in &mut group {
                let loaded = Held::load(&self.registry, held.screen, held.generation.clone()).await;
                if let Ok(loaded) = loaded {
                    *held = loaded;
                }
            }
        }
    }

    async fn see_nearly_all(&self, group: &mut [Held], part: &Part) -> Result<bool, FollowError> {
        let mut heads = self.journal.heads().await?;
        let mut feed = feed(&self.journal, group);
        loop {
            part.works();
            if is_near(group, &heads) {
                heads = self.journal.heads().await?;
                if is_near(group, &heads) {
                    return Ok(true);
                }
            }
            let batch = feed.next().await;
            let batch = batch.ok_or_else(|| JournalError::unavailable("the feed has ended"))??;
            if !held::apply(&self.registry, &self.screens, group, &batch).await? {
                return Ok(false);
            }
        }
    }

    /// Brings a generation to the end of the log, and lets reads use it from now on, once it shows
    /// whatever the one before it does; tells whether they do.
    pub(super) async fn take_over(
        &self,
        front: &mut Vec<Held>,
        mut next: Held,
    ) -> Result<bool, FollowError> {
        for _ in 0..TRIES {
            for head in self.journal.heads().await? {
                if !self.see_until(&mut next, head).await? {
                    return Ok(false);
                }
            }
            let seen: Vec<_> = next.checkpoints().collect();
            if self.registry.flip(&next.generation, &seen).await? {
                tracing::info!(
                    projection = next.name(),
                    generation = next.generation.number,
                    "built; reads use it now"
                );
                front.retain(|held| held.name() != next.name());
                front.push(next);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `false` where another process keeps the generation, or the log is shorter than it was.
    async fn see_until(&self, held: &mut Held, goal: Position) -> Result<bool, FollowError> {
        loop {
            let from = held.checkpoint(goal.partition).sequence;
            if from >= goal.sequence {
                return Ok(true);
            }
            let entries = self.journal.read(goal.partition, from, BATCH).await?;
            let changes: Vec<_> = entries.into_iter().map(Followed::from).collect();
            let one = std::slice::from_mut(held);
            if changes.is_empty()
                || !held::apply(&self.registry, &self.screens, one, &changes).await?
            {
                return Ok(false);
            }
        }
    }
}

fn is_near(group: &[Held], heads: &[Position]) -> bool {
    let near = |held: &Held, head: &Position| {
        held.checkpoint(head.partition).sequence + NEAR >= head.sequence
    };
    heads
        .iter()
        .all(|head| group.iter().all(|held| near(held, head)))
}
