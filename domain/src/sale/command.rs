//! What may be asked of a sale.

use serde::{Deserialize, Serialize};

use super::event::SaleEvent;
use crate::id::LeadId;
use crate::money::Money;
use crate::pipeline::table::{Place, Table};
use crate::pipeline::{StageKey, built_in};

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
        /// Where it begins.
        #[serde(default = "Place::of_a_sale")]
        begins: Place,
    },
    /// Append what reverses an earlier change; asked behind a known commit only.
    Compensate {
        /// What reverses.
        events: Vec<SaleEvent>,
    },
    /// Correct what it is worth.
    ChangeAmount {
        /// What it is worth.
        amount: Money,
    },
    /// Move it along the pipeline.
    ChangeStage {
        /// Where to.
        to: StageKey,
        /// The stage the caller was looking at, to refuse a stale screen.
        seen: Option<StageKey>,
        /// Why, in a person's words.
        reason: Option<String>,
        /// The pipeline as it stands.
        #[serde(default = "built_in::sales")]
        table: Table,
    },
}
