//! What may be asked of pipelines over HTTP.

use domain::pipeline::command::PipelineCommand;
use domain::pipeline::table::{Kind, Outcome, Stage, WonBy};
use domain::pipeline::{PipelineId, StageKey};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::field::given;

/// A new pipeline.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenPipeline {
    /// How programs name it; it never changes.
    pub key: PipelineId,
    /// What passes it.
    pub kind: Kind,
    /// How people name it.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// How its leads are won; sales are won by a step.
    #[serde(default = "by_step")]
    pub won_by: WonBy,
    /// In the order of a board; in the first one everything begins.
    #[schema(min_items = 1, max_items = 50)]
    pub stages: Vec<Stage>,
}

const fn by_step() -> WonBy {
    WonBy::Step
}

impl From<OpenPipeline> for PipelineCommand {
    fn from(ask: OpenPipeline) -> Self {
        Self::Open {
            key: ask.key,
            kind: ask.kind,
            name: ask.name,
            won_by: ask.won_by,
            stages: ask.stages,
        }
    }
}

/// What is to be changed of a pipeline; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePipeline {
    /// How people name it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// Whether nothing new comes in.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    pub retired: Option<bool>,
}

/// A stage to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddStage {
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
    #[schema(max_items = 50)]
    pub next: Vec<StageKey>,
    /// Which stages lead to it.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub from: Vec<StageKey>,
    /// The stage that it stands before; at the end where none is named.
    pub before: Option<StageKey>,
}

impl AddStage {
    pub(super) fn command(self, key: PipelineId) -> PipelineCommand {
        PipelineCommand::AddStage {
            key,
            stage: Stage {
                key: self.key,
                name: self.name,
                outcome: self.outcome,
                next: self.next,
                retired: false,
            },
            before: self.before,
            from: self.from,
        }
    }
}

/// What is to be changed of a stage; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeStage {
    /// How people name it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// Which stages may follow from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<StageKey>, max_items = 50)]
    pub next: Option<Vec<StageKey>>,
    /// Whether nobody comes there any more; whoever stands there may leave.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    pub retired: Option<bool>,
}

impl ChangeStage {
    pub(super) fn command(self, key: PipelineId, stage: StageKey) -> PipelineCommand {
        PipelineCommand::ChangeStage {
            key,
            stage,
            name: self.name,
            next: self.next,
            retired: self.retired,
        }
    }
}

/// Every stage of a pipeline, in its new order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReorderStages {
    /// Each once; in the first one that is not retired everything begins.
    #[schema(min_items = 1, max_items = 50)]
    pub stages: Vec<StageKey>,
}
