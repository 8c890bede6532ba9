//! A transfer opens its sale exactly once, whatever crashes in between.
//!
//! The lead's `Transferred` fixes the sale's number. Whoever sees it, the request that made it
//! or the policy that follows the log, opens that sale under ids derived from the transfer.

use std::sync::Arc;

use cqrs_es::AggregateError;
use domain::id::{LeadId, NumberKind, SaleId};
use domain::lead::aggregate::{Lead, LeadError};
use domain::lead::command::{Gate, LeadCommand};
use domain::money::Money;
use domain::number::NumbersError;
use domain::pipeline::table::{Kind, Place};
use domain::pipeline::{PipelineId, built_in};
use domain::sale::aggregate::{Sale, SaleError};
use domain::sale::command::SaleCommand;
use journal::JournalError;
use journal::store::Loaded;

use crate::desk::{Desk, Outcome};
use crate::numbers::Allocator;
use crate::origin::Origin;
use crate::pipelines::{NoBeginning, Pipelines};

/// The actor that opens sales.
pub const POLICY: &str = "policy:transfer";

/// Transfers leads to sales. Cheap to clone.
#[derive(Clone)]
pub struct Transfers {
    desk: Desk,
    numbers: Allocator,
    pipelines: Pipelines,
}

/// A lead's way to sales: what the sale is worth, what it follows, and what the lead must pass.
#[derive(Debug, Clone, Copy)]
pub struct Handover {
    pub amount: Money,
    pub gate: Gate,
    /// What the sale follows.
    pub pipeline: PipelineId,
}

/// Why a lead is not transferred.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The lead refuses, or the log does.
    #[error(transparent)]
    Lead(#[from] AggregateError<LeadError>),
    /// The sale could not be opened yet; the policy will open it.
    #[error(transparent)]
    Sale(#[from] AggregateError<SaleError>),
    /// The sale cannot follow that pipeline.
    #[error(transparent)]
    Pipeline(#[from] NoBeginning),
    /// The log does not answer.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There was no number for the sale.
    #[error(transparent)]
    Number(#[from] AggregateError<NumbersError>),
}

impl Transfers {
    /// Transfers over this desk.
    #[must_use]
    pub const fn new(desk: Desk, numbers: Allocator, pipelines: Pipelines) -> Self {
        Self {
            desk,
            numbers,
            pipelines,
        }
    }

    /// Hands a lead to sales, and answers the sale it became.
    pub async fn transfer(
        &self,
        lead: LeadId,
        handover: Handover,
        origin: &Origin,
    ) -> Result<(SaleId, Arc<Loaded<Sale>>), TransferError> {
        let workspace = &origin.workspace;
        let (pipelines, kind) = (&self.pipelines, Kind::Sale);
        let begins = pipelines.beginning(workspace, handover.pipeline, kind);
        let begins = begins.await?;
        let loaded = self.desk.load::<Lead>(workspace, lead).await?;
        let follows = loaded.state.open.as_ref().map(|lead| lead.pipeline);
        let follows = follows.unwrap_or(built_in::SALES_TEAM);
        let table = pipelines.followed(workspace, follows).await?;
        let command = |sale| LeadCommand::Transfer {
            sale,
            amount: handover.amount,
            gate: handover.gate,
            table: table.clone(),
            begins,
        };
        // A refusal costs no number: most are seen before one is taken.
        let sale = self.number_if_ready(lead, &loaded, command(SaleId(0)), origin);
        let sale = SaleId(sale.await?);
        let after = self.desk.send::<Lead>(lead, command(sale), origin).await?;
        // Another try of the same request has fixed the sale before.
        let open = after.state.open.as_ref();
        let fixed = open.and_then(|lead| Some((lead.transfer?, lead.sale_begins)));
        let ((sale, amount), begins) = fixed.unwrap_or(((sale, handover.amount), begins));
        let cause = after.last_commit().unwrap_or(origin.correlation);
        // As the policy does, so that both do it once.
        let workspace = origin.workspace.clone();
        let origin = Origin::because_of(workspace, POLICY, origin.correlation, cause);
        let opened = open_sale(&self.desk, lead, sale, (amount, begins), &origin);
        Ok((sale, opened.await?))
    }

    async fn number_if_ready(
        &self,
        lead: LeadId,
        loaded: &Loaded<Lead>,
        trial: LeadCommand,
        origin: &Origin,
    ) -> Result<u64, TransferError> {
        let holds = origin.holds_for::<Lead>(lead, loaded.version);
        holds.map_err(AggregateError::<LeadError>::from)?;
        match domain::event::Decide::decide(&loaded.state, trial) {
            // Perhaps by an earlier try of this request: its commit will tell.
            Err(LeadError::AlreadyTransferred { sale }) if origin.retried => return Ok(sale.0),
            Err(refusal) => return Err(AggregateError::UserError(refusal).into()),
            Ok(_) => {}
        }
        Ok(self.numbers.next(NumberKind::Sale, origin).await?)
    }
}

/// Opens the sale that a transfer fixed; opening it again changes nothing.
pub async fn open_sale(
    desk: &Desk,
    lead: LeadId,
    sale: SaleId,
    (amount, begins): (Money, Place),
    origin: &Origin,
) -> Outcome<Sale> {
    let command = SaleCommand::Open {
        lead,
        amount,
        begins,
    };
    desk.send::<Sale>(sale, command, origin).await
}
