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
use table::Kind;

keys! {
    /// A pipeline of a workspace.
    PipelineId,
    /// A stage, within its pipeline. It keeps its key for ever, so that history means what it meant.
    StageKey,
}

impl PipelineId {
    /// What a lead follows unless it is said.
    #[must_use]
    pub const fn of_a_lead() -> Self {
        built_in::SALES_TEAM
    }

    /// What a sale follows unless it is said.
    #[must_use]
    pub const fn of_a_sale() -> Self {
        built_in::SALES
    }

    /// What something of this kind follows unless it is said.
    #[must_use]
    pub const fn usual(kind: Kind) -> Self {
        match kind {
            Kind::Lead => Self::of_a_lead(),
            Kind::Sale => Self::of_a_sale(),
        }
    }
}
