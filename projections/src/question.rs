//! What is asked of a list, and the query that answers it from an index, however long the list is.
//!
//! Each order has two indexes: by itself, and behind all choices. Where a choice is left open, the
//! ranges of its words are merged in order (`UNION ALL`): SQLite reads no more than is shown, PostgreSQL at
//! most a page of each.
//! A key is shared by so few records that those are read and sorted.
//!
//! Invariant: a [`Question`] without a key has ranges of the column that it is in the order of only;
//! `http::list` refuses the others.

use journal::token::Token;
use sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement, UnionType};

use crate::columns::{Kept, Role};
use crate::db::{Db, Value};
use crate::table::Tables;

/// The column that every list is in the order of, unless asked otherwise.
pub const ID: &str = "id";
/// How far is counted: beyond it there are just more.
pub const MAX_COUNT: u64 = 10_000;

/// What is asked of a list.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Columns that hold one of these values.
    pub equal: Vec<(&'static str, Vec<Value>)>,
    /// Columns of few words, and the one that is wanted.
    pub chosen: Vec<(&'static str, &'static str)>,
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
        self.equal.is_empty() && self.ranges.is_empty() && self.order.by == ID
    }

    /// The rows: id, body, and the value that they are in the order of, where that is not the id.
    #[must_use]
    pub fn select(&self, db: &Db, tables: &Tables, of: &Token, kept: &[Kept]) -> SelectStatement {
        let branch = |words: &[(&'static str, &'static str)]| {
            let mut query = Query::select();
            query.columns(self.columns());
            self.narrow(&mut query, tables, of, words);
            if let Some((value, id)) = &self.after {
                query.and_where(self.behind(value, *id));
            }
            match db {
                Db::Sqlite(_) => query,
                Db::Postgres(_) => self.part(query),
            }
        };
        self.in_order(self.merged(tables, kept, branch))
    }

    fn columns(&self) -> impl Iterator<Item = &'static str> {
        let order = Some(self.order.by).filter(|by| *by != ID);
        [ID, "body"].into_iter().chain(order)
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
        query.order_by(ID, direction).limit(self.limit + 1);
        query
    }

    /// How many there are, up to one more than [`MAX_COUNT`].
    #[must_use]
    pub fn count(&self, tables: &Tables, of: &Token, kept: &[Kept]) -> SelectStatement {
        let orders = kept.iter().find(|kept| matches!(kept.role, Role::Order(_)));
        let branch = |words: &[(&'static str, &'static str)]| {
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
        branch: impl Fn(&[(&'static str, &'static str)]) -> SelectStatement,
    ) -> SelectStatement {
        let alone = self.chosen.is_empty() || !self.equal.is_empty();
        if alone || tables.version() < self.merges_since {
            return branch(&self.chosen);
        }
        let mut branches = self.combinations(kept).into_iter();
        let first = branches.next().unwrap_or_default();
        let mut query = branch(&first);
        for words in branches {
            query.union(UnionType::All, branch(&words));
        }
        query
    }

    /// Every way to fill in all choices that has what is chosen.
    fn combinations(&self, kept: &[Kept]) -> Vec<Vec<(&'static str, &'static str)>> {
        let mut all = vec![Vec::new()];
        for column in kept {
            let Role::Choice(words) = column.role else {
                continue;
            };
            let chosen = self.chosen.iter().find(|(name, _)| *name == column.name);
            let words = chosen.map_or_else(words, |(_, word)| vec![*word]);
            let with = |known: Vec<_>| {
                let with = move |word: &&'static str| {
                    let next = std::iter::once((column.name, *word));
                    known.iter().copied().chain(next).collect()
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
        words: &[(&'static str, &'static str)],
    ) {
        query.from(tables.records());
        query.and_where(Expr::col("workspace").eq(of.as_str()));
        for (column, values) in &self.equal {
            let values = values.iter().cloned().map(sea_query::Value::from);
            query.and_where(Expr::col(*column).is_in(values));
        }
        for (column, word) in words {
            query.and_where(Expr::col(*column).eq(*word));
        }
        for (column, from, to) in &self.ranges {
            query.and_where(Expr::col(*column).gte(bound(from)));
            query.and_where_option(to.as_ref().map(|to| Expr::col(*column).lt(bound(to))));
        }
        let ranged = |(column, ..): &(&str, Value, Option<Value>)| *column == self.order.by;
        if self.order.by != ID && !self.ranges.iter().any(ranged) {
            query.and_where(Expr::col(self.order.by).is_not_null());
        }
        if words.is_empty() && (self.order.by == ID || !self.equal.is_empty()) {
            query.and_where(Expr::col("body").is_not_null());
        }
    }

    fn behind(&self, value: &Value, id: u64) -> Expr {
        let (here, there) = if self.order.by == ID {
            (Expr::col(ID), Expr::val(id))
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

fn bound(value: &Value) -> Expr {
    Expr::val(sea_query::Value::from(value.clone()))
}
