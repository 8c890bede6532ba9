//! Keeps what an analyst says of a lead, and asks again only when it must.

use std::sync::Arc;

use commands::desk::Desk;
use commands::origin::Origin;
use cqrs_es::AggregateError;
use domain::id::LeadId;
use domain::lead::aggregate::{Lead, LeadError};
use domain::lead::command::LeadCommand;
use domain::lead::event::Analysis;
use domain::lead::scoring::Inputs;
use jiff::{SignedDuration, Timestamp};
use journal::JournalError;
use journal::position::Position;
use journal::store::Loaded;

use crate::ai::{Analyst, AnalystError};

/// Analyses leads. Cheap to clone.
#[derive(Clone)]
pub struct Analyses {
    desk: Desk,
    analyst: Arc<dyn Analyst>,
    ttl: SignedDuration,
}

/// Why a lead is not analysed.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// The lead refuses, or the log does.
    #[error(transparent)]
    Lead(#[from] AggregateError<LeadError>),
    /// The log cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The analyst has no answer.
    #[error(transparent)]
    Analyst(#[from] AnalystError),
}

/// An analysis, and whether it was made just now.
#[derive(Debug, Clone)]
pub struct Analyzed {
    /// The analysis.
    pub analysis: Analysis,
    /// Whose key seals its words.
    pub about: String,
    /// Whether an earlier one was given again.
    pub cached: bool,
    /// Where the lead stands in the log.
    pub position: Position,
}

impl Analyses {
    /// Analyses by this analyst; one that is younger than `ttl` (`AI_CACHE_TTL`) is given again.
    #[must_use]
    pub const fn new(desk: Desk, analyst: Arc<dyn Analyst>, ttl: SignedDuration) -> Self {
        Self { desk, analyst, ttl }
    }

    /// Analyses a lead; with `force` also where a young analysis is at hand.
    pub async fn analyze(
        &self,
        id: LeadId,
        force: bool,
        origin: &Origin,
    ) -> Result<Analyzed, AnalysisError> {
        let loaded = self.desk.load::<Lead>(&origin.workspace, id).await?;
        let now = self.desk.clock().now();
        if let Some(analysis) = young(&loaded, now - self.ttl).filter(|_| !force) {
            return Ok(Analyzed {
                about: about(id, &loaded),
                analysis,
                cached: true,
                position: loaded.position(),
            });
        }
        let inputs = inputs(&loaded, now).ok_or(AggregateError::UserError(LeadError::NotOpen))?;
        let judgement = self.analyst.judge(inputs).await?;
        let analysis = Analysis {
            score: judgement.score,
            recommendation: judgement.recommendation,
            reason: judgement.reason,
            analyst: judgement.analyst,
            at: now,
        };
        let command = LeadCommand::RecordAnalysis(analysis.clone());
        let after = self.desk.send::<Lead>(id, command, origin).await?;
        // Another try of the same request may have been faster; its analysis is the one kept.
        let kept = after
            .state
            .open
            .as_ref()
            .and_then(|lead| lead.analysis.clone());
        Ok(Analyzed {
            about: about(id, &after),
            analysis: kept.unwrap_or(analysis),
            cached: false,
            position: after.position(),
        })
    }
}

fn about(id: LeadId, lead: &Loaded<Lead>) -> String {
    match lead.state.open.as_ref().and_then(|lead| lead.contact) {
        Some(contact) => format!("contact-{contact}"),
        None => format!("lead-{id}"),
    }
}

fn young(loaded: &Loaded<Lead>, since: Timestamp) -> Option<Analysis> {
    let analysis = loaded.state.open.as_ref()?.analysis.as_ref()?;
    (analysis.at > since).then(|| analysis.clone())
}

/// The six facts that an analyst may see.
fn inputs(loaded: &Loaded<Lead>, now: Timestamp) -> Option<Inputs> {
    Some(loaded.state.open.as_ref()?.inputs(loaded.created_at?, now))
}
