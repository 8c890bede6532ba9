//! What another scoring rule would have said of the leads that there were: history replayed under
//! two rules at once, and nothing touched.
//!
//! A score is computed at every event of a lead. Under a rule, a lead was ready for sales from the
//! first event at which it stood in `qualified`, its domain was known and its score was enough. Leads of
//! other pipelines than `sales-team` are left out: no score transfers them.

use std::collections::{HashMap, HashSet};

use cqrs_es::Aggregate as _;
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use domain::lead::scoring::{Rules, Score};
use domain::pipeline::{self, StageKey, built_in};
use domain::sale::event::SaleEvent;
use jiff::Timestamp;
use journal::store::Loaded;
use journal::token::Token;
use serde::Serialize;

use crate::change::{Change, Followed};
use crate::period::Period;

/// History under several rules.
pub struct Backtest {
    workspace: Token,
    rules: Vec<Rules>,
    min_score: Score,
    came: Option<Period>,
    leads: HashMap<LeadId, Seen>,
    left_out: HashSet<LeadId>,
    /// Which lead each sale was.
    sales: HashMap<u64, LeadId>,
}

#[derive(Default)]
struct Seen {
    lead: Loaded<Lead>,
    /// When it was ready first, under each rule.
    ready: Vec<Option<Timestamp>>,
    reached: Vec<StageKey>,
    paid: bool,
}

/// The funnel of the same leads under one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Leads that came in.
    pub came_in: u64,
    /// Of them, contacted.
    pub contacted: u64,
    /// Of them, qualified.
    pub qualified: u64,
    /// Of them, ready for sales under this rule.
    pub ready: u64,
    /// Of those that came in, really transferred.
    pub transferred: u64,
    /// Really transferred, and never ready under this rule.
    pub transferred_not_ready: u64,
    /// Of those that came in, really paid.
    pub paid: u64,
    /// Really paid, and ready under this rule: what it would have found.
    pub paid_and_ready: u64,
    /// Median hours from coming in until ready; nothing where none was.
    pub hours_until_ready: Option<f64>,
}

impl Backtest {
    /// Of leads of a workspace that came in in this period, or ever.
    #[must_use]
    pub fn new(
        workspace: Token,
        rules: Vec<Rules>,
        min_score: Score,
        came: Option<Period>,
    ) -> Self {
        Self {
            workspace,
            rules,
            min_score,
            came,
            leads: HashMap::new(),
            left_out: HashSet::new(),
            sales: HashMap::new(),
        }
    }

    /// Sees what stands next in the log. A lead of which something cannot be read is left out from
    /// then on, as if it had never come in.
    pub fn see(&mut self, followed: &Followed) {
        match followed {
            Followed::Change(change) => self.see_change(change),
            Followed::Unreadable(unreadable) if unreadable.fault.is_passed_over() => {}
            Followed::Unreadable(unreadable) => {
                let stream = unreadable.stream.as_ref();
                let ours = stream.filter(|stream| {
                    stream.workspace == self.workspace && stream.category.as_str() == Lead::TYPE
                });
                let lead = ours.and_then(|stream| stream.id.as_str().parse().ok());
                if let Some(lead) = lead.map(LeadId) {
                    self.left_out.insert(lead);
                    self.leads.remove(&lead);
                }
            }
        }
    }

    /// How many leads are left out, because something of them cannot be read.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out.len()
    }

    fn see_change(&mut self, change: &Change) {
        let Some(number) = change.number() else {
            return;
        };
        if change.recorded.commit.workspace != self.workspace {
            return;
        }
        if change.recorded.commit.category.as_str() == Lead::TYPE {
            self.see_lead(LeadId(number), change);
        }
        for event in change.events_of::<SaleEvent>() {
            match event {
                SaleEvent::Opened { lead, .. } => drop(self.sales.insert(number, *lead)),
                SaleEvent::StageChanged {
                    outcome: pipeline::table::Outcome::Won,
                    ..
                } => {
                    if let Some(lead) = self
                        .sales
                        .get(&number)
                        .and_then(|lead| self.leads.get_mut(lead))
                    {
                        lead.paid = true;
                    }
                }
                SaleEvent::StageChanged { .. } | SaleEvent::AmountChanged { .. } => {}
            }
        }
    }

    fn see_lead(&mut self, id: LeadId, change: &Change) {
        if self.left_out.contains(&id) {
            return;
        }
        let seen = self.leads.entry(id).or_default();
        seen.lead = change.follows(std::mem::take(&mut seen.lead));
        let (Some(open), Some(created)) = (&seen.lead.state.open, seen.lead.created_at) else {
            return;
        };
        if seen.reached.last() != Some(&open.stage) {
            seen.reached.push(open.stage);
        }
        let at = change.recorded.commit.at;
        let inputs = open.inputs(created, at);
        seen.ready.resize(self.rules.len(), None);
        for (rules, ready) in self.rules.iter().zip(&mut seen.ready) {
            let enough = || rules.score(&inputs).0 >= self.min_score;
            if ready.is_none()
                && open.stage == built_in::QUALIFIED
                && inputs.has_business_domain
                && enough()
            {
                *ready = Some(at);
            }
        }
    }

    /// What came of it, rule by rule.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        let came_then = |seen: &&Seen| {
            let open = seen.lead.state.open.as_ref();
            if open.is_none_or(|lead| lead.pipeline != built_in::SALES_TEAM) {
                return false;
            }
            let came = seen.lead.created_at;
            came.is_some_and(|came| self.came.is_none_or(|period| period.contains(came)))
        };
        let leads: Vec<_> = self.leads.values().filter(came_then).collect();
        (0..self.rules.len())
            .map(|rule| outcome(&leads, rule))
            .collect()
    }
}

fn outcome(leads: &[&Seen], rule: usize) -> Outcome {
    let count =
        |holds: &dyn Fn(&Seen) -> bool| leads.iter().filter(|seen| holds(seen)).count() as u64;
    let ready = |seen: &Seen| seen.ready.get(rule).copied().flatten();
    let reached = |stage: StageKey| count(&|seen| seen.reached.contains(&stage));
    let mut hours: Vec<f64> = leads
        .iter()
        .filter_map(|seen| {
            Some(
                ready(seen)?
                    .duration_since(seen.lead.created_at?)
                    .as_secs_f64()
                    / 3600.0,
            )
        })
        .collect();
    hours.sort_by(f64::total_cmp);
    let was_transferred = |seen: &Seen| seen.reached.contains(&built_in::TRANSFERRED);
    Outcome {
        came_in: leads.len() as u64,
        contacted: reached(built_in::CONTACTED),
        qualified: reached(built_in::QUALIFIED),
        ready: count(&|seen| ready(seen).is_some()),
        transferred: count(&was_transferred),
        transferred_not_ready: count(&|seen| was_transferred(seen) && ready(seen).is_none()),
        paid: count(&|seen| seen.paid),
        paid_and_ready: count(&|seen| seen.paid && ready(seen).is_some()),
        hours_until_ready: hours
            .get(hours.len() / 2)
            .map(|hours| (hours * 100.0).round() / 100.0),
    }
}
