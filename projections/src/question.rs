//! What is asked of a list, and the query that answers it from an index, however long the list is.
//!
//! Each order has two indexes: by itself, and behind all choices. Where a choice is left open, the
//! ranges of its words are merged in order (`UNION ALL`): SQLite reads no more than is shown, PostgreSQL at
//! most a page of each.
//! A key is shared by so few records that those are read and sorted.
//! A label is shared by any number of records: its rows are read in the order of ids, and each record is
//! looked at for whatever else is asked.
//!
//! Invariant: a [`Question`] without a key has ranges of the column that it is in the order of only, and
//! with a label it is in the order of ids; `http::list` refuses the others.

use journal::token::Token;
use sea_query::{Expr, ExprTrait as _, Func, JoinType, Order, Query, SelectStatement, UnionType};

use crate::columns::{Kept, Role, Words};
use crate::db::{Db, Value};
use crate::table::{LABELLED, Tables};

/// The column that every list is in the order of, unless asked otherwise.
pub const ID: &str = "id";
/// How far is counted: beyond it there are just more.
pub const MAX_COUNT: u64 = 10_000;

/// Ranges that are merged at most: SQLite takes 500. Where more words are open than that, records are
/// filtered instead.
const MAX_MERGED: usize = 400;

/// What is asked of a list.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Columns that hold one of these values.
    pub equal: Vec<(&'static str, Vec<Value>)>,
    /// Columns of few words, and those that are wanted.
    pub chosen: Vec<(&'static str, Vec<String>)>,
    /// The words of places in pipelines.
    pub places: Vec<String>,
    /// Words that a record is found by, each with its kind: it has all of them.
    pub labels: Vec<(&'static str, String)>,
    /// Ranges: column, first value, and the value that is behind the last.
    pub ranges: Vec<(&'static str, Value, Option<Value>)>,
    /// The order: by this column, then by id.
    pub order: Ordered,
    /// Behind these values of the order's column and the id.
    pub after: Option<(Value, u64)>,
    /// How many at most.
    pub limit: u64,
    /// Since which version of the screen the tables have the indexes of choices.
    pub merges_since: u32,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordered {
    /// By this column, then by id.
    pub by: &'static str,
    /// From the highest to the lowest.
    pub descending: bool,
}

impl Default for Ordered {
    /// The newest first.
    fn default() -> Self {
        Self {
            by: ID,
            descending: true,
        }
    }
}

impl Question {
    /// Whether tables without the indexes of choices and orders can answer it.
    #[must_use]
    pub fn is_simple(&self) -> bool {
        self.equal.is_empty()
            && self.labels.is_empty()
            && self.ranges.is_empty()
            && self.order.by == ID
    }

    /// The label whose rows are read, where no key leads to fewer.
    fn leading(&self) -> Option<&(&'static str, String)> {
        self.labels.first().filter(|_| self.equal.is_empty())
    }

    /// The column of ids: that of the rows that are read.
    fn ids(&self) -> &'static str {
        self.leading().map_or(ID, |_| LABELLED)
    }

    /// The rows: id, body, and the value that they are in the order of, where that is not the id.
    #[must_use]
    pub fn select(&self, db: &Db, tables: &Tables, of: &Token, kept: &[Kept]) -> SelectStatement {
        let branch = |words: &[(&'static str, Vec<String>)]| {
            let mut query = Query::select();
            query.columns(self.columns());
            match (self.leading(), db) {
                (Some(label), Db::Postgres(_)) => {
                    self.look_up_each(&mut query, tables, of, words, label);
                }
                _ => self.narrow(&mut query, tables, of, words),
            }
            if let Some((value, id)) = &self.after {
                query.and_where(self.behind(value, *id));
            }
            match db {
                Db::Postgres(_) if self.leading().is_none() => self.part(query),
                Db::Sqlite(_) | Db::Postgres(_) => query,
            }
        };
        self.in_order(self.merged(tables, kept, branch))
    }

    fn columns(&self) -> impl Iterator<Item = &'static str> {
        let order = Some(self.order.by).filter(|by| *by != ID);
        [ID, "body"].into_iter().chain(order)
    }

    /// PostgreSQL would rather read all of a small table than look up record after record, unless it is told
    /// that each is one.
    fn look_up_each(
        &self,
        query: &mut SelectStatement,
        tables: &Tables,
        of: &Token,
        words: &[(&'static str, Vec<String>)],
        label: &(&'static str, String),
    ) {
        let mut record = Query::select();
        record.columns(self.columns());
        self.among(&mut record, tables, of, words);
        record
            .and_where(Expr::col(ID).eq(Expr::col(LABELLED)))
            .limit(1);
        query.from_subquery(labelled(tables, of, label), "found");
        query.join_lateral(JoinType::InnerJoin, record, "part", Expr::cust("TRUE"));
    }

    /// SQLite merges parts as they are; PostgreSQL keeps the order of one that asks for it.
    fn part(&self, query: SelectStatement) -> SelectStatement {
        let mut part = Query::select();
        part.columns(self.columns());
        part.from_subquery(self.in_order(query), "part");
        part
    }

    fn in_order(&self, mut query: SelectStatement) -> SelectStatement {
        let direction = if self.order.descending {
            Order::Desc
        } else {
            Order::Asc
        };
        if self.order.by != ID {
            query.order_by(self.order.by, direction.clone());
        }
        query.order_by(self.ids(), direction).limit(self.limit + 1);
        query
    }

    /// How many there are, up to one more than [`MAX_COUNT`].
    #[must_use]
    pub fn count(&self, tables: &Tables, of: &Token, kept: &[Kept]) -> SelectStatement {
        let orders = kept.iter().find(|kept| matches!(kept.role, Role::Order(_)));
        let branch = |words: &[(&'static str, Vec<String>)]| {
            let mut query = Query::select();
            query.column(ID);
            self.narrow(&mut query, tables, of, words);
            query
        };
        let mut counted = self.merged(tables, kept, branch);
        // An index of an order has shown records only: the rows themselves need not be looked at.
        if let (Some(order), true) = (orders, self.is_simple() && self.chosen.is_empty()) {
            counted = Query::select();
            counted.column(ID).from(tables.records());
            counted.and_where(Expr::col("workspace").eq(of.as_str()));
            counted.and_where(Expr::col(order.name).is_not_null());
        }
        counted.limit(MAX_COUNT + 1);
        let mut query = Query::select();
        query
            .expr(Expr::cust("COUNT(*)"))
            .from_subquery(counted, "counted");
        query
    }

    /// One query, or one for each word that an open choice can have.
    fn merged(
        &self,
        tables: &Tables,
        kept: &[Kept],
        branch: impl Fn(&[(&'static str, Vec<String>)]) -> SelectStatement,
    ) -> SelectStatement {
        let few = !self.equal.is_empty() || !self.labels.is_empty();
        let alone = self.chosen.is_empty() || few;
        if alone || tables.version() < self.merges_since {
            return branch(&self.chosen);
        }
        let combinations = self.combinations(kept);
        if combinations.len() > MAX_MERGED {
            return branch(&self.chosen);
        }
        let mut branches = combinations.into_iter();
        let first = branches.next().unwrap_or_default();
        let mut query = branch(&first);
        for words in branches {
            query.union(UnionType::All, branch(&words));
        }
        query
    }

    /// Every way to fill in all choices that has what is chosen.
    fn combinations(&self, kept: &[Kept]) -> Vec<Vec<(&'static str, Vec<String>)>> {
        let mut all = vec![Vec::new()];
        for column in kept {
            let Role::Choice(words) = column.role else {
                continue;
            };
            let chosen = self.chosen.iter().find(|(name, _)| *name == column.name);
            let words = match (chosen, words) {
                (Some((_, chosen)), _) => chosen.clone(),
                (None, Words::Places(_)) => self.places.clone(),
                (None, Words::Fixed(words)) => words().into_iter().map(ToOwned::to_owned).collect(),
            };
            let with = |known: Vec<_>| {
                let with = move |word: &String| {
                    let next = std::iter::once((column.name, vec![word.clone()]));
                    known.iter().cloned().chain(next).collect()
                };
                words.iter().map(with).collect::<Vec<Vec<_>>>()
            };
            all = all.into_iter().flat_map(with).collect();
        }
        all
    }

    fn narrow(
        &self,
        query: &mut SelectStatement,
        tables: &Tables,
        of: &Token,
        words: &[(&'static str, Vec<String>)],
    ) {
        if let Some(label) = self.leading() {
            query.from_subquery(labelled(tables, of, label), "found");
            query.and_where(Expr::col(ID).eq(Expr::col(LABELLED)));
        }
        self.among(query, tables, of, words);
    }

    fn among(
        &self,
        query: &mut SelectStatement,
        tables: &Tables,
        of: &Token,
        words: &[(&'static str, Vec<String>)],
    ) {
        let leading = self.leading();
        query.from(tables.records());
        query.and_where(Expr::col("workspace").eq(of.as_str()));
        for label in &self.labels[usize::from(leading.is_some())..] {
            let mut same = labelled(tables, of, label);
            let id = Expr::col((tables.records(), ID));
            same.and_where(Expr::col(LABELLED).eq(id));
            query.and_where(Expr::exists(same));
        }
        for (column, values) in &self.equal {
            let values = values.iter().cloned().map(sea_query::Value::from);
            query.and_where(Expr::col(*column).is_in(values));
        }
        for (column, word) in words {
            let held = Expr::col(*column);
            // Within the records of a label no index of choices is of use.
            let held = match leading {
                Some(_) => Expr::expr(Func::coalesce([held, Expr::val("")])),
                None => held,
            };
            query.and_where(match word.as_slice() {
                [word] => held.eq(word.as_str()),
                words => held.is_in(words.iter().map(String::as_str)),
            });
        }
        for (column, from, to) in &self.ranges {
            query.and_where(Expr::col(*column).gte(bound(from)));
            query.and_where_option(to.as_ref().map(|to| Expr::col(*column).lt(bound(to))));
        }
        let ranged = |(column, ..): &(&str, Value, Option<Value>)| *column == self.order.by;
        if self.order.by != ID && !self.ranges.iter().any(ranged) {
            query.and_where(Expr::col(self.order.by).is_not_null());
        }
        let by_id = self.order.by == ID || !self.equal.is_empty();
        if leading.is_some() || (words.is_empty() && by_id) {
            query.and_where(Expr::col("body").is_not_null());
        }
    }

    fn behind(&self, value: &Value, id: u64) -> Expr {
        let (here, there) = if self.order.by == ID {
            (Expr::col(self.ids()), Expr::val(id))
        } else {
            let there = Expr::tuple([bound(value), Expr::val(id)]);
            (
                Expr::tuple([Expr::col(self.order.by), Expr::col(ID)]),
                there,
            )
        };
        if self.order.descending {
            here.lt(there)
        } else {
            here.gt(there)
        }
    }
}

/// The ids of the records that have a word.
fn labelled(tables: &Tables, of: &Token, (kind, label): &(&str, String)) -> SelectStatement {
    let mut query = Query::select();
    query.column(LABELLED).from(tables.labels());
    query.and_where(Expr::col((tables.labels(), "workspace")).eq(of.as_str()));
    query.and_where(Expr::col("kind").eq(*kind));
    query.and_where(Expr::col("label").eq(label.as_str()));
    query
}

fn bound(value: &Value) -> Expr {
    Expr::val(sea_query::Value::from(value.clone()))
}
