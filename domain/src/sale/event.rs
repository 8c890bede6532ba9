//! Facts about a sale, with their stored names and versions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::stored;
use crate::id::LeadId;
use crate::money::Money;
use crate::pipeline::table::Outcome;
use crate::pipeline::{PipelineId, StageKey};

/// What happened to a sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum SaleEvent {
    /// A lead was handed over.
    #[serde(rename = "sale.opened")]
    Opened {
        /// The lead it was.
        lead: LeadId,
        /// What it is worth.
        amount: Money,
        /// What it follows; before version 2 all followed `sales`.
        pipeline: PipelineId,
        /// Where it begins.
        stage: StageKey,
    },
    /// It moved on.
    #[serde(rename = "sale.stage_changed")]
    StageChanged {
        /// Where it stood.
        from: StageKey,
        /// Where it stands.
        to: StageKey,
        /// What that meant then.
        outcome: Outcome,
        /// Why, in a person's words.
        reason: Option<String>,
    },
    /// What it is worth was corrected.
    #[serde(rename = "sale.amount_changed")]
    AmountChanged {
        /// What it was.
        from: Money,
        /// What it is.
        to: Money,
    },
}

stored!(SaleEvent {
    Opened = "sale.opened" v 2,
    StageChanged = "sale.stage_changed" v 3 personal { reason: person },
    AmountChanged = "sale.amount_changed" v 1,
});
