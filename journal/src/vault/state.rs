//! What a vault says of itself: whose log it belongs to, how far it has seen it, and whether something
//! is still being restored there.

use std::collections::BTreeMap;

use crate::position::Position;

use super::shelf::Statement;
use super::{Vault, VaultError};

const LOG: &str = "log";
const GENERATION: &str = "generation";
const SEEN: &str = "seen";
const UNFINISHED: &str = "unfinished";

/// What a vault says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultState {
    /// The identity of the log that its keys open; none before the first commit.
    pub log: Option<String>,
    /// Raised whenever its keys are wrapped anew or taken over; from 1 up.
    pub generation: u64,
    /// Up to where in that log every key that is needed was here.
    pub seen: Vec<Position>,
    /// What is being restored or imported here and has not ended.
    pub unfinished: Option<String>,
}

impl VaultState {
    fn read(said: &BTreeMap<String, String>) -> Self {
        let generation = said.get(GENERATION).and_then(|text| text.parse().ok());
        let seen = said.get(SEEN).map(String::as_str).unwrap_or_default();
        Self {
            log: said.get(LOG).cloned(),
            generation: generation.unwrap_or(1),
            seen: seen
                .split_whitespace()
                .filter_map(|text| text.parse().ok())
                .collect(),
            unfinished: said.get(UNFINISHED).cloned(),
        }
    }

    /// How far it has seen a partition of the log with this identity.
    #[must_use]
    pub fn seen_of(&self, log: &str, partition: u16) -> u64 {
        let seen = self.seen.iter().find(|seen| seen.partition == partition);
        match (&self.log, seen) {
            (Some(known), Some(seen)) if known == log => seen.sequence,
            _ => 0,
        }
    }
}

impl Vault {
    /// What it says of itself.
    pub async fn state(&self) -> Result<VaultState, VaultError> {
        Ok(VaultState::read(&self.0.shelf.states().await?))
    }

    /// Has seen this log up to these heads, and is of this generation.
    pub async fn belongs_to(
        &self,
        log: &str,
        heads: &[Position],
        generation: u64,
    ) -> Result<(), VaultError> {
        let said = vec![
            Statement::say(LOG, log.to_owned()),
            Statement::say(SEEN, written(heads)),
            Statement::say(GENERATION, generation.to_string()),
        ];
        self.0.shelf.carry_out(said).await
    }

    /// Has seen its log up to these heads too, unless somebody else has said more since.
    pub async fn has_seen(
        &self,
        before: &[Position],
        heads: &[Position],
    ) -> Result<(), VaultError> {
        let said = Statement::say_behind(SEEN, written(before), written(heads));
        self.0.shelf.carry_out(vec![said]).await
    }

    /// Marks that something is being restored or imported here: nothing else may use it until
    /// [`Self::finished`].
    pub async fn begin(&self, what: String) -> Result<(), VaultError> {
        let said = vec![Statement::say(UNFINISHED, what)];
        self.0.shelf.carry_out(said).await
    }

    /// What was begun has ended.
    pub async fn finished(&self) -> Result<(), VaultError> {
        self.0
            .shelf
            .carry_out(vec![Statement::unsay(UNFINISHED)])
            .await
    }

    pub(super) fn raised(generation: u64) -> Statement {
        Statement::say(GENERATION, generation.to_string())
    }

    /// Of no log yet.
    pub(super) fn unbound() -> [Statement; 2] {
        [Statement::unsay(LOG), Statement::unsay(SEEN)]
    }
}

fn written(heads: &[Position]) -> String {
    let heads: Vec<_> = heads.iter().map(ToString::to_string).collect();
    heads.join(" ")
}
