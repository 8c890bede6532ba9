//! The conversion funnel: how many leads entered each stage, went on, were lost, and how long
//! they stayed.
//!
//! A lead counts when it came in, with the source and the domain it has now; [`crate::slots`] says
//! how. Times are kept as histograms.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_es::Aggregate as _;
use domain::lead::aggregate::Lead;
use domain::lead::event::LeadEvent;
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::pipeline::table::{Outcome, Stage, Table};
use domain::pipeline::{PipelineId, StageKey, built_in};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::Change;
use crate::columns::{Kept, filter};
use crate::histogram;
use crate::period::When;
use crate::pipelines;
use crate::projection::{Projection, Shown};
use crate::reports::sums::share;
use crate::slots::{self, CAME, Counts, SLOT, Slotted};
use crate::views::{ReadError, Reader};

/// The conversion funnel.
pub struct Funnel;

/// One lead's way through the funnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    source: Option<LeadSource>,
    business_domain: Option<BusinessDomain>,
    /// What it follows.
    #[serde(default = "PipelineId::of_a_lead")]
    pipeline: PipelineId,
    /// Every stage it entered, and when, in milliseconds since 1970.
    steps: Vec<(StageKey, i64)>,
    /// Which of them it was lost in.
    #[serde(default)]
    lost: BTreeSet<usize>,
    /// When it came in; records of version 2 know it to the millisecond only.
    #[serde(default)]
    came: Option<Timestamp>,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            source: None,
            business_domain: None,
            pipeline: PipelineId::of_a_lead(),
            steps: Vec::new(),
            lost: BTreeSet::new(),
            came: None,
        }
    }
}

const ENTERED: &str = "entered";
const REACHED: &str = "reached";
const DROPPED: &str = "dropped";

impl Projection for Funnel {
    const NAME: &'static str = "funnel";
    /// Version 4 is made as version 3 was, by programs that can read leads which follow pipelines.
    const VERSION: u32 = 4;
    const READ_SINCE: u32 = 2;
    const CATEGORY: &'static str = Lead::TYPE;
    type Record = Way;
    const COUNTED_BY: &'static [&'static str] =
        &[SLOT, "source", "business_domain", "stage", "measure"];

    fn columns() -> Vec<Kept> {
        vec![filter(CAME)]
    }

    fn apply(mut way: Way, change: &Change) -> Way {
        let at = change.recorded.commit.at.as_millisecond();
        for event in change.events_of::<LeadEvent>() {
            match event {
                LeadEvent::Opened {
                    source,
                    business_domain,
                    pipeline,
                    stage,
                    ..
                } => {
                    way = Way {
                        pipeline: *pipeline,
                        lost: BTreeSet::new(),
                        source: Some(*source),
                        business_domain: *business_domain,
                        steps: vec![(*stage, at)],
                        came: Some(change.recorded.commit.at),
                    };
                }
                LeadEvent::DomainSet { business_domain } => {
                    way.business_domain = Some(*business_domain);
                }
                LeadEvent::DomainCleared {} => way.business_domain = None,
                LeadEvent::StageChanged { to, .. } if change.undoes() && way.came_from(*to) => {
                    way.steps.pop();
                    way.lost.remove(&way.steps.len());
                }
                LeadEvent::StageChanged { to, outcome, .. } => {
                    if *outcome == Outcome::Lost {
                        way.lost.insert(way.steps.len());
                    }
                    way.steps.push((*to, at));
                }
                LeadEvent::Transferred { to, .. } => way.steps.push((*to, at)),
                LeadEvent::ContactLinked { .. }
                | LeadEvent::MessagesRecorded { .. }
                | LeadEvent::MessagesWithdrawn { .. }
                | LeadEvent::ContactUnlinked {}
                | LeadEvent::FieldChanged { .. }
                | LeadEvent::ExpectedAmountChanged { .. }
                | LeadEvent::TagAdded { .. }
                | LeadEvent::TagRemoved { .. }
                | LeadEvent::Noted { .. }
                | LeadEvent::NoteWithdrawn { .. }
                | LeadEvent::AnalysisWithdrawn {}
                | LeadEvent::Forgotten {}
                | LeadEvent::Analyzed(_) => {}
            }
        }
        way
    }

    fn counts(way: &Way) -> Vec<(Vec<String>, i64)> {
        let (Some(source), Some(came)) = (way.source, way.came()) else {
            return Vec::new();
        };
        let domain = way.business_domain.map_or("", BusinessDomain::as_str);
        let measures = way.measures();
        let by = |slot: &String, stage: StageKey, measure: &String| {
            let place = pipelines::word(way.pipeline, stage);
            let key = [slot, source.as_str(), domain, &place, measure];
            (key.map(ToOwned::to_owned).to_vec(), 1)
        };
        slots::of(came)
            .iter()
            .flat_map(|slot| {
                measures
                    .iter()
                    .map(move |(stage, measure)| by(slot, *stage, measure))
            })
            .collect()
    }

    /// Nothing; only when it came in, for those that are counted one by one.
    fn shown(_id: u64, way: &Way) -> Shown {
        Shown {
            columns: vec![way.came().map(slots::came).into()],
            body: None,
        }
    }
}

impl Slotted for Funnel {
    const SLOTTED_SINCE: u32 = 3;
    const SLOT_BEFORE: Option<&'static str> = Some("day");
}

impl Way {
    /// When it came in, where it did.
    pub(crate) fn came(&self) -> Option<Timestamp> {
        let (_, first) = self.steps.first()?;
        self.came
            .or_else(|| Timestamp::from_millisecond(*first).ok())
    }

    /// Whether it stood there before its last step.
    fn came_from(&self, stage: StageKey) -> bool {
        let before = self.steps.len().checked_sub(2);
        before.is_some_and(|before| self.steps[before].0 == stage)
    }

    /// Before there were other pipelines, the stage alone told.
    fn is_lost(&self, step: usize) -> bool {
        let usual =
            self.pipeline == PipelineId::of_a_lead() && self.steps[step].0 == built_in::LOST;
        usual || self.lost.contains(&step)
    }

    /// What it counts for, stage by stage.
    fn measures(&self) -> Vec<(StageKey, String)> {
        let mut measures = Vec::new();
        for (index, (stage, entered)) in self.steps.iter().enumerate() {
            if self.is_lost(index) {
                continue;
            }
            measures.push((*stage, ENTERED.to_owned()));
            if let Some((_, left)) = self.steps.get(index + 1) {
                let outcome = if self.is_lost(index + 1) {
                    DROPPED
                } else {
                    REACHED
                };
                measures.push((*stage, outcome.to_owned()));
                measures.push((*stage, histogram::bucket(left - entered)));
            }
        }
        measures
    }
}

/// One stage of the funnel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FunnelStage {
    /// Which.
    pub stage: StageKey,
    /// As people name it.
    pub name: String,
    /// Leads that entered it.
    pub entered: u64,
    /// Leads that reached the next stage from it.
    pub reached: u64,
    /// Leads that were lost in it.
    pub dropped: u64,
    /// The share that reached the next stage, from 0 to 1; nothing where none entered.
    pub conversion: Option<f64>,
    /// The median time from entering to leaving it, within 5 percent; nothing where none left.
    pub median_seconds: Option<f64>,
}

/// The funnel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FunnelView {
    /// Leads that came in: `leads` of reports.
    pub total: u64,
    /// Leads that were won: in `sales-team`, those that became sales. They are `leads_converted` of reports.
    pub transferred: u64,
    /// Their share, from 0 to 1; nothing where none came in: `conversion_rate` of reports.
    pub conversion: Option<f64>,
    /// Every stage but those that mean it was lost, in order.
    pub stages: Vec<FunnelStage>,
    /// The zone whose days `from` and `to` name.
    pub time_zone: String,
}

/// Which leads a funnel counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Which {
    /// What they follow.
    pub pipeline: Table,
    /// When they came in.
    pub when: When,
    /// Where they came from.
    pub source: Option<LeadSource>,
    /// The line of business.
    pub business_domain: Option<BusinessDomain>,
}

/// The funnel of these leads.
pub async fn read(reader: &Reader, which: &Which) -> Result<FunnelView, ReadError> {
    let source = which.source.map(|source| ("source", source.as_str()));
    let domain = which.business_domain;
    let domain = domain.map(|domain| ("business_domain", domain.as_str()));
    let only: Vec<_> = source.into_iter().chain(domain).collect();
    let by = ["stage", "measure"];
    let counts = slots::counted::<Funnel>(reader, which.when.period, &only, &by).await?;
    Ok(view(&counts, &which.pipeline, &which.when.zone))
}

fn view(counts: &Counts, table: &Table, zone: &str) -> FunnelView {
    let counts: BTreeMap<_, _> = counts
        .iter()
        .map(|(key, count)| ((key[0].as_str(), key[1].as_str()), count.unsigned_abs()))
        .collect();
    let stages = table.stages.iter();
    let stages = stages.filter(|stage| stage.outcome != Outcome::Lost);
    let stages = stages.filter_map(|stage| {
        let view = stage_view(&counts, stage, &pipelines::word(table.key, stage.key));
        stage.is_shown(view.entered).then_some(view)
    });
    let stages: Vec<FunnelStage> = stages.collect();
    let entered: u64 = stages.iter().map(|stage| stage.entered).sum();
    let reached: u64 = stages.iter().map(|stage| stage.reached).sum();
    // Of each lead one stage is the last one; from all others it reached another.
    let total = entered.saturating_sub(reached);
    let is_won = |stage: &&FunnelStage| table.outcome(stage.stage) == Outcome::Won;
    let won = stages.iter().filter(is_won);
    let won = won.map(|stage| stage.entered - stage.reached).sum();
    FunnelView {
        total,
        transferred: won,
        conversion: share(won, total),
        stages,
        time_zone: zone.to_owned(),
    }
}

type ByStage<'a> = BTreeMap<(&'a str, &'a str), u64>;

fn stage_view(counts: &ByStage<'_>, stage: &Stage, word: &str) -> FunnelStage {
    let count = |measure: &str| counts.get(&(word, measure)).copied().unwrap_or(0);
    let (entered, reached) = (count(ENTERED), count(REACHED));
    let times = counts.iter().filter(|((of, _), _)| *of == word);
    FunnelStage {
        stage: stage.key,
        name: stage.name.clone(),
        entered,
        reached,
        dropped: count(DROPPED),
        // Nothing comes after a last stage.
        conversion: share(reached, entered).filter(|_| !stage.next.is_empty()),
        median_seconds: histogram::median(times.map(|((_, measure), count)| (*measure, *count))),
    }
}
