//! What is remembered of a lead and of the sales it became, change by change.
//!
//! Words that people wrote are held as long as their person is not forgotten, and never what stands in
//! their place afterwards: history read again leaves the same facts as history seen live.

use std::collections::BTreeMap;

use domain::event::ERASED;
use domain::lead::details::LeadField;
use domain::lead::event::LeadEvent;
use domain::lead::source::BusinessDomain;
use domain::money::Money;
use domain::pipeline::StageKey;
use domain::pipeline::table::{Outcome, Place};
use domain::sale::event::SaleEvent;
use serde::{Deserialize, Serialize};

use super::facts::{Described, Fact, Kind, Standing, Subject};
use crate::change::Change;

/// How long after a person was forgotten words of their lead are left out: other processes seal with a
/// destroyed key for some seconds more, and what they seal cannot be read soon after.
const DEAF: i64 = 60_000_000;

/// How much of a text is kept, in characters: rows are told apart by it. Only reasons may be longer.
pub const MAX_WORDS: usize = 200;

/// A lead and the sales it became.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journey {
    id: u64,
    lead: Option<Opened>,
    described: Described,
    sales: BTreeMap<u64, Opened>,
    /// The moment of its last change, in microseconds since 1970; it never goes back.
    known: i64,
    /// When a person of it was forgotten last.
    forgotten: Option<i64>,
    /// Since when each of [`Self::facts`] is known.
    since: Vec<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Opened {
    at: i64,
    standing: Standing,
    amount: Option<Money>,
}

impl Opened {
    /// Stands in another stage from now on. Of what is open no reason is kept: nothing is counted by it.
    fn step(&mut self, to: StageKey, outcome: Outcome, at: i64, reason: Option<String>) {
        self.standing = Standing {
            stage: to.to_string(),
            outcome,
            since: at,
            reason: reason.filter(|_| outcome != Outcome::Open),
            ..self.standing.clone()
        };
    }

    const fn subject<'a>(&'a self, id: u64, described: &'a Described) -> Subject<'a> {
        Subject {
            id,
            opened: self.at,
            standing: &self.standing,
            amount: self.amount,
            described,
        }
    }
}

/// A fact, and from when until before when it was known, in microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFact {
    /// The fact.
    pub fact: Fact,
    /// From this moment on.
    pub since: i64,
    /// Until before this one; [`NOW`] for what is known still.
    pub until: i64,
}

/// The end of what is known still.
pub const NOW: i64 = i64::MAX;

impl Journey {
    /// Of the lead with this number, before anything is known.
    #[must_use]
    pub fn of(id: u64) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// After a change of the lead. Answers the facts that it ended or began.
    pub fn lead_changed(&mut self, change: &Change) -> Vec<KnownFact> {
        self.followed(change, |journey, at| {
            for event in change.events_of::<LeadEvent>() {
                journey.lead(event, at);
            }
        })
    }

    /// After a change of one of its sales. Answers the facts that it ended or began.
    pub fn sale_changed(&mut self, sale: u64, change: &Change) -> Vec<KnownFact> {
        self.followed(change, |journey, at| {
            for event in change.events_of::<SaleEvent>() {
                journey.sale(sale, event, at);
            }
        })
    }

    /// After a person of it was forgotten, by a change of the lead.
    pub fn forgot(&mut self, change: &Change) -> Vec<KnownFact> {
        let changed = self.followed(change, |journey, at| {
            journey.forgotten = Some(at);
            journey.described.owner = None;
            journey.described.tags.clear();
            let opened = journey.lead.iter_mut().chain(journey.sales.values_mut());
            opened.for_each(|opened| opened.standing.reason = None);
        });
        let wordless = |known: KnownFact| KnownFact {
            fact: known.fact.wordless(),
            ..known
        };
        changed.into_iter().map(wordless).collect()
    }

    fn followed(&mut self, change: &Change, by: impl FnOnce(&mut Self, i64)) -> Vec<KnownFact> {
        let at = change.recorded.commit.at.as_microsecond();
        let known = self.known.max(at);
        let before: Vec<_> = self
            .facts()
            .into_iter()
            .zip(std::mem::take(&mut self.since))
            .collect();
        self.known = known;
        by(self, at);
        let after = self.facts();
        let since = |fact: &Fact| {
            let same = before.iter().find(|(old, _)| old == fact);
            same.map_or(known, |(_, since)| *since)
        };
        self.since = after.iter().map(since).collect();
        let began = after.iter().zip(&self.since);
        let began = began.filter(|(fact, _)| !before.iter().any(|(old, _)| old == *fact));
        let began = began.map(|(fact, since)| KnownFact {
            fact: fact.clone(),
            since: *since,
            until: NOW,
        });
        let ended = before.iter().filter(|(old, _)| !after.contains(old));
        let ended = ended.map(|(fact, since)| KnownFact {
            fact: fact.clone(),
            since: *since,
            until: known,
        });
        ended.chain(began).collect()
    }

    /// What is counted of it now.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        let lead = self.lead.iter().flat_map(|lead| {
            let kinds = [
                Kind::LeadOpened,
                Kind::LeadConverted,
                Kind::LeadWon,
                Kind::LeadLost,
            ];
            lead.subject(self.id, &self.described).facts(kinds)
        });
        let sales = self.sales.iter().flat_map(|(id, sale)| {
            let kinds = [
                Kind::SaleOpened,
                Kind::SaleConverted,
                Kind::SaleWon,
                Kind::SaleLost,
            ];
            sale.subject(*id, &self.described).facts(kinds)
        });
        lead.chain(sales).collect()
    }

    fn lead(&mut self, event: &LeadEvent, at: i64) {
        match event {
            LeadEvent::Opened {
                source,
                business_domain,
                pipeline,
                stage,
                ..
            } => {
                let (pipeline, stage) = (*pipeline, *stage);
                let begins = Place { pipeline, stage };
                let domain = business_domain.map(BusinessDomain::as_str);
                self.described = Described {
                    source: source.as_str().to_owned(),
                    business_domain: domain.map(ToOwned::to_owned),
                    ..Described::default()
                };
                self.lead = Some(Opened {
                    at,
                    standing: standing(begins, Outcome::Open, at, None),
                    amount: None,
                });
            }
            LeadEvent::DomainSet { business_domain } => {
                self.described.business_domain = Some(business_domain.as_str().to_owned());
            }
            LeadEvent::DomainCleared {} => self.described.business_domain = None,
            LeadEvent::StageChanged {
                to,
                outcome,
                reason,
                ..
            } => {
                let reason = self.words(reason.as_deref(), at);
                if let Some(lead) = &mut self.lead {
                    lead.step(*to, *outcome, at, reason);
                }
            }
            LeadEvent::Transferred { to, .. } => {
                if let Some(lead) = &mut self.lead {
                    lead.step(*to, Outcome::Won, at, None);
                }
            }
            LeadEvent::FieldChanged {
                field: LeadField::Owner,
                to,
                ..
            } => {
                self.described.owner = self.words(to.as_deref(), at);
            }
            LeadEvent::TagAdded { tag } => {
                let tag = self.words(Some(tag), at);
                self.described.tags.extend(tag);
            }
            LeadEvent::TagRemoved { tag } => {
                self.described.tags.remove(tag);
            }
            LeadEvent::FieldChanged { .. }
            | LeadEvent::ContactLinked { .. }
            | LeadEvent::ContactUnlinked {}
            | LeadEvent::MessagesRecorded { .. }
            | LeadEvent::MessagesWithdrawn { .. }
            | LeadEvent::ExpectedAmountChanged { .. }
            | LeadEvent::Noted { .. }
            | LeadEvent::NoteWithdrawn { .. }
            | LeadEvent::Analyzed(_)
            | LeadEvent::AnalysisWithdrawn {}
            // Forgotten is what `forgot` is called for.
            | LeadEvent::Forgotten {} => {}
        }
    }

    fn sale(&mut self, id: u64, event: &SaleEvent, at: i64) {
        match event {
            SaleEvent::Opened {
                amount,
                pipeline,
                stage,
                ..
            } => {
                let (pipeline, stage) = (*pipeline, *stage);
                let begins = Place { pipeline, stage };
                let opened = Opened {
                    at,
                    standing: standing(begins, Outcome::Open, at, None),
                    amount: Some(*amount),
                };
                self.sales.insert(id, opened);
            }
            SaleEvent::StageChanged {
                to,
                outcome,
                reason,
                ..
            } => {
                let reason = self.words(reason.as_deref(), at);
                if let Some(sale) = self.sales.get_mut(&id) {
                    sale.step(*to, *outcome, at, reason);
                }
            }
            SaleEvent::AmountChanged { to, .. } => {
                if let Some(sale) = self.sales.get_mut(&id) {
                    sale.amount = Some(*to);
                }
            }
        }
    }

    /// What somebody wrote, where it is there and may be kept.
    fn words(&self, text: Option<&str>, at: i64) -> Option<String> {
        let deaf = self.forgotten.is_some_and(|then| at <= then + DEAF);
        let text = text.filter(|text| *text != ERASED && !deaf);
        text.map(|text| text.chars().take(MAX_WORDS).collect())
    }
}

/// Where a lead or a sale stands since then.
fn standing(place: Place, outcome: Outcome, since: i64, reason: Option<String>) -> Standing {
    Standing {
        pipeline: place.pipeline.to_string(),
        stage: place.stage.to_string(),
        outcome,
        since,
        reason,
    }
}
