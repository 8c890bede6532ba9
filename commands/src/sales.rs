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
use domain::sale::aggregate::{Sale, SaleError};
use domain::sale::command::SaleCommand;
use journal::store::Loaded;

use crate::desk::{Desk, Outcome, failed};
use crate::numbers::Allocator;
use crate::origin::Origin;

/// The actor that opens sales.
pub const POLICY: &str = "policy:transfer";

/// Transfers leads to sales. Cheap to clone.
#[derive(Clone)]
pub struct Transfers {
    desk: Desk,
    numbers: Allocator,
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
    /// There was no number for the sale.
    #[error(transparent)]
    Number(#[from] AggregateError<NumbersError>),
}

impl Transfers {
    /// Transfers over this desk.
    #[must_use]
    pub const fn new(desk: Desk, numbers: Allocator) -> Self {
        Self { desk, numbers }
    }

    /// Hands a lead to sales, and answers the sale it became.
    pub async fn transfer(
        &self,
        lead: LeadId,
        amount: Money,
        gate: Gate,
        origin: &Origin,
    ) -> Result<(SaleId, Arc<Loaded<Sale>>), TransferError> {
        // A refusal costs no number: most are seen before one is taken.
        let sale = SaleId(self.number_if_ready(lead, amount, gate, origin).await?);
        let command = LeadCommand::Transfer { sale, amount, gate };
        let after = self.desk.send::<Lead>(lead, command, origin).await?;
        // Another try of the same request has fixed the sale before.
        let fixed = after.state.open.as_ref().and_then(|lead| lead.transfer);
        let (sale, amount) = fixed.unwrap_or((sale, amount));
        let cause = after.last_commit().unwrap_or(origin.correlation);
        // As the policy does, so that both do it once.
        let workspace = origin.workspace.clone();
        let origin = Origin::because_of(workspace, POLICY, origin.correlation, cause);
        let opened = open_sale(&self.desk, lead, sale, amount, &origin);
        Ok((sale, opened.await?))
    }

    async fn number_if_ready(
        &self,
        lead: LeadId,
        amount: Money,
        gate: Gate,
        origin: &Origin,
    ) -> Result<u64, TransferError> {
        let loaded = self
            .desk
            .load::<Lead>(&origin.workspace, lead)
            .await
            .map_err(failed::<LeadError>)?;
        let holds = origin.holds_for::<Lead>(lead, loaded.version);
        holds.map_err(AggregateError::<LeadError>::from)?;
        let trial = LeadCommand::Transfer {
            sale: SaleId(0),
            amount,
            gate,
        };
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
    amount: Money,
    origin: &Origin,
) -> Outcome<Sale> {
    desk.send::<Sale>(sale, SaleCommand::Open { lead, amount }, origin)
        .await
}
