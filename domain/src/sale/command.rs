//! What may be asked of a sale.

use serde::{Deserialize, Serialize};

use super::aggregate::Sale;
use super::event::SaleEvent;
use super::stage::SaleStage;
use crate::id::LeadId;
use crate::money::Money;

/// What may be asked of a sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum SaleCommand {
    /// Begin, because a lead was transferred.
    Open {
        /// The lead it was.
        lead: LeadId,
        /// What it is worth.
        amount: Money,
    },
    /// Append what reverses an earlier change, if the sale is still as it was seen.
    Compensate {
        /// How it was.
        seen: Box<Sale>,
        /// What reverses.
        events: Vec<SaleEvent>,
    },
    /// Move it along the pipeline.
    ChangeStage {
        /// Where to.
        to: SaleStage,
        /// The stage the caller was looking at, to refuse a stale screen.
        seen: Option<SaleStage>,
        /// Why, in a person's words.
        reason: Option<String>,
    },
}
