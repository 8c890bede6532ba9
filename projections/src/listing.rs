//! A screen whose rows are named by single events: each is written without being read.
//!
//! Where [`crate::projection::Projection`] has a record per aggregate, a listing has a row for
//! each of many small things in one: a timer, a delivery.

use std::collections::HashSet;
use std::marker::PhantomData;

use futures::future::{BoxFuture, FutureExt as _};
use journal::token::StreamId;
use sea_query::{
    ColumnDef, Expr, ExprTrait, Index, IntoIden as _, OnConflict, Query, SimpleExpr, Table,
};

use crate::change::{Change, Followed};
use crate::db::{Column, Db, DbError, Statement, Value};
use crate::projection::{Plan, Screen};
use crate::table::{Tables, named};
use crate::views::ScreenName;

/// What an event means for the rows.
#[derive(Debug, Clone, PartialEq)]
pub enum RowChange {
    /// This row is there: the values of every column.
    Put(Vec<Value>),
    /// The row with this key, where it is there, has these values.
    Set {
        /// The key's values.
        key: Vec<Value>,
        /// Column and value.
        values: Vec<(&'static str, Value)>,
    },
    /// The rows whose key begins so are gone.
    Delete(Vec<Value>),
    /// Of the rows whose key begins so, those are gone of which this column is below the limit, and that
    /// other one of these values.
    Prune {
        /// The key's first values.
        key: Vec<Value>,
        /// Column and limit.
        below: (&'static str, Value),
        /// Column and values.
        of: (&'static str, Vec<Value>),
    },
}

/// A screen of rows that single events name.
pub trait Listing: Send + Sync + 'static {
    /// Its name, as ops see it and as its table begins.
    const NAME: &'static str;
    /// Raise it when the meaning changes: the table is rebuilt, never migrated.
    const VERSION: u32;
    /// See [`crate::projection::Projection::READ_SINCE`].
    const READ_SINCE: u32 = Self::VERSION;
    /// Its columns; the first [`Self::KEY`] of them are the key.
    const COLUMNS: &'static [Column];
    /// How many columns the key has.
    const KEY: usize;
    /// What rows are looked up by, beside the key.
    const INDEXED: &'static [&'static [&'static str]];

    /// What a change means for the rows. Events that cannot be read mean nothing here.
    fn rows(change: &Change) -> Vec<RowChange>;
}

impl ScreenName {
    /// The screen of a listing.
    #[must_use]
    pub const fn listing<L: Listing>() -> Self {
        Self {
            name: L::NAME,
            since: L::READ_SINCE,
            until: L::VERSION,
        }
    }
}

/// The screen of a listing.
#[must_use]
pub fn listing<L: Listing>() -> Box<dyn Screen> {
    Box::new(ListingOf::<L>(PhantomData))
}

struct ListingOf<L>(PhantomData<L>);

impl<L: Listing> Screen for ListingOf<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn version(&self) -> u32 {
        L::VERSION
    }

    fn create(&self, db: &Db, generation: u32) -> Vec<Statement> {
        let name = table::<L>(generation);
        let mut table = Table::create();
        table.table(named(&name)).if_not_exists();
        for column in L::COLUMNS {
            let mut definition = ColumnDef::new(column.name());
            match column {
                Column::Text(_) => definition.text(),
                Column::Int(_) => definition.big_integer(),
            };
            table.col(&mut definition);
        }
        let mut key = Index::create();
        for column in &L::COLUMNS[..L::KEY] {
            key.col(column.name());
        }
        table.primary_key(&mut key);
        let indexes = L::INDEXED.iter().enumerate().map(|(number, columns)| {
            let mut index = Index::create();
            index
                .name(format!("{name}_by_{number}"))
                .table(named(&name))
                .if_not_exists();
            for column in *columns {
                index.col(*column);
            }
            db.create_index(&index)
        });
        std::iter::once(db.create_table(&table))
            .chain(indexes)
            .collect()
    }

    fn tables(&self, generation: u32) -> Vec<String> {
        vec![table::<L>(generation)]
    }

    fn plan<'a>(
        &'a self,
        db: &'a Db,
        generation: u32,
        changes: &'a [Followed],
        _parked: &'a HashSet<StreamId>,
    ) -> BoxFuture<'a, Result<Plan, DbError>> {
        let table = table::<L>(generation);
        let rows = changes
            .iter()
            .filter_map(Followed::change)
            .flat_map(L::rows);
        let statements = rows.map(|row| statement::<L>(db, &table, row)).collect();
        let plan = Plan {
            statements,
            poisoned: Vec::new(),
        };
        async move { Ok(plan) }.boxed()
    }
}

fn table<L: Listing>(generation: u32) -> String {
    let tables = Tables::new(L::NAME, L::VERSION, generation, Vec::new(), &[]);
    tables.name().to_owned()
}

fn statement<L: Listing>(db: &Db, table: &str, row: RowChange) -> Statement {
    let names = || L::COLUMNS.iter().map(Column::name);
    let table = named(table).into_iden();
    let expression = |value: Value| SimpleExpr::from(sea_query::Value::from(value));
    let keyed = |key: Vec<Value>| {
        let same = names()
            .zip(key)
            .map(|(name, value)| Expr::col(name).eq(expression(value)));
        same.reduce(ExprTrait::and)
            .unwrap_or_else(|| Expr::val(true))
    };
    match row {
        RowChange::Put(values) => {
            let mut replace = OnConflict::columns(names().take(L::KEY));
            if L::KEY == L::COLUMNS.len() {
                replace.do_nothing();
            } else {
                replace.update_columns(names().skip(L::KEY));
            }
            let mut insert = Query::insert();
            insert
                .into_table(table)
                .columns(names())
                .on_conflict(replace);
            insert.values_panic(values.into_iter().map(expression));
            db.statement(&insert)
        }
        RowChange::Set { key, values } => {
            let mut update = Query::update();
            update.table(table).and_where(keyed(key));
            for (column, value) in values {
                update.value(column, expression(value));
            }
            db.statement(&update)
        }
        RowChange::Delete(key) => {
            let mut delete = Query::delete();
            delete.from_table(table).and_where(keyed(key));
            db.statement(&delete)
        }
        RowChange::Prune { key, below, of } => {
            let mut delete = Query::delete();
            delete.from_table(table).and_where(keyed(key));
            delete.and_where(Expr::col(below.0).lt(expression(below.1)));
            delete.and_where(Expr::col(of.0).is_in(of.1.into_iter().map(expression)));
            db.statement(&delete)
        }
    }
}
