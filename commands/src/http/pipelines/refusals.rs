//! Which status and kind a refusal has that is about a pipeline.

use domain::pipeline::aggregate::PipelineError;
use domain::pipeline::table::{BadTable, NoStep};

use crate::http::problem::Problem;
use crate::http::refusals::TRANSITION;
use crate::pipelines::NoBeginning;

impl From<PipelineError> for Problem {
    fn from(refusal: PipelineError) -> Self {
        let detail = refusal.to_string();
        match refusal {
            PipelineError::NotFound(_) => Self::not_found(detail).field("key"),
            PipelineError::Exists(_) => {
                Self::conflict("/problems/exists", "It exists already", detail).field("key")
            }
            PipelineError::NoStage(_) => Self::not_found(detail).field("stage"),
            PipelineError::BadName(_) => Self::invalid("name", detail),
            PipelineError::BadTable(bad) => Self::invalid(field(&bad), detail),
            PipelineError::NotAll { .. } => Self::invalid("stages", detail),
        }
    }
}

/// What of a body is to be corrected.
const fn field(bad: &BadTable) -> &'static str {
    match bad {
        BadTable::Count(_)
        | BadTable::Twice(_)
        | BadTable::NoBeginning
        | BadTable::NowhereToTransfer => "stages",
        BadTable::NoSuchNext { .. } => "next",
        BadTable::SalesAreNotTransferred => "won_by",
    }
}

impl From<NoStep> for Problem {
    fn from(refusal: NoStep) -> Self {
        let detail = refusal.to_string();
        match refusal {
            NoStep::NoStage { .. } => Self::invalid("stage", detail),
            NoStep::Forbidden { .. } => {
                let (kind, title) = TRANSITION;
                Self::conflict(kind, title, detail).field("stage")
            }
        }
    }
}

impl From<NoBeginning> for Problem {
    fn from(refusal: NoBeginning) -> Self {
        let detail = refusal.to_string();
        match refusal {
            NoBeginning::NotThere(..) => Self::invalid("pipeline", detail),
            NoBeginning::Journal(error) => error.into(),
        }
    }
}
