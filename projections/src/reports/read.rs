//! Answers a question: from the counts, however long the history; as of a moment from the facts that lie
//! in the period, of which a page at a time is held.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use journal::token::Token;
use sea_query::{Expr, ExprTrait, Func, Order, Query, SelectStatement};

use super::calendar::Part;
use super::facts::{Dimension, Kind};
use super::journey::NOW;
use super::measures::Measure;
use super::screen::{PER_TAG, Reports, SUMS};
use super::sums::{Cell, Figure, Sums};
use crate::db::Row;
use crate::histogram;
use crate::period::Period;
use crate::slots::{self, ALL_TIME, Parts, SLOT};
use crate::table::{COUNTS, FACTS, Tables, named};
use crate::total::Total;
use crate::views::{ReadError, Reader};

/// Rows of an answer, at most.
pub const MOST_ROWS: usize = 10_000;
/// Parts that one query adds up.
const PARTS_AT_ONCE: usize = 40;
/// Counts that one query reads, at most.
const MOST_COUNTS: u64 = 200_000;
/// Facts that are held at a time.
const PAGE: u64 = 2_000;
/// The first moment that is counted.
const BEGIN: i64 = 0;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// Which figure.
    pub measure: &'static Measure,
    /// The parts of the period, in order, without gaps; nothing for all time.
    pub parts: Vec<Part>,
    /// By what it is grouped.
    pub by: Vec<Dimension>,
    /// What is counted: facts with these values. Empty is what has none.
    pub only: Vec<(Dimension, String)>,
    /// What was known at this moment; nothing for what is known now.
    pub as_of: Option<Timestamp>,
}

/// A row of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRow {
    /// The first day of the day, week or month, where the period is divided.
    pub period: Option<Date>,
    /// The values of what it is grouped by.
    pub group: Vec<String>,
    /// The figure.
    pub figure: Figure,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The read models do not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There would be more rows than an answer may have.
    #[error("more than {MOST_ROWS} rows")]
    TooManyRows,
}

/// What was counted, by part and group.
type Cells = BTreeMap<(usize, Vec<String>), Cell>;

impl Question {
    /// By what its rows are told apart: money also by currency.
    #[must_use]
    pub fn grouped_by(&self) -> Vec<Dimension> {
        let mut by = self.by.clone();
        if self.measure.is_money() && !by.contains(&Dimension::Currency) {
            by.push(Dimension::Currency);
        }
        by
    }

    /// Its rows.
    pub async fn answer(&self, reader: &Reader) -> Result<Vec<ReportRow>, ReportError> {
        let parts = self.counted_parts();
        let mut cells = Cells::new();
        for kind in self.measure.kinds() {
            match self.as_of {
                Some(at) => {
                    let known = at.as_microsecond();
                    let ranges = spans(&parts);
                    self.add_facts(reader, kind, &ranges, Some(known), &parts, &mut cells)
                        .await?;
                }
                None => self.add_counts(reader, kind, &parts, &mut cells).await?,
            }
        }
        self.rows(&cells)
    }

    /// The parts, behind one for all that was before where that counts too.
    fn counted_parts(&self) -> Vec<Part> {
        let Some(first) = self.parts.first() else {
            return Vec::new();
        };
        let before = Part {
            first_day: None,
            from: BEGIN,
            to: first.from,
        };
        let before = self.measure.is_a_state().then_some(before);
        before
            .into_iter()
            .chain(self.parts.iter().copied())
            .collect()
    }

    fn rows(&self, cells: &Cells) -> Result<Vec<ReportRow>, ReportError> {
        let mut groups: BTreeSet<Vec<String>> = BTreeSet::new();
        groups.extend(cells.keys().map(|(_, group)| group.clone()));
        if self.grouped_by().is_empty() {
            groups.insert(Vec::new());
        }
        let shown: Vec<Option<Date>> = match self.parts.len() {
            0 => vec![None],
            _ => self.parts.iter().map(|part| part.first_day).collect(),
        };
        let skipped = usize::from(self.measure.is_a_state() && !self.parts.is_empty());
        if groups.len().saturating_mul(shown.len()) > MOST_ROWS {
            return Err(ReportError::TooManyRows);
        }
        let nothing = Cell::default();
        let mut rows = Vec::new();
        for group in groups {
            let mut so_far = Cell::default();
            let mut of_group = Vec::new();
            for number in 0..shown.len() + skipped {
                let cell = cells.get(&(number, group.clone())).unwrap_or(&nothing);
                so_far.add(cell);
                if let Some(period) = number.checked_sub(skipped).and_then(|at| shown.get(at)) {
                    of_group.push(ReportRow {
                        period: *period,
                        group: group.clone(),
                        figure: self.measure.figure(cell, &so_far),
                    });
                }
            }
            let empty = of_group.iter().all(|row| row.figure.is_nothing());
            // Who asks for all together hears that it is nothing.
            if !empty || group.is_empty() {
                rows.extend(of_group);
            }
        }
        rows.sort_by(|one, other| (one.period, &one.group).cmp(&(other.period, &other.group)));
        Ok(rows)
    }

    async fn add_counts(
        &self,
        reader: &Reader,
        kind: Kind,
        parts: &[Part],
        cells: &mut Cells,
    ) -> Result<(), ReportError> {
        if parts.is_empty() {
            return self.add_slots(reader, kind, None, &[], cells).await;
        }
        let mut edges = Vec::new();
        for some in parts.chunks(PARTS_AT_ONCE) {
            edges.extend(some.iter().flat_map(|part| slotted(part).edges));
            if let Some(within) = within(some) {
                self.add_slots(reader, kind, Some(within), parts, cells)
                    .await?;
            }
        }
        self.add_facts(reader, kind, &edges, None, parts, cells)
            .await
    }

    async fn add_slots(
        &self,
        reader: &Reader,
        kind: Kind,
        within: Option<Expr>,
        parts: &[Part],
        cells: &mut Cells,
    ) -> Result<(), ReportError> {
        let query =
            |tables: &Tables| self.counts_query(tables, reader.workspace(), kind, within.clone());
        let rows = reader.rows_of(Reports::screen(), query).await?;
        if rows.len() as u64 > MOST_COUNTS {
            return Err(ReportError::TooManyRows);
        }
        let groups = self.grouped_by().len();
        for row in rows {
            let part = slots::begin_of(row.text(0)).and_then(|at| part_of(parts, at));
            let group = (0..groups).map(|column| row.text(column + 2).to_owned());
            let cell = cells
                .entry((part.unwrap_or(0), group.collect()))
                .or_default();
            let sums = sums_of(&row, groups + 2, row.text(1));
            cell.0.entry(kind).or_default().add(&sums, 1);
            is_bounded(cells)?;
        }
        Ok(())
    }

    /// Slot, how long it lasted, groups, sums: of all time where no slots are named.
    #[must_use]
    pub fn counts_query(
        &self,
        tables: &Tables,
        workspace: &Token,
        kind: Kind,
        within: Option<Expr>,
    ) -> SelectStatement {
        let mut query = Query::select();
        let slotted = within.is_some();
        let mut by: Vec<&'static str> = Vec::new();
        by.extend(slotted.then_some(SLOT));
        by.extend(self.measure.needs_durations().then_some("lasted"));
        for column in [SLOT, "lasted"] {
            if by.contains(&column) {
                query.column(column);
            } else {
                query.expr_as(Expr::val(""), column);
            }
        }
        let grouped = self.grouped_by();
        query.columns(grouped.iter().map(|dimension| dimension.as_str()));
        by.extend(grouped.iter().map(|dimension| dimension.as_str()));
        for sum in SUMS {
            query.expr(Expr::expr(Func::sum(Expr::col(sum))).cast_as("bigint"));
        }
        query.from(named(&tables.part(COUNTS)));
        query.and_where(Expr::col("workspace").eq(workspace.as_str()));
        let per_tag = if self.is_about_tags() { PER_TAG } else { "" };
        query.and_where(Expr::col("fact").eq(format!("{}{per_tag}", kind.as_str())));
        query.and_where(within.unwrap_or_else(|| Expr::col(SLOT).eq(ALL_TIME)));
        for (dimension, value) in &self.only {
            query.and_where(Expr::col(dimension.as_str()).eq(value.as_str()));
        }
        if !by.is_empty() {
            query.group_by_columns(by);
        }
        query.limit(MOST_COUNTS + 1);
        query
    }

    fn is_about_tags(&self) -> bool {
        let only = self.only.iter().map(|(dimension, _)| dimension);
        self.by.iter().chain(only).any(|one| *one == Dimension::Tag)
    }

    async fn add_facts(
        &self,
        reader: &Reader,
        kind: Kind,
        ranges: &[(i64, i64)],
        known: Option<i64>,
        parts: &[Part],
        cells: &mut Cells,
    ) -> Result<(), ReportError> {
        for range in ranges {
            let mut behind = None;
            loop {
                let query = |tables: &Tables| {
                    self.facts_query(tables, reader.workspace(), kind, *range, known, behind)
                };
                let rows = reader.rows_of(Reports::screen(), query).await?;
                for row in &rows {
                    self.add_fact(kind, row, parts, cells);
                }
                is_bounded(cells)?;
                let Some(last) = rows.last().filter(|_| rows.len() as u64 == PAGE) else {
                    break;
                };
                behind = Some([last.int(0), last.int(1), last.int(2)]);
            }
        }
        Ok(())
    }

    /// The facts of a kind in a range, in order, behind this moment, number and since. They are narrowed
    /// when they are added: a database that expected few of them would read and sort the range for
    /// each page.
    #[must_use]
    pub fn facts_query(
        &self,
        tables: &Tables,
        workspace: &Token,
        kind: Kind,
        (from, to): (i64, i64),
        known: Option<i64>,
        behind: Option<[i64; 3]>,
    ) -> SelectStatement {
        const ORDER: [&str; 3] = ["at", "id", "since"];
        let mut query = Query::select();
        query
            .columns(ORDER)
            .columns(["minor", "milliseconds", "tags"]);
        query.columns(Dimension::SINGLE.map(Dimension::as_str));
        query.from(named(&tables.part(FACTS)));
        query.and_where(Expr::col("workspace").eq(workspace.as_str()));
        query.and_where(Expr::col("fact").eq(kind.as_str()));
        query.and_where(Expr::col("at").gte(from));
        query.and_where(Expr::col("at").lt(to));
        match known {
            Some(at) => {
                query.and_where(Expr::col("since").lte(at));
                query.and_where(Expr::col("until").gt(at));
            }
            None => {
                query.and_where(Expr::col("until").eq(NOW));
            }
        }
        if let Some(behind) = behind {
            let here = Expr::tuple(ORDER.map(Expr::col));
            query.and_where(here.gt(Expr::tuple(behind.map(Expr::val))));
        }
        for column in ORDER {
            query.order_by(column, Order::Asc);
        }
        query.limit(PAGE);
        query
    }

    fn add_fact(&self, kind: Kind, row: &Row, parts: &[Part], cells: &mut Cells) {
        let tags: BTreeSet<String> = serde_json::from_str(row.text(5)).unwrap_or_default();
        let tags: Vec<String> = match (self.is_about_tags(), tags.is_empty()) {
            (false, _) | (true, true) => vec![String::new()],
            (true, false) => tags.into_iter().collect(),
        };
        let part = part_of(parts, row.int(0)).unwrap_or(0);
        for tag in tags {
            let value = |by: &Dimension| match Dimension::SINGLE.iter().position(|one| one == by) {
                Some(place) => row.text(6 + place).to_owned(),
                None => tag.clone(),
            };
            if self.only.iter().any(|(by, wanted)| value(by) != *wanted) {
                continue;
            }
            let group = self.grouped_by().iter().map(value).collect();
            let cell = cells.entry((part, group)).or_default();
            let lasted = row.int(4);
            let bucket = if lasted < 0 {
                String::new()
            } else {
                histogram::bucket(lasted)
            };
            let sums = Sums {
                number: 1,
                minor: row.int(3).into(),
                milliseconds: Ord::max(lasted, 0).into(),
                lasted: BTreeMap::from([(bucket, 1)]),
            };
            cell.0.entry(kind).or_default().add(&sums, 1);
        }
    }
}

/// A row that holds more groups than may be answered is not read to its end.
fn is_bounded(cells: &Cells) -> Result<(), ReportError> {
    if cells.len() > 2 * MOST_ROWS {
        return Err(ReportError::TooManyRows);
    }
    Ok(())
}

fn sums_of(row: &Row, first: usize, bucket: &str) -> Sums {
    let mut total = Total::default();
    total.add("minor_high", row.int(first + 1));
    total.add("minor_low", row.int(first + 2));
    Sums {
        number: row.int(first),
        minor: total.minor(),
        milliseconds: row.int(first + 3).into(),
        lasted: BTreeMap::from([(bucket.to_owned(), row.int(first))]),
    }
}

/// From the first moment of all parts until the last; all time where there are none.
fn spans(parts: &[Part]) -> Vec<(i64, i64)> {
    match (parts.first(), parts.last()) {
        (Some(first), Some(last)) => vec![(first.from, last.to)],
        _ => vec![(BEGIN, i64::MAX)],
    }
}

/// The part that a moment lies in.
fn part_of(parts: &[Part], at: i64) -> Option<usize> {
    let behind = parts.partition_point(|part| part.to <= at);
    parts
        .get(behind)
        .filter(|part| part.from <= at)
        .map(|_| behind)
}

fn slotted(part: &Part) -> Parts {
    Parts::of(Period::between(part.from, part.to))
}

/// The slots that these are made of; those that follow each other are one range.
#[must_use]
pub fn within(parts: &[Part]) -> Option<Expr> {
    let parts: Vec<_> = parts.iter().map(slotted).collect();
    let days = joined(parts.iter().filter_map(|part| part.days));
    let quarters = joined(parts.iter().flat_map(|part| part.quarters.iter().copied()));
    let days = days
        .iter()
        .map(|(from, to)| (slots::day(*from), slots::day(*to)));
    let quarters = quarters.iter();
    let quarters = quarters.map(|(from, to)| (slots::quarter(*from), slots::quarter(*to)));
    let ranges = days.chain(quarters);
    let ranges = ranges.map(|(from, to)| slots::between(SLOT, &from, &to));
    ranges.reduce(ExprTrait::or)
}

fn joined(ranges: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => joined.push((from, to)),
        }
    }
    joined
}
