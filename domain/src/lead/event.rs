//! Facts about a lead, with their stored names and versions.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::details::LeadField;
use super::scoring::{Recommendation, Score};
use super::source::{BusinessDomain, LeadSource};
use crate::event::stored;
use crate::id::{ContactId, SaleId};
use crate::money::Money;
use crate::pipeline::table::{Outcome, Place};
use crate::pipeline::{PipelineId, StageKey};

/// What happened to a lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum LeadEvent {
    /// It came in.
    #[serde(rename = "lead.opened")]
    Opened {
        /// Where it came from.
        source: LeadSource,
        /// The line of business, where it is known.
        business_domain: Option<BusinessDomain>,
        /// Whose interest it is, where that is known.
        contact: Option<ContactId>,
        /// What it follows; before version 2 all followed `sales-team`.
        pipeline: PipelineId,
        /// Where it begins.
        stage: StageKey,
    },
    /// Its line of business became known, or was corrected.
    #[serde(rename = "lead.domain_set")]
    DomainSet {
        /// The line of business.
        business_domain: BusinessDomain,
    },
    /// It became known whose interest it is.
    #[serde(rename = "lead.contact_linked")]
    ContactLinked {
        /// The person.
        contact: ContactId,
    },
    /// It moved on.
    #[serde(rename = "lead.stage_changed")]
    StageChanged {
        /// Where it stood.
        from: StageKey,
        /// Where it stands.
        to: StageKey,
        /// What that meant then.
        outcome: Outcome,
        /// Why, in a person's words; version 1 had none, and version 2 did not seal it.
        reason: Option<String>,
    },
    /// Messages were exchanged with it.
    #[serde(rename = "lead.messages_recorded")]
    MessagesRecorded {
        /// How many more.
        increment: u32,
        /// How many in all.
        total: u64,
    },
    /// It was judged.
    #[serde(rename = "lead.analyzed")]
    Analyzed(Analysis),
    /// What it is about is not known after all.
    #[serde(rename = "lead.domain_cleared")]
    DomainCleared {},
    /// Whose interest it is is not known after all.
    #[serde(rename = "lead.contact_unlinked")]
    ContactUnlinked {},
    /// Messages were counted by mistake.
    #[serde(rename = "lead.messages_withdrawn")]
    MessagesWithdrawn {
        /// How many fewer.
        decrement: u32,
        /// How many in all.
        total: u64,
    },
    /// It was judged by mistake, and had not been judged before.
    #[serde(rename = "lead.analysis_withdrawn")]
    AnalysisWithdrawn {},
    /// It was handed to sales; from here on the sale is followed. It is won, without another event that
    /// says so.
    #[serde(rename = "lead.transferred")]
    Transferred {
        /// Where it stood.
        from: StageKey,
        /// Where it stands.
        to: StageKey,
        /// The sale that it becomes.
        sale: SaleId,
        /// What the sale is worth.
        amount: Money,
        /// Where the sale begins.
        begins: Place,
    },
    /// One text was set, or cleared.
    #[serde(rename = "lead.field_changed")]
    FieldChanged {
        /// Which.
        field: LeadField,
        /// What it was.
        from: Option<String>,
        /// What it is.
        to: Option<String>,
    },
    /// What it may bring became known, was corrected, or is not known after all.
    #[serde(rename = "lead.expected_amount_changed")]
    ExpectedAmountChanged {
        /// What it was.
        from: Option<Money>,
        /// What it is.
        to: Option<Money>,
    },
    /// It was tagged.
    #[serde(rename = "lead.tag_added")]
    TagAdded {
        /// In lower case.
        tag: String,
    },
    /// A tag was taken off.
    #[serde(rename = "lead.tag_removed")]
    TagRemoved {
        /// In lower case.
        tag: String,
    },
    /// Somebody wrote something down about it.
    #[serde(rename = "lead.noted")]
    Noted {
        /// Of this lead's notes, from 1 up.
        number: u32,
        /// What.
        text: String,
    },
    /// A note was written by mistake; it stands in the history, crossed out by this.
    #[serde(rename = "lead.note_withdrawn")]
    NoteWithdrawn {
        /// Which.
        number: u32,
        /// What it said.
        text: String,
    },
    /// A person whom it is or was about asked to be forgotten: what was written of it before it was known
    /// whose it is, and is sealed with its own key, cannot be read any more.
    #[serde(rename = "lead.forgotten")]
    Forgotten {},
}

/// A judgement of a lead, by the rules or by a language model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// How good it is.
    pub score: Score,
    /// What to do next.
    pub recommendation: Recommendation,
    /// Why, in words a person can check.
    pub reason: String,
    /// Who judged: `rules` or the model's name.
    pub analyst: String,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

stored!(LeadEvent {
    Opened = "lead.opened" v 2,
    DomainSet = "lead.domain_set" v 1,
    ContactLinked = "lead.contact_linked" v 1,
    StageChanged = "lead.stage_changed" v 4 personal { reason: person },
    MessagesRecorded = "lead.messages_recorded" v 1,
    Analyzed = "lead.analyzed" v 2 personal { reason: person },
    DomainCleared = "lead.domain_cleared" v 1,
    ContactUnlinked = "lead.contact_unlinked" v 1,
    MessagesWithdrawn = "lead.messages_withdrawn" v 1,
    AnalysisWithdrawn = "lead.analysis_withdrawn" v 1,
    Transferred = "lead.transferred" v 2,
    FieldChanged = "lead.field_changed" v 1 personal { from: person, to: person },
    ExpectedAmountChanged = "lead.expected_amount_changed" v 1,
    TagAdded = "lead.tag_added" v 1 personal { tag: person },
    TagRemoved = "lead.tag_removed" v 1 personal { tag: person },
    Noted = "lead.noted" v 1 personal { text: person },
    NoteWithdrawn = "lead.note_withdrawn" v 1 personal { text: person },
    Forgotten = "lead.forgotten" v 1,
});
