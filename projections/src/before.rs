//! The versions of screens before those of today: they answer until those of today are built, and
//! go with the release after the next.
//!
//! Before `due` 2, timers did not say since when they were set. Before [`crate::slots`], leads and
//! sales were counted for all time only, and the funnel by days
//! of UTC. Before [`crate::total`], an amount was counted in one number.

use crate::change::Change;
use crate::db::{Column, signed};
use crate::listing::{Listing, RowChange};
use crate::projection::{Projection, Shown};
use crate::slots::{self, ALL_TIME};
use crate::{due, funnel, leads, sales};

/// Counts of today that were kept for all time only, without saying so.
fn of_all_time(counts: Vec<(Vec<String>, i64)>) -> Vec<(Vec<String>, i64)> {
    let all_time = counts.into_iter().filter(|(key, _)| key[0] == ALL_TIME);
    all_time
        .map(|(key, count)| (key[1..].to_vec(), count))
        .collect()
}

/// Leads, counted for all time only.
pub struct Leads;

impl Projection for Leads {
    const NAME: &'static str = leads::Leads::NAME;
    const VERSION: u32 = 1;
    const CATEGORY: &'static str = leads::Leads::CATEGORY;
    type Record = <leads::Leads as Projection>::Record;
    const FILTERS: &'static [&'static str] = &["stage", "source", "business_domain"];
    const COUNTED_BY: &'static [&'static str] = &["measure", "stage"];

    fn apply(record: Self::Record, change: &Change) -> Self::Record {
        leads::Leads::apply(record, change)
    }

    fn shown(id: u64, record: &Self::Record) -> Shown {
        leads::Leads::shown(id, record)
    }

    fn counts(record: &Self::Record) -> Vec<(Vec<String>, i64)> {
        of_all_time(leads::Leads::counts(record))
    }
}

/// Sales, counted for all time only.
pub struct Sales;

impl Projection for Sales {
    const NAME: &'static str = sales::Sales::NAME;
    const VERSION: u32 = 1;
    const CATEGORY: &'static str = sales::Sales::CATEGORY;
    type Record = <sales::Sales as Projection>::Record;
    const FILTERS: &'static [&'static str] = &["stage"];
    const COUNTED_BY: &'static [&'static str] = &["stage", "currency", "measure"];

    fn apply(record: Self::Record, change: &Change) -> Self::Record {
        sales::Sales::apply(record, change)
    }

    fn shown(id: u64, record: &Self::Record) -> Shown {
        sales::Sales::shown(id, record)
    }

    /// An amount in one number.
    fn counts(record: &Self::Record) -> Vec<(Vec<String>, i64)> {
        let Some(sale) = &record.state.open else {
            return Vec::new();
        };
        let (stage, currency) = (sale.stage.to_string(), sale.amount.currency.to_string());
        let by = |measure: &str| vec![stage.clone(), currency.clone(), measure.to_owned()];
        vec![(by("sales"), 1), (by("minor"), signed(sale.amount.minor))]
    }
}

/// The funnel, counted for all time and by days of UTC.
pub struct Funnel;

impl Projection for Funnel {
    const NAME: &'static str = funnel::Funnel::NAME;
    const VERSION: u32 = 2;
    const CATEGORY: &'static str = funnel::Funnel::CATEGORY;
    type Record = funnel::Way;
    const COUNTED_BY: &'static [&'static str] =
        &["day", "source", "business_domain", "stage", "measure"];

    fn apply(way: Self::Record, change: &Change) -> Self::Record {
        funnel::Funnel::apply(way, change)
    }

    fn counts(way: &Self::Record) -> Vec<(Vec<String>, i64)> {
        let all_time = of_all_time(funnel::Funnel::counts(way));
        let Some(came) = way.came() else {
            return Vec::new();
        };
        let days = [ALL_TIME.to_owned(), slots::date(came.as_microsecond())];
        let on = |day: &String| {
            let day = day.clone();
            all_time.iter().map(move |(key, count)| {
                let key = std::iter::once(day.clone()).chain(key.iter().cloned());
                (key.collect(), *count)
            })
        };
        days.iter().flat_map(on).collect()
    }
}

/// Timers that do not say since when they are set.
pub struct Due;

impl Listing for Due {
    const NAME: &'static str = due::Due::NAME;
    const VERSION: u32 = 1;
    const COLUMNS: &'static [Column] = due::Due::COLUMNS.split_at(5).0;
    const KEY: usize = due::Due::KEY;
    const INDEXED: &'static [&'static [&'static str]] = &[&["at"]];

    fn rows(change: &Change) -> Vec<RowChange> {
        let without = |row| match row {
            RowChange::Put(mut values) => {
                values.truncate(Self::COLUMNS.len());
                RowChange::Put(values)
            }
            RowChange::Set { .. } | RowChange::Delete(_) => row,
        };
        due::Due::rows(change).into_iter().map(without).collect()
    }
}
