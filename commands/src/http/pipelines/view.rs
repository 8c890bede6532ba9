//! What a pipeline looks like, wherever it is shown.

use domain::pipeline::aggregate::Pipeline;
use domain::pipeline::table::{Kind, Stage, WonBy};
use domain::pipeline::{PipelineId, built_in};
use journal::store::Loaded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineView {
    /// How programs name it.
    pub key: PipelineId,
    /// What passes it.
    pub kind: Kind,
    /// How people name it.
    pub name: String,
    /// How its leads are won.
    pub won_by: WonBy,
    /// In the order of a board.
    pub stages: Vec<Stage>,
    /// Whether nothing new comes in.
    pub retired: bool,
    /// Whether every workspace has it.
    pub built_in: bool,
    /// How many events made it; 0 of one that is as it was built in.
    pub version: u64,
}

impl PipelineView {
    /// The pipeline, if there is one.
    #[must_use]
    pub fn of(key: PipelineId, loaded: &Loaded<Pipeline>) -> Option<Self> {
        let table = loaded.state.table(key)?;
        Some(Self {
            key,
            kind: table.kind,
            name: table.name,
            won_by: table.won_by,
            stages: table.stages,
            retired: table.retired,
            built_in: built_in::ALL.contains(&key),
            version: loaded.version,
        })
    }
}
