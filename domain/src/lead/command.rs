//! What may be asked of a lead.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::details::Edit;
use super::event::{Analysis, LeadEvent};
use super::scoring::Score;
use super::source::{BusinessDomain, LeadSource};
use crate::id::{ContactId, SaleId};
use crate::money::Money;
use crate::pipeline::table::{Place, Table};
use crate::pipeline::{StageKey, built_in};

/// What may be asked of a lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum LeadCommand {
    /// Begin.
    Open {
        /// Where it came from.
        source: LeadSource,
        /// The line of business, where it is known.
        business_domain: Option<BusinessDomain>,
        /// Whose interest it is, where that is known.
        contact: Option<ContactId>,
        /// What else is known.
        #[serde(default)]
        edit: Edit,
        /// Where it begins.
        #[serde(default = "Place::of_a_lead")]
        begins: Place,
    },
    /// Say or correct what it is about and whose it is; what is `None` stays, `Some(None)` is not
    /// known after all.
    Describe {
        /// The line of business.
        #[serde(default, with = "crate::clearing")]
        business_domain: Option<Option<BusinessDomain>>,
        /// The person.
        #[serde(default, with = "crate::clearing")]
        contact: Option<Option<ContactId>>,
        /// What people write of it.
        #[serde(default)]
        edit: Edit,
    },
    /// One tag more.
    AddTag {
        /// The tag.
        tag: String,
    },
    /// One tag less.
    RemoveTag {
        /// The tag.
        tag: String,
    },
    /// Write something down about it.
    Note {
        /// What.
        text: String,
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
        #[serde(default = "built_in::sales_team")]
        table: Table,
    },
    /// Count messages exchanged with it.
    RecordMessages {
        /// How many more; 1 to 10 000.
        increment: u32,
    },
    /// Keep a judgement.
    RecordAnalysis(Analysis),
    /// Append what reverses an earlier change; asked behind a known commit only.
    Compensate {
        /// What reverses.
        events: Vec<LeadEvent>,
    },
    /// Forget what people wrote of it.
    Forget,
    /// Hand it to sales.
    Transfer {
        /// The number of the sale to be opened.
        sale: SaleId,
        /// What the sale is worth.
        amount: Money,
        /// The conditions it must pass.
        gate: Gate,
        /// The pipeline as it stands.
        #[serde(default = "built_in::sales_team")]
        table: Table,
        /// Where the sale begins.
        #[serde(default = "Place::of_a_sale")]
        begins: Place,
    },
}

/// The conditions of a transfer that are settings, not rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// The lowest score that may pass (`MIN_TRANSFER_SCORE`).
    pub min_score: Score,
    /// An analysis from before this moment is too old to count (`AI_ANALYSIS_STALE_DAYS`).
    pub fresh_after: Timestamp,
}
