//! The conversion funnel: how many leads entered each stage, went on, were lost, and how long
//! they stayed.
//!
//! A lead counts on the day it came in, with the source and the domain it has now. Counts are
//! kept per day and, under the day `''`, for all time, so that a question without a period
//! costs the same however old the system is. Times are kept as histograms.

use std::collections::BTreeMap;

use cqrs_es::Aggregate as _;
use domain::lead::aggregate::Lead;
use domain::lead::event::LeadEvent;
use domain::lead::stage::{BusinessDomain, LeadSource, LeadStage};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sea_query::{Expr, ExprTrait as _, Func, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::Change;
use crate::projection::Projection;
use crate::views::{ReadError, Reader};

/// The conversion funnel.
pub struct Funnel;

/// One lead's way through the funnel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    source: Option<LeadSource>,
    business_domain: Option<BusinessDomain>,
    /// Every stage it entered, and when, in milliseconds since 1970.
    steps: Vec<(LeadStage, i64)>,
}

const ENTERED: &str = "entered";
const REACHED: &str = "reached";
const DROPPED: &str = "dropped";
/// The day under which all days are counted together.
const ALL_TIME: &str = "";

impl Projection for Funnel {
    const NAME: &'static str = "funnel";
    const VERSION: u32 = 2;
    const CATEGORY: &'static str = Lead::TYPE;
    type Record = Way;
    const COUNTED_BY: &'static [&'static str] =
        &["day", "source", "business_domain", "stage", "measure"];

    fn apply(mut way: Way, change: &Change) -> Way {
        let at = change.recorded.commit.at.as_millisecond();
        for event in change.events_of::<LeadEvent>() {
            match event {
                LeadEvent::Opened {
                    source,
                    business_domain,
                    ..
                } => {
                    way = Way {
                        source: Some(*source),
                        business_domain: *business_domain,
                        steps: vec![(LeadStage::New, at)],
                    };
                }
                LeadEvent::DomainSet { business_domain } => {
                    way.business_domain = Some(*business_domain);
                }
                LeadEvent::DomainCleared {} => way.business_domain = None,
                // A step that the table does not have is the undo of the one before.
                LeadEvent::StageChanged { from, to, .. } if !from.can_move_to(*to) => {
                    way.steps.pop();
                }
                LeadEvent::StageChanged { to, .. } => way.steps.push((*to, at)),
                LeadEvent::Transferred { .. } => way.steps.push((LeadStage::Transferred, at)),
                LeadEvent::ContactLinked { .. }
                | LeadEvent::MessagesRecorded { .. }
                | LeadEvent::MessagesWithdrawn { .. }
                | LeadEvent::ContactUnlinked {}
                | LeadEvent::AnalysisWithdrawn {}
                | LeadEvent::Analyzed(_) => {}
            }
        }
        way
    }

    fn counts(way: &Way) -> Vec<(Vec<String>, i64)> {
        let (Some(source), Some((_, came))) = (way.source, way.steps.first()) else {
            return Vec::new();
        };
        let domain = way.business_domain.map_or("", BusinessDomain::as_str);
        let days = [ALL_TIME.to_owned(), day(*came)];
        let measures = way.measures();
        let by = |day: &String, stage: LeadStage, measure: &String| {
            let key = [day, source.as_str(), domain, stage.as_str(), measure];
            (key.map(ToOwned::to_owned).to_vec(), 1)
        };
        days.iter()
            .flat_map(|day| {
                measures
                    .iter()
                    .map(move |(stage, measure)| by(day, *stage, measure))
            })
            .collect()
    }
}

impl Way {
    /// What it counts for, stage by stage.
    fn measures(&self) -> Vec<(LeadStage, String)> {
        let mut measures = Vec::new();
        for (index, (stage, entered)) in self.steps.iter().enumerate() {
            if *stage == LeadStage::Lost {
                continue;
            }
            measures.push((*stage, ENTERED.to_owned()));
            if let Some((next, left)) = self.steps.get(index + 1) {
                let outcome = if *next == LeadStage::Lost {
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

fn day(milliseconds: i64) -> String {
    let at = Timestamp::from_millisecond(milliseconds).unwrap_or_default();
    at.to_zoned(TimeZone::UTC).date().to_string()
}

/// One stage of the funnel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FunnelStage {
    /// Which.
    pub stage: LeadStage,
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
    /// Leads that came in.
    pub total: u64,
    /// Leads that became sales.
    pub transferred: u64,
    /// Their share, from 0 to 1; nothing where none came in.
    pub conversion: Option<f64>,
    /// Every stage but `lost`, in order.
    pub stages: Vec<FunnelStage>,
}

/// Which leads a funnel counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// First and last day they came in, as `2026-11-21`, where a period is asked.
    pub period: Option<(String, String)>,
    /// Where they came from.
    pub source: Option<LeadSource>,
    /// The line of business.
    pub business_domain: Option<BusinessDomain>,
}

/// The funnel of these leads.
pub async fn read(reader: &Reader, which: &Which) -> Result<FunnelView, ReadError> {
    let rows = reader
        .rows::<Funnel>(|tables| {
            let mut query = Query::select();
            query.columns(["stage", "measure"]).from(tables.counts());
            query.expr(Expr::expr(Func::sum(Expr::col("n"))).cast_as("bigint"));
            query.and_where(Expr::col("workspace").eq(reader.workspace().as_str()));
            match &which.period {
                Some((from, to)) => {
                    query.and_where(Expr::col("day").between(from.as_str(), to.as_str()))
                }
                None => query.and_where(Expr::col("day").eq(ALL_TIME)),
            };
            if let Some(source) = which.source {
                query.and_where(Expr::col("source").eq(source.as_str()));
            }
            if let Some(domain) = which.business_domain {
                query.and_where(Expr::col("business_domain").eq(domain.as_str()));
            }
            query.group_by_columns(["stage", "measure"]);
            query
        })
        .await?;
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in &rows {
        counts.insert(
            (row.text(0).to_owned(), row.text(1).to_owned()),
            row.count(2),
        );
    }
    Ok(view(&counts))
}

fn view(counts: &BTreeMap<(String, String), u64>) -> FunnelView {
    let count = |stage: LeadStage, measure: &str| {
        counts
            .get(&(stage.to_string(), measure.to_owned()))
            .copied()
            .unwrap_or(0)
    };
    let stages = LeadStage::ALL
        .iter()
        .filter(|stage| **stage != LeadStage::Lost)
        .map(|stage| {
            let (entered, reached) = (count(*stage, ENTERED), count(*stage, REACHED));
            let times = counts.iter().filter(|((of, _), _)| of == stage.as_str());
            FunnelStage {
                stage: *stage,
                entered,
                reached,
                dropped: count(*stage, DROPPED),
                // Nothing comes after the last stage.
                conversion: if stage.next().is_empty() {
                    None
                } else {
                    share(reached, entered)
                },
                median_seconds: histogram::median(
                    times.map(|((_, measure), count)| (measure.as_str(), *count)),
                ),
            }
        });
    let (total, transferred) = (
        count(LeadStage::New, ENTERED),
        count(LeadStage::Transferred, ENTERED),
    );
    FunnelView {
        total,
        transferred,
        conversion: share(transferred, total),
        stages: stages.collect(),
    }
}

/// A share, rounded to four digits.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of leads are far below 2^53"
)]
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

/// Durations in buckets that grow by an eighth of an octave: a median read from them is at most
/// 4.5 percent off.
mod histogram {
    const PER_OCTAVE: f64 = 8.0;

    /// The bucket of a duration, named so that names sort as durations do.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "from 0 to 512"
    )]
    pub(super) fn bucket(milliseconds: i64) -> String {
        let octaves = (milliseconds.max(1) as f64).log2();
        format!("t{:03}", (octaves * PER_OCTAVE).floor() as u32)
    }

    /// The median in seconds of what these buckets hold.
    pub(super) fn median<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Option<f64> {
        let mut buckets: Vec<(f64, u64)> = counts
            .filter_map(|(name, count)| Some((name.strip_prefix('t')?.parse().ok()?, count)))
            .filter(|(_, count)| *count > 0)
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let half = buckets
            .iter()
            .map(|(_, count)| count)
            .sum::<u64>()
            .div_ceil(2);
        let mut seen = 0;
        let (bucket, _) = buckets.into_iter().find(|(_, count)| {
            seen += count;
            seen >= half
        })?;
        let middle = ((bucket + 0.5) / PER_OCTAVE).exp2() / 1000.0;
        Some((middle * 1000.0).round() / 1000.0)
    }

    #[cfg(test)]
    mod tests {
        use super::{bucket, median};

        #[test]
        fn the_median_is_within_five_percent() {
            for seconds in [1_i64, 59, 3600, 86_400, 31 * 86_400] {
                let name = bucket(seconds * 1000);
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let truth = seconds as f64;
                let found = median([("entered", 9), (name.as_str(), 3)].into_iter()).unwrap();
                assert!(
                    (found / truth - 1.0).abs() < 0.05,
                    "{seconds} s became {found}"
                );
            }
            assert_eq!(median([("entered", 9)].into_iter()), None);
        }

        #[test]
        fn half_of_them_are_below_the_median() {
            let (short, long) = (bucket(1000), bucket(60_000));
            let found = median([(short.as_str(), 5), (long.as_str(), 4)].into_iter()).unwrap();
            assert!(found < 2.0);
            let found = median([(short.as_str(), 4), (long.as_str(), 5)].into_iter()).unwrap();
            assert!(found > 50.0);
        }
    }
}
