//! The versions of screens before those of today: they answer until those of today are built, and
//! go with the release after the next.
//!
//! Before `deliveries` 2, none was forgotten. Before `due` 2, timers did not say since when they were set.
//! Before [`crate::slots`], the funnel was counted by days of UTC. Before [`crate::columns`], lists were in the
//! order of ids only; the first columns of today are those that there were. Before `leads` 5 and `contacts` 4,
//! records were not found by tags, and leads not by owner and title.

use crate::change::Change;
use crate::columns::{Kept, filter, kept_until};
use crate::db::Column;
use crate::listing::{Listing, RowChange};
use crate::projection::{Projection, Shown};
use crate::slots::{self, ALL_TIME, CAME};
use crate::{contacts, deliveries, due, funnel, leads, sales};

/// Counts of today that were kept for all time only, without saying so.
fn of_all_time(counts: Vec<(Vec<String>, i64)>) -> Vec<(Vec<String>, i64)> {
    let all_time = counts.into_iter().filter(|(key, _)| key[0] == ALL_TIME);
    all_time
        .map(|(key, count)| (key[1..].to_vec(), count))
        .collect()
}

/// A screen of today before it had all its columns and words: these columns, and all else as today.
macro_rules! as_today_but {
    ($(#[$meta:meta])* $screen:ident = $today:ty, version $version:literal, $columns:expr) => {
        $(#[$meta])*
        pub struct $screen;

        impl Projection for $screen {
            const NAME: &'static str = <$today>::NAME;
            const VERSION: u32 = $version;
            const CATEGORY: &'static str = <$today>::CATEGORY;
            type Record = <$today as Projection>::Record;
            const COUNTED_BY: &'static [&'static str] = <$today>::COUNTED_BY;

            fn columns() -> Vec<Kept> {
                $columns
            }

            fn apply(record: Self::Record, change: &Change) -> Self::Record {
                <$today>::apply(record, change)
            }

            fn shown(id: u64, record: &Self::Record) -> Shown {
                <$today>::shown(id, record)
            }

            fn counts(record: &Self::Record) -> Vec<(Vec<String>, i64)> {
                <$today>::counts(record)
            }
        }
    };
}

as_today_but! {
    /// Leads, in the order of their ids only.
    Leads = leads::Leads, version 3,
    ["stage", "source", "business_domain", CAME].map(filter).to_vec()
}

as_today_but! {
    /// Sales, in the order of their ids only.
    Sales = sales::Sales, version 2, ["stage", CAME].map(filter).to_vec()
}

as_today_but! {
    /// Contacts, in the order of their ids only.
    Contacts = contacts::Contacts, version 2, Vec::new()
}

as_today_but! {
    /// Leads that are not found by tag, owner and title.
    LeadsWithoutLabels = leads::Leads, version 4, kept_until::<leads::Leads>(4)
}

as_today_but! {
    /// Contacts that are not found by tag.
    ContactsWithoutLabels = contacts::Contacts, version 3, kept_until::<contacts::Contacts>(3)
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

/// Deliveries that stay until their webhook is removed.
pub struct Deliveries;

impl Listing for Deliveries {
    const NAME: &'static str = deliveries::Deliveries::NAME;
    const VERSION: u32 = 1;
    const COLUMNS: &'static [Column] = deliveries::Deliveries::COLUMNS;
    const KEY: usize = deliveries::Deliveries::KEY;
    const INDEXED: &'static [&'static [&'static str]] =
        deliveries::Deliveries::INDEXED.split_at(2).0;

    fn rows(change: &Change) -> Vec<RowChange> {
        let mut rows = deliveries::Deliveries::rows(change);
        rows.retain(|row| !matches!(row, RowChange::Prune { .. }));
        rows
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
            RowChange::Set { .. } | RowChange::Delete(_) | RowChange::Prune { .. } => row,
        };
        due::Due::rows(change).into_iter().map(without).collect()
    }
}
