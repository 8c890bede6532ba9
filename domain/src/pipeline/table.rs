//! The stages of a pipeline, the steps between them, and what a step is refused for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PipelineId, StageKey, built_in};
use crate::words::words;

/// The most stages of a pipeline, retired ones too.
pub const MAX_STAGES: usize = 50;

words! {
    /// What passes a pipeline.
    pub enum Kind {
        /// Leads.
        Lead = "lead",
        /// Sales.
        Sale = "sale",
    }
}

words! {
    /// What it means to stand in a stage.
    #[derive(Default)]
    pub enum Outcome {
        /// It may still become anything.
        #[default]
        Open = "open",
        /// It was won; final, unless the table leads on.
        Won = "won",
        /// It was lost; final, unless the table leads on.
        Lost = "lost",
    }
}

words! {
    /// How leads of a pipeline are won.
    pub enum WonBy {
        /// By a step like any other.
        Step = "step",
        /// By a transfer, which opens a sale.
        Transfer = "transfer",
    }
}

/// A stage of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// How programs name it; it never changes.
    pub key: StageKey,
    /// How people name it.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it means to stand there.
    #[serde(default)]
    pub outcome: Outcome,
    /// Which stages may follow.
    #[serde(default)]
    pub next: Vec<StageKey>,
    /// Nobody comes here any more; whoever stands here may leave.
    #[serde(default)]
    pub retired: bool,
}

impl Stage {
    /// Whether boards show it, with so many in it: a retired one while something stands there.
    #[must_use]
    pub const fn is_shown(&self, count: u64) -> bool {
        !self.retired || count > 0
    }
}

/// A pipeline as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub key: PipelineId,
    pub kind: Kind,
    pub name: String,
    pub won_by: WonBy,
    /// In the order of a board.
    pub stages: Vec<Stage>,
    /// Nothing new comes in; what is in it goes on.
    pub retired: bool,
}

/// Where a lead or a sale stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    pub pipeline: PipelineId,
    pub stage: StageKey,
}

impl Place {
    /// Where a lead begins unless it is said.
    #[must_use]
    pub const fn of_a_lead() -> Self {
        let (pipeline, stage) = (built_in::SALES_TEAM, built_in::NEW);
        Self { pipeline, stage }
    }

    /// Where a sale begins unless it is said.
    #[must_use]
    pub const fn of_a_sale() -> Self {
        let (pipeline, stage) = (built_in::SALES, built_in::NEW);
        Self { pipeline, stage }
    }
}

/// Why a table has no such step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NoStep {
    /// It has no such stage, or a retired one.
    #[error("stage must be one of {known}")]
    NoStage {
        /// Those where one can come.
        known: String,
    },
    /// It does not lead there from here.
    #[error("Cannot transition from '{from}' to '{to}'")]
    Forbidden {
        /// Where one stands.
        from: StageKey,
        /// What was asked.
        to: StageKey,
    },
}

/// Why stages make no pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BadTable {
    #[error("a pipeline has 1 to {MAX_STAGES} stages, and this would have {0}")]
    Count(usize),
    #[error("stage '{0}' stands there twice; each key names one stage")]
    Twice(StageKey),
    #[error("stage '{of}' leads to '{to}', which is no other stage of this pipeline")]
    NoSuchNext {
        /// Whose `next` it is.
        of: StageKey,
        /// What is not there.
        to: StageKey,
    },
    #[error("the first stage that is not retired must be open: there everything new comes in")]
    NoBeginning,
    #[error(
        "leads that are won by a transfer need a stage with the outcome won that is not retired"
    )]
    NowhereToTransfer,
    #[error("won_by must be step for a pipeline of sales: only leads are transferred")]
    SalesAreNotTransferred,
}

impl Table {
    /// The stage with this key, retired or not.
    #[must_use]
    pub fn stage(&self, key: StageKey) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.key == key)
    }

    /// Stages where one can come.
    pub fn open_to_all(&self) -> impl Iterator<Item = &Stage> {
        self.stages.iter().filter(|stage| !stage.retired)
    }

    /// Where something new begins.
    #[must_use]
    pub fn beginning(&self) -> Place {
        let first = self.open_to_all().next().or_else(|| self.stages.first());
        self.place(first.map_or(built_in::NEW, |stage| stage.key))
    }

    /// Where something stands that is in this stage.
    #[must_use]
    pub const fn place(&self, stage: StageKey) -> Place {
        let pipeline = self.key;
        Place { pipeline, stage }
    }

    /// The outcome of standing in a stage; of one that is not known, that it is open.
    #[must_use]
    pub fn outcome(&self, key: StageKey) -> Outcome {
        self.stage(key)
            .map(|stage| stage.outcome)
            .unwrap_or_default()
    }

    /// The stage that a step leads to. From a place of another pipeline none does: who brings this table
    /// knows the record only by hearsay.
    pub fn step(&self, from: Place, to: StageKey) -> Result<&Stage, NoStep> {
        let forbidden = NoStep::Forbidden {
            from: from.stage,
            to,
        };
        if from.pipeline != self.key {
            return Err(forbidden);
        }
        let stage = self.open_to_all().find(|stage| stage.key == to);
        let stage = stage.ok_or_else(|| NoStep::NoStage {
            known: self.known(),
        })?;
        let here = self.stage(from.stage);
        let leads_there = here.is_some_and(|here| here.next.contains(&to));
        leads_there.then_some(stage).ok_or(forbidden)
    }

    /// The stage that a transfer leads to from here: the first that is won.
    pub fn transfer(&self, from: Place) -> Result<&Stage, NoStep> {
        let won = |stage: &&Stage| stage.outcome == Outcome::Won;
        let reached = |stage: &&Stage| self.step(from, stage.key).is_ok();
        let to = self.open_to_all().filter(won).find(reached);
        let to = to.or_else(|| self.open_to_all().find(won));
        self.step(from, to.map_or(from.stage, |stage| stage.key))
    }

    fn known(&self) -> String {
        let keys: Vec<_> = self.open_to_all().map(|stage| stage.key.as_str()).collect();
        keys.join(", ")
    }

    /// Whether its stages make a pipeline.
    pub fn check(&self) -> Result<(), BadTable> {
        let count = self.stages.len();
        if !(1..=MAX_STAGES).contains(&count) {
            return Err(BadTable::Count(count));
        }
        for (at, stage) in self.stages.iter().enumerate() {
            if self.stages[..at]
                .iter()
                .any(|before| before.key == stage.key)
            {
                return Err(BadTable::Twice(stage.key));
            }
            let other = |to: &&StageKey| **to == stage.key || self.stage(**to).is_none();
            if let Some(to) = stage.next.iter().find(other) {
                let (of, to) = (stage.key, *to);
                return Err(BadTable::NoSuchNext { of, to });
            }
        }
        let first = self.open_to_all().next();
        if first.is_none_or(|stage| stage.outcome != Outcome::Open) {
            return Err(BadTable::NoBeginning);
        }
        let is_won = |stage: &Stage| stage.outcome == Outcome::Won;
        match (self.won_by, self.kind) {
            (WonBy::Transfer, Kind::Sale) => Err(BadTable::SalesAreNotTransferred),
            (WonBy::Transfer, Kind::Lead) if !self.open_to_all().any(is_won) => {
                Err(BadTable::NowhereToTransfer)
            }
            (WonBy::Transfer | WonBy::Step, Kind::Lead | Kind::Sale) => Ok(()),
        }
    }
}
