//! A pipeline: the stages that leads or sales pass, and which may follow which, as data.
//!
//! - [`table`]: stages and steps, and what a step is refused for
//! - [`built_in`]: the pipelines that every workspace has
//! - [`event`], [`command`], [`aggregate`]: how people declare and change theirs

pub mod aggregate;
pub mod built_in;
pub mod command;
pub mod event;
pub mod table;

use crate::slug::keys;

keys! {
    /// A pipeline of a workspace.
    PipelineId,
    /// A stage, within its pipeline. It keeps its key for ever, so that history means what it meant.
    StageKey,
}
