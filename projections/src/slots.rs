//! Counts by when something came in: for all time, by day and by quarter of an hour, so that any
//! period is a sum of few counts, however long the history.
//!
//! Days and quarters are those of UTC. The days of every zone begin at one of these quarters: its
//! offset is a multiple of a quarter of an hour. Where a period begins or ends within one, the
//! records that came in there are counted one by one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sea_query::{Cond, Expr, ExprTrait, Func, Query, SelectStatement};

use crate::period::Period;
use crate::projection::Projection;
use crate::table::Tables;
use crate::views::{ReadError, Reader, ScreenName};

/// The column of counts that says when.
pub const SLOT: &str = "slot";
/// The column of records that says when, for those that are counted one by one.
pub const CAME: &str = "came";
/// The slot under which everything is counted.
pub const ALL_TIME: &str = "";

const QUARTER: i64 = 15 * 60 * 1_000_000;
const DAY: i64 = 24 * 4 * QUARTER;

/// A projection whose counts are kept by [`SLOT`], its first column, and whose records say when
/// they came in [`CAME`].
pub trait Slotted: Projection {
    /// Since which of its versions.
    const SLOTTED_SINCE: u32;
    /// The column that said when in the versions before, where there was one; all days were
    /// counted together under [`ALL_TIME`] there too.
    const SLOT_BEFORE: Option<&'static str>;
}

/// Counts, by what was asked for.
pub type Counts = BTreeMap<Vec<String>, i64>;

/// The slots of something that came in at this moment.
#[must_use]
pub fn of(came: Timestamp) -> [String; 3] {
    of_microsecond(came.as_microsecond())
}

/// The same of a moment in microseconds since 1970.
pub(crate) fn of_microsecond(came: i64) -> [String; 3] {
    [ALL_TIME.to_owned(), day(came), quarter(came)]
}

/// A moment as [`CAME`] keeps it: texts in the order of time.
#[must_use]
pub fn came(at: Timestamp) -> String {
    text(at.as_microsecond())
}

/// What the records that came in then, or ever, are counted for, by these columns.
pub async fn counted<P: Slotted>(
    reader: &Reader,
    period: Option<Period>,
    only: &[(&'static str, &str)],
    by: &[&'static str],
) -> Result<Counts, ReadError> {
    let screen = ScreenName::of::<P>();
    let parts = period.map(Parts::of);
    let screen = match &parts {
        Some(parts) if !parts.are_days_of::<P>() => screen.since(P::SLOTTED_SINCE),
        Some(_) | None => screen,
    };
    let mut counts = Counts::new();
    if parts.as_ref().is_none_or(Parts::has_slots) {
        let sums = |tables: &Tables| {
            sums(
                reader,
                tables,
                within::<P>(tables, parts.as_ref()),
                only,
                by,
            )
        };
        counts = read(&reader.rows_of(screen, sums).await?, by.len());
    }
    let edges = parts.map(|parts| parts.edges).unwrap_or_default();
    if !edges.is_empty() {
        let query = |tables: &Tables| came_within(reader, tables, &edges);
        for row in reader.rows_of(screen, query).await? {
            if let Ok(record) = serde_json::from_str(row.text(0)) {
                add::<P>(&mut counts, &record, only, by);
            }
        }
    }
    Ok(counts)
}

/// Which slots of a generation these parts are; all time where there are none.
fn within<P: Slotted>(tables: &Tables, parts: Option<&Parts>) -> Option<Expr> {
    if tables.version() >= P::SLOTTED_SINCE {
        let all_time = || Expr::col(SLOT).eq(ALL_TIME);
        return Some(parts.map_or_else(all_time, Parts::within_slots));
    }
    let column = P::SLOT_BEFORE?;
    Some(match parts.and_then(|parts| parts.days) {
        Some((from, to)) => between(column, &date(from), &date(to)),
        None => Expr::col(column).eq(ALL_TIME),
    })
}

fn sums(
    reader: &Reader,
    tables: &Tables,
    when: Option<Expr>,
    only: &[(&'static str, &str)],
    by: &[&'static str],
) -> SelectStatement {
    let mut query = Query::select();
    query
        .columns(by.iter().copied())
        .expr(Expr::expr(Func::sum(Expr::col("n"))).cast_as("bigint"))
        .from(tables.counts());
    query.and_where(Expr::col("workspace").eq(reader.workspace().as_str()));
    query.and_where_option(when);
    for (column, value) in only {
        query.and_where(Expr::col(*column).eq(*value));
    }
    query.group_by_columns(by.iter().copied());
    query
}

fn read(rows: &[crate::db::Row], by: usize) -> Counts {
    let key = |row: &crate::db::Row| (0..by).map(|column| row.text(column).to_owned()).collect();
    rows.iter().map(|row| (key(row), row.int(by))).collect()
}

fn came_within(reader: &Reader, tables: &Tables, edges: &[(i64, i64)]) -> SelectStatement {
    let within = edges.iter().fold(Cond::any(), |any, (from, to)| {
        let from = Expr::col(CAME).gte(text(*from));
        any.add(from.and(Expr::col(CAME).lt(text(*to))))
    });
    let mut query = Query::select();
    query.column("record").from(tables.records());
    query.and_where(Expr::col("workspace").eq(reader.workspace().as_str()));
    query.cond_where(within);
    query
}

/// One record's counts, as the table of counts has them for all time.
fn add<P: Slotted>(
    counts: &mut Counts,
    record: &P::Record,
    only: &[(&'static str, &str)],
    by: &[&'static str],
) {
    for (key, count) in P::counts(record) {
        let value = |column: &str| {
            let columns = P::COUNTED_BY.iter().zip(&key);
            let mut values = columns.filter(|(name, _)| **name == column);
            values.next().map(|(_, value)| value.as_str())
        };
        let counted = value(SLOT) == Some(ALL_TIME)
            && only
                .iter()
                .all(|(column, wanted)| value(column) == Some(wanted));
        if counted {
            let key = by
                .iter()
                .map(|column| value(column).unwrap_or_default().to_owned());
            *counts.entry(key.collect()).or_default() += count;
        }
    }
}

/// What a period is made of: each from the first of two moments until before the second.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Whole days of UTC.
    pub(crate) days: Option<(i64, i64)>,
    /// Whole quarters of an hour.
    pub(crate) quarters: Vec<(i64, i64)>,
    /// What no slot fits.
    pub(crate) edges: Vec<(i64, i64)>,
}

impl Parts {
    pub(crate) fn of(period: Period) -> Self {
        let (from, to) = period.microseconds();
        let (first, last) = (up(from, QUARTER), down(to, QUARTER));
        if first > last {
            let edges = some([(from, to)]);
            return Self {
                edges,
                ..Self::default()
            };
        }
        let edges = some([(from, first), (last, to)]);
        let (begin, end) = (up(first, DAY), down(last, DAY));
        if begin < end {
            return Self {
                days: Some((begin, end)),
                quarters: some([(first, begin), (end, last)]),
                edges,
            };
        }
        Self {
            days: None,
            quarters: some([(first, last)]),
            edges,
        }
    }

    const fn has_slots(&self) -> bool {
        self.days.is_some() || !self.quarters.is_empty()
    }

    /// Whether the tables before had the same parts.
    fn are_days_of<P: Slotted>(&self) -> bool {
        P::SLOT_BEFORE.is_some() && self.quarters.is_empty() && self.edges.is_empty()
    }

    fn within_slots(&self) -> Expr {
        let days = self.days.map(|(from, to)| (day(from), day(to)));
        let quarters = self.quarters.iter();
        let quarters = quarters.map(|(from, to)| (quarter(*from), quarter(*to)));
        let within = days.into_iter().chain(quarters);
        within
            .map(|(from, to)| between(SLOT, &from, &to))
            .reduce(ExprTrait::or)
            .unwrap_or_else(|| Expr::val(false))
    }
}

/// Those that are not empty.
fn some(parts: impl IntoIterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let some = parts.into_iter().filter(|(from, to)| from < to);
    some.collect()
}

pub(crate) fn between(column: &'static str, from: &str, to: &str) -> Expr {
    let behind = Expr::col(column).gte(from);
    behind.and(Expr::col(column).lt(to))
}

/// The day of UTC as tables before [`Slotted::SLOTTED_SINCE`] name it.
pub(crate) fn date(at: i64) -> String {
    let at = Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX);
    TimeZone::UTC.to_datetime(at).date().to_string()
}

/// The day of UTC that a moment is in. A letter first: days and quarters are compared among
/// themselves only.
pub(crate) fn day(at: i64) -> String {
    format!("d{:06}", at.div_euclid(DAY))
}

pub(crate) fn quarter(at: i64) -> String {
    format!("q{:08}", at.div_euclid(QUARTER))
}

/// When a day or a quarter begins.
pub(crate) fn begin_of(slot: &str) -> Option<i64> {
    let length = match slot.get(..1)? {
        "d" => DAY,
        "q" => QUARTER,
        _ => return None,
    };
    Some(slot[1..].parse::<i64>().ok()? * length)
}

pub(crate) fn text(at: i64) -> String {
    format!("{:018}", Ord::max(at, 0))
}

const fn down(at: i64, step: i64) -> i64 {
    at - at.rem_euclid(step)
}

const fn up(at: i64, step: i64) -> i64 {
    down(at + step - 1, step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DAY, Parts, QUARTER, day, quarter, text};
    use crate::period::Period;

    /// How often something that came in at this moment is counted in these parts.
    fn times(parts: &Parts, at: i64) -> usize {
        let days = parts.days.iter();
        let days = days.filter(|(from, to)| (day(*from)..day(*to)).contains(&day(at)));
        let quarters = parts.quarters.iter();
        let quarters =
            quarters.filter(|(from, to)| (quarter(*from)..quarter(*to)).contains(&quarter(at)));
        let edges = parts.edges.iter();
        let edges = edges.filter(|(from, to)| (text(*from)..text(*to)).contains(&text(at)));
        days.count() + quarters.count() + edges.count()
    }

    proptest! {
        #[test]
        fn what_came_in_in_a_period_is_counted_once_and_nothing_else(
            from in 0..40 * DAY,
            length in prop_oneof![0..3 * QUARTER, 0..3 * DAY, Just(0), (0..9_i64).prop_map(|n| n * QUARTER)],
            ats in prop::collection::vec(0..45 * DAY, 50),
        ) {
            let to = from + length;
            let parts = Parts::of(Period::between(from, to));
            let edges = [from - 1, from, from + 1, to - 1, to, to + 1].map(|at| at.max(0));
            for at in ats.into_iter().chain(edges) {
                prop_assert_eq!(times(&parts, at), usize::from(from <= at && at < to), "{} in {:?}", at, parts);
            }
        }
    }

    #[test]
    fn a_year_is_a_sum_of_few_parts() {
        let parts = Parts::of(Period::between(2 * QUARTER, 365 * DAY + 7 * QUARTER));
        assert_eq!(parts.edges, []);
        assert_eq!(parts.quarters.len(), 2, "{parts:?}");
        assert_eq!(parts.days, Some((DAY, 365 * DAY)));
    }
}
