//! What ops see of the read models: how far each generation is, and what is parked.

use jiff::Timestamp;
use journal::position::Position;
use serde::Serialize;

use crate::db::DbError;
use crate::projection::{Screen, newest};
use crate::registry::{Parked, Registry, State};

/// A generation of a projection, as ops see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The projection.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The generation.
    pub generation: u32,
    /// Whether reads use it.
    pub active: bool,
    /// How far it is, per partition.
    pub checkpoints: Vec<String>,
    /// Commits that it has not seen.
    pub lag: u64,
    /// When the last commit that it has seen was made.
    pub seen_until: Timestamp,
    /// Who keeps it.
    pub keeper: String,
    /// What it could not follow.
    pub parked: Vec<Parked>,
}

/// Every generation of every projection.
pub async fn read(registry: &Registry, heads: &[Position]) -> Result<Vec<Status>, DbError> {
    let parked = registry.parked().await?;
    let mut all = Vec::new();
    for generation in registry.generations().await? {
        let checkpoints = registry
            .checkpoints(&generation.name, generation.number)
            .await?;
        let seen = |head: &Position| {
            let known = checkpoints
                .iter()
                .find(|known| known.position.partition == head.partition);
            known.map_or(0, |known| known.position.sequence)
        };
        all.push(Status {
            version: generation.version,
            generation: generation.number,
            active: generation.state == State::Active,
            lag: heads
                .iter()
                .map(|head| head.sequence.saturating_sub(seen(head)))
                .sum(),
            seen_until: checkpoints
                .iter()
                .map(|known| known.at)
                .max()
                .unwrap_or_default(),
            checkpoints: checkpoints
                .iter()
                .map(|known| known.position.to_string())
                .collect(),
            parked: parked
                .iter()
                .filter(|parked| {
                    parked.projection == generation.name && parked.generation == generation.number
                })
                .cloned()
                .collect(),
            keeper: generation.keeper,
            name: generation.name,
        });
    }
    Ok(all)
}

/// Whether every screen has a generation to answer from. One that has never been here is built
/// while the others answer; where nothing answers yet, nothing is ready.
#[must_use]
pub fn answer(screens: &[Box<dyn Screen>], known: &[Status]) -> bool {
    let answering = |name: &str| {
        known
            .iter()
            .find(|known| known.active && known.name == name)
    };
    let kept_here = |known: &Status| {
        screens
            .iter()
            .any(|screen| screen.name() == known.name && screen.version() == known.version)
    };
    known.iter().any(|known| known.active)
        && newest(screens).all(|screen| answering(screen.name()).is_none_or(kept_here))
}
