//! What may be asked of a pipeline.

use serde::{Deserialize, Serialize};

use super::event::PipelineEvent;
use super::table::{Kind, Stage, WonBy};
use super::{PipelineId, StageKey};

/// What may be asked of a pipeline. Each change names it: one that is built in has no events yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum PipelineCommand {
    /// Declare it.
    Open {
        key: PipelineId,
        kind: Kind,
        name: String,
        won_by: WonBy,
        /// In the order of a board.
        stages: Vec<Stage>,
    },
    /// What is `None` stays.
    Change {
        key: PipelineId,
        name: Option<String>,
        retired: Option<bool>,
    },
    AddStage {
        key: PipelineId,
        stage: Stage,
        /// The stage that it stands before; at the end where none is named.
        before: Option<StageKey>,
        /// The stages that lead to it.
        from: Vec<StageKey>,
    },
    /// What is `None` stays.
    ChangeStage {
        key: PipelineId,
        stage: StageKey,
        name: Option<String>,
        next: Option<Vec<StageKey>>,
        retired: Option<bool>,
    },
    /// Every stage, in its new order.
    Reorder {
        key: PipelineId,
        stages: Vec<StageKey>,
    },
    /// Append what reverses an earlier change; asked behind a known commit only.
    Compensate { events: Vec<PipelineEvent> },
}
