//! Facts about a pipeline, with their stored names and versions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table::{Kind, Stage, WonBy};
use super::{PipelineId, StageKey};
use crate::event::stored;

/// What happened to a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum PipelineEvent {
    /// It was declared; or one that is built in is about to be changed, and stood so until then.
    #[serde(rename = "pipeline.opened")]
    Opened {
        key: PipelineId,
        kind: Kind,
        name: String,
        won_by: WonBy,
        /// In the order of a board.
        stages: Vec<Stage>,
    },
    #[serde(rename = "pipeline.renamed")]
    Renamed { from: String, to: String },
    #[serde(rename = "pipeline.stage_added")]
    StageAdded {
        stage: Stage,
        /// Its place in the order, from 0 up.
        place: u32,
        /// The stages that lead to it from now on.
        from: Vec<StageKey>,
    },
    #[serde(rename = "pipeline.stage_renamed")]
    StageRenamed {
        stage: StageKey,
        from: String,
        to: String,
    },
    /// Other stages may follow.
    #[serde(rename = "pipeline.steps_changed")]
    StepsChanged {
        stage: StageKey,
        from: Vec<StageKey>,
        to: Vec<StageKey>,
    },
    #[serde(rename = "pipeline.reordered")]
    Reordered {
        from: Vec<StageKey>,
        to: Vec<StageKey>,
    },
    /// Nobody comes there any more.
    #[serde(rename = "pipeline.stage_retired")]
    StageRetired { stage: StageKey },
    #[serde(rename = "pipeline.stage_restored")]
    StageRestored { stage: StageKey },
    /// Nothing new comes in.
    #[serde(rename = "pipeline.retired")]
    Retired {},
    #[serde(rename = "pipeline.restored")]
    Restored {},
}

stored!(PipelineEvent {
    Opened = "pipeline.opened" v 1,
    Renamed = "pipeline.renamed" v 1,
    StageAdded = "pipeline.stage_added" v 1,
    StageRenamed = "pipeline.stage_renamed" v 1,
    StepsChanged = "pipeline.steps_changed" v 1,
    Reordered = "pipeline.reordered" v 1,
    StageRetired = "pipeline.stage_retired" v 1,
    StageRestored = "pipeline.stage_restored" v 1,
    Retired = "pipeline.retired" v 1,
    Restored = "pipeline.restored" v 1,
});
