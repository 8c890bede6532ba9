//! What reverses an earlier event of a pipeline.

use cqrs_es::Aggregate as _;

use super::Pipeline;
use crate::pipeline::StageKey;
use crate::pipeline::command::PipelineCommand;
use crate::pipeline::event::PipelineEvent;
use crate::undo::{Kept, Reverse};

/// What of a pipeline an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    Existence,
    Name,
    Order,
    /// Whether anything new comes in.
    Use,
    StageExistence(StageKey),
    StageName(StageKey),
    Steps(StageKey),
    /// Whether anybody comes to this stage.
    StageUse(StageKey),
}

impl Reverse for Pipeline {
    type Thing = Thing;

    fn thing(event: &PipelineEvent) -> Thing {
        match event {
            PipelineEvent::Opened { .. } => Thing::Existence,
            PipelineEvent::Renamed { .. } => Thing::Name,
            PipelineEvent::StageAdded { stage, .. } => Thing::StageExistence(stage.key),
            PipelineEvent::StageRenamed { stage, .. } => Thing::StageName(*stage),
            PipelineEvent::StepsChanged { stage, .. } => Thing::Steps(*stage),
            PipelineEvent::Reordered { .. } => Thing::Order,
            PipelineEvent::StageRetired { stage } | PipelineEvent::StageRestored { stage } => {
                Thing::StageUse(*stage)
            }
            PipelineEvent::Retired {} | PipelineEvent::Restored {} => Thing::Use,
        }
    }

    /// A stage that was added changes the order, and the steps of those that lead to it.
    fn touched(undone: &PipelineEvent, later: &PipelineEvent) -> Option<String> {
        let thing = Self::thing(undone);
        if let PipelineEvent::StageAdded { stage, from, .. } = later {
            let touched = match thing {
                Thing::Order => true,
                Thing::Steps(key) => from.contains(&key),
                Thing::Existence
                | Thing::Name
                | Thing::Use
                | Thing::StageExistence(_)
                | Thing::StageName(_)
                | Thing::StageUse(_) => false,
            };
            return touched.then(|| format!("stage {} was added since", stage.key));
        }
        let told = match thing {
            Thing::Existence | Thing::StageExistence(_) => "it was changed since",
            Thing::Name | Thing::StageName(_) => "name was changed since",
            Thing::Order => "the stages were reordered since",
            Thing::Use | Thing::StageUse(_) => "it was retired or restored since",
            Thing::Steps(_) => "next was changed since",
        };
        (thing == Self::thing(later)).then(|| told.to_owned())
    }

    fn reverse(&self, _before: &Self, undone: &PipelineEvent) -> Result<PipelineEvent, Kept> {
        let reversed = match undone {
            PipelineEvent::Opened { .. } => {
                return Err(Kept::because(
                    "a pipeline stays, because something may follow it; retire it instead",
                ));
            }
            PipelineEvent::StageAdded { .. } => {
                return Err(Kept::because(
                    "a stage stays, because something may stand in it; retire it instead",
                ));
            }
            PipelineEvent::Renamed { from, to } => PipelineEvent::Renamed {
                from: to.clone(),
                to: from.clone(),
            },
            PipelineEvent::StageRenamed { stage, from, to } => PipelineEvent::StageRenamed {
                stage: *stage,
                from: to.clone(),
                to: from.clone(),
            },
            PipelineEvent::StepsChanged { stage, from, to } => PipelineEvent::StepsChanged {
                stage: *stage,
                from: to.clone(),
                to: from.clone(),
            },
            PipelineEvent::Reordered { from, to } => PipelineEvent::Reordered {
                from: to.clone(),
                to: from.clone(),
            },
            PipelineEvent::StageRetired { stage } => PipelineEvent::StageRestored { stage: *stage },
            PipelineEvent::StageRestored { stage } => PipelineEvent::StageRetired { stage: *stage },
            PipelineEvent::Retired {} => PipelineEvent::Restored {},
            PipelineEvent::Restored {} => PipelineEvent::Retired {},
        };
        let mut after = self.clone();
        after.apply(reversed.clone());
        match after.declared.map(|table| table.check()) {
            Some(Err(bad)) => Err(Kept::because(format!("{bad}"))),
            Some(Ok(())) | None => Ok(reversed),
        }
    }

    fn compensate(&self, events: Vec<PipelineEvent>) -> PipelineCommand {
        PipelineCommand::Compensate { events }
    }
}
