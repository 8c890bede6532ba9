//! What is counted: facts of leads and sales, each at its moment, with what describes it.

use std::collections::BTreeSet;

use domain::money::Money;
use domain::names;
use domain::pipeline::table::Outcome;
use serde::{Deserialize, Serialize};

names! {
    /// Kinds of facts.
    pub enum Kind {
        /// A lead, when it came in.
        LeadOpened = "lead_opened",
        /// A lead that is won by now, when it came in.
        LeadConverted = "lead_converted",
        /// A lead, when it entered the won stage that it stands in.
        LeadWon = "lead_won",
        /// A lead, when it entered the lost stage that it stands in.
        LeadLost = "lead_lost",
        /// A sale, when it was opened.
        SaleOpened = "sale_opened",
        /// A sale that is won by now, when it was opened.
        SaleConverted = "sale_converted",
        /// A sale, when it entered the won stage that it stands in.
        SaleWon = "sale_won",
        /// A sale, when it entered the lost stage that it stands in.
        SaleLost = "sale_lost",
    }
}

names! {
    /// What facts can be grouped and narrowed by.
    pub enum Dimension {
        /// Of sales, and of nothing else.
        Currency = "currency",
        /// The lead's, or the sale's own.
        Pipeline = "pipeline",
        /// Where the lead or the sale stands.
        Stage = "stage",
        /// Whether that is open, won or lost.
        Outcome = "outcome",
        /// Where the lead came from.
        Source = "source",
        /// The lead's line of business.
        BusinessDomain = "business_domain",
        /// Who works on the lead.
        Owner = "owner",
        /// Why it was won or lost, in a person's words.
        Reason = "reason",
        /// The lead's tags: one with two of them counts under both.
        Tag = "tag",
    }
}

impl Dimension {
    /// Those that a fact has one value of.
    pub const SINGLE: [Self; 8] = [
        Self::Currency,
        Self::Pipeline,
        Self::Stage,
        Self::Outcome,
        Self::Source,
        Self::BusinessDomain,
        Self::Owner,
        Self::Reason,
    ];

    /// What it says, for the list of reports.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Currency => "the sale's currency (ISO 4217); money is never added across it",
            Self::Pipeline => "the pipeline that the lead, or the sale, follows",
            Self::Stage => "the stage that the lead, or the sale, stands in",
            Self::Outcome => "open, won or lost, as that stage is",
            Self::Source => "where the lead came from; a sale has its lead's",
            Self::BusinessDomain => "the lead's line of business; a sale has its lead's",
            Self::Owner => "who works on the lead; a sale has its lead's",
            Self::Reason => {
                "why it was won or lost, as somebody wrote it: the first 200 characters"
            }
            Self::Tag => {
                "the lead's tags; what has two counts under both, so the rows add up to more than all"
            }
        }
    }

    pub(super) const fn place(self) -> usize {
        self as usize
    }
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Which.
    pub kind: Kind,
    /// The lead's number, or the sale's.
    pub id: u64,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// The values of [`Dimension::SINGLE`]; empty where there is none.
    pub described: [String; 8],
    /// The lead's tags.
    pub tags: BTreeSet<String>,
    /// The sale's amount in minor units.
    pub minor: u64,
    /// From opening to winning, in milliseconds.
    pub lasted: Option<i64>,
}

impl Fact {
    /// Its values of a dimension: of each but tags one.
    #[must_use]
    pub fn values(&self, dimension: Dimension) -> Vec<&str> {
        match dimension {
            Dimension::Tag if self.tags.is_empty() => vec![""],
            Dimension::Tag => self.tags.iter().map(String::as_str).collect(),
            Dimension::Currency
            | Dimension::Pipeline
            | Dimension::Stage
            | Dimension::Outcome
            | Dimension::Source
            | Dimension::BusinessDomain
            | Dimension::Owner
            | Dimension::Reason => vec![self.described[dimension.place()].as_str()],
        }
    }

    /// The same without anything that a person wrote.
    #[must_use]
    pub fn wordless(mut self) -> Self {
        for dimension in [Dimension::Owner, Dimension::Reason] {
            self.described[dimension.place()].clear();
        }
        self.tags.clear();
        self
    }
}

/// Where a lead or a sale stands, since when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The pipeline that it follows.
    pub pipeline: String,
    /// The stage's key.
    pub stage: String,
    /// What that stage means.
    pub outcome: Outcome,
    /// When it entered the stage, in microseconds since 1970.
    pub since: i64,
    /// Why, in a person's words.
    pub reason: Option<String>,
}

/// What describes a lead and every sale of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// Where it came from.
    pub source: String,
    /// The line of business.
    pub business_domain: Option<String>,
    /// Who works on it.
    pub owner: Option<String>,
    /// In lower case.
    pub tags: BTreeSet<String>,
}

/// A lead or a sale, from which its facts follow.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its number.
    pub id: u64,
    /// When it was opened, in microseconds since 1970.
    pub opened: i64,
    /// Where it stands.
    pub standing: &'a Standing,
    /// What it is worth; leads are worth nothing yet.
    pub amount: Option<Money>,
    /// What describes its lead.
    pub described: &'a Described,
}

impl Subject<'_> {
    /// Its facts: of these kinds when it was opened, opened and won, won, and lost.
    #[must_use]
    pub fn facts(&self, [opened, converted, won, lost]: [Kind; 4]) -> Vec<Fact> {
        let standing = self.standing;
        let mut facts = vec![self.fact(opened, self.opened)];
        match standing.outcome {
            Outcome::Open => {}
            Outcome::Won => {
                let lasted = (standing.since - self.opened).max(0) / 1000;
                facts.push(self.fact(converted, self.opened));
                facts.push(Fact {
                    lasted: Some(lasted),
                    ..self.closed(won)
                });
            }
            Outcome::Lost => facts.push(self.closed(lost)),
        }
        facts
    }

    fn closed(&self, kind: Kind) -> Fact {
        let mut fact = self.fact(kind, self.standing.since);
        let reason = self.standing.reason.clone().unwrap_or_default();
        fact.described[Dimension::Reason.place()] = reason;
        fact
    }

    fn fact(&self, kind: Kind, at: i64) -> Fact {
        let (standing, described) = (self.standing, self.described);
        let currency = self.amount.map(|amount| amount.currency.to_string());
        Fact {
            kind,
            id: self.id,
            at,
            described: [
                currency.unwrap_or_default(),
                standing.pipeline.clone(),
                standing.stage.clone(),
                standing.outcome.as_str().to_owned(),
                described.source.clone(),
                described.business_domain.clone().unwrap_or_default(),
                described.owner.clone().unwrap_or_default(),
                String::new(),
            ],
            tags: described.tags.clone(),
            minor: self.amount.map_or(0, |amount| amount.minor),
            lasted: None,
        }
    }
}
