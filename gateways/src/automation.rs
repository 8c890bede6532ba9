//! Analyses leads after enough messages, and transfers those that pass every gate, where a
//! workspace has switched these rules on.

use commands::desk::Desk;
use commands::http::api::Api;
use commands::origin::Origin;
use commands::pipelines::NoBeginning;
use commands::policies::{Fact, Policy};
use commands::sales::{Handover, TransferError};
use cqrs_es::{Aggregate as _, AggregateError};
use domain::automation::{Automation, AutomationId, Rule};
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use domain::lead::event::LeadEvent;
use domain::money::Money;
use domain::pipeline::built_in;
use domain::policy::{PolicyId, Start};
use journal::JournalError;
use journal::token::Token;
use schemas::any::Within as _;

use crate::analysis::{Analyses, AnalysisError};

/// Acts by the rules of [`Automation`].
pub struct Automatic {
    api: Api,
    analyses: Analyses,
}

/// The actor of what the rules do.
const ACTOR: &str = "policy:automation";

impl Automatic {
    /// Over this api, with this way to analyse.
    #[must_use]
    pub const fn new(api: Api, analyses: Analyses) -> Self {
        Self { api, analyses }
    }

    async fn analyze_after_messages(
        &self,
        lead: LeadId,
        origin: &Origin,
    ) -> Result<(), JournalError> {
        let Some(wait_for) = setting(
            &self.api.desk,
            &origin.workspace,
            Rule::AnalyzeAfterMessages,
        )
        .await?
        else {
            return Ok(());
        };
        let loaded = self.api.desk.load::<Lead>(&origin.workspace, lead).await?;
        let enough = loaded
            .state
            .open
            .as_ref()
            .is_some_and(|open| open.unjudged_messages >= wait_for);
        if !enough {
            return Ok(());
        }
        match self.analyses.analyze(lead, true, origin).await {
            Ok(_) => Ok(()),
            Err(AnalysisError::Journal(error)) => Err(error),
            Err(AnalysisError::Lead(error)) => refused_or_failed(lead, error),
            // The next message asks again; waiting here would hold up every other lead.
            Err(AnalysisError::Analyst(error)) => {
                tracing::warn!(%error, lead.id = %lead, "not analysed; tried again with the next message");
                Ok(())
            }
        }
    }

    async fn transfer_when_ready(&self, lead: LeadId, origin: &Origin) -> Result<(), JournalError> {
        let Some(whole) =
            setting(&self.api.desk, &origin.workspace, Rule::TransferWhenReady).await?
        else {
            return Ok(());
        };
        let Ok(amount) = Money::parse_whole(&whole.to_string(), self.api.settings.currency) else {
            return Ok(());
        };
        let handover = Handover {
            amount,
            gate: self.api.gate(),
            pipeline: built_in::SALES,
        };
        let transferred = self.api.transfers.transfer(lead, handover, origin);
        match transferred.await {
            Ok(_) => Ok(()),
            Err(TransferError::Lead(error)) => refused_or_failed(lead, error),
            Err(TransferError::Sale(error)) => refused_or_failed(lead, error),
            Err(TransferError::Number(error)) => refused_or_failed(lead, error),
            Err(
                TransferError::Journal(error)
                | TransferError::Pipeline(NoBeginning::Journal(error)),
            ) => Err(error),
            Err(TransferError::Pipeline(refusal @ NoBeginning::NotThere(..))) => {
                tracing::warn!(%refusal, lead.id = %lead, "not transferred");
                Ok(())
            }
        }
    }
}

impl Policy for Automatic {
    fn id(&self) -> PolicyId {
        PolicyId::Automation
    }

    /// Rules act on what happens while they are on: what happened before is not theirs.
    fn starts(&self) -> Start {
        Start::Now
    }

    fn concerns(&self, category: &str) -> bool {
        category == Lead::TYPE
    }

    async fn react(&self, fact: &Fact<'_>) -> Result<(), JournalError> {
        let id = fact.recorded.commit.id.as_str();
        let lead = id.parse().map(LeadId).map_err(JournalError::unavailable)?;
        let origin = fact.origin(ACTOR, 0);
        let Some(event) = LeadEvent::within(&fact.event) else {
            return Ok(());
        };
        match event {
            LeadEvent::MessagesRecorded { .. } => self.analyze_after_messages(lead, &origin).await,
            LeadEvent::Analyzed(_) => self.transfer_when_ready(lead, &origin).await,
            LeadEvent::Opened { .. }
            | LeadEvent::DomainSet { .. }
            | LeadEvent::ContactLinked { .. }
            | LeadEvent::StageChanged { .. }
            | LeadEvent::Transferred { .. }
            | LeadEvent::DomainCleared {}
            | LeadEvent::ContactUnlinked {}
            | LeadEvent::MessagesWithdrawn { .. }
            | LeadEvent::FieldChanged { .. }
            | LeadEvent::ExpectedAmountChanged { .. }
            | LeadEvent::TagAdded { .. }
            | LeadEvent::TagRemoved { .. }
            | LeadEvent::Noted { .. }
            | LeadEvent::NoteWithdrawn { .. }
            | LeadEvent::AnalysisWithdrawn {}
            | LeadEvent::Forgotten {} => Ok(()),
        }
    }
}

/// The value of a rule that is switched on.
async fn setting(desk: &Desk, workspace: &Token, rule: Rule) -> Result<Option<u64>, JournalError> {
    let automation = desk
        .load::<Automation>(workspace, AutomationId::Rules)
        .await?;
    let setting = automation.state.setting(rule);
    Ok(setting.enabled.then_some(setting.value))
}

/// A lead that does not pass a gate is no failure.
fn refused_or_failed<E: std::error::Error>(
    lead: LeadId,
    error: AggregateError<E>,
) -> Result<(), JournalError> {
    match error {
        AggregateError::UserError(refusal) => {
            tracing::debug!(%refusal, lead.id = %lead, "the rule does not apply");
            Ok(())
        }
        error @ (AggregateError::AggregateConflict
        | AggregateError::DatabaseConnectionError(_)
        | AggregateError::DeserializationError(_)
        | AggregateError::UnexpectedError(_)) => Err(JournalError::unavailable(error.to_string())),
    }
}
