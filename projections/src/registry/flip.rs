//! A generation takes the place of the others of its projection, in one transaction.
//!
//! The tables of the others go with it, so that nobody reads on from tables that nobody keeps any
//! more. Locks are taken in the order in which those who keep a generation take them: its tables,
//! its row, its checkpoints.

use journal::position::Position;
use sea_query::{Cond, Condition, Expr, ExprTrait as _, Query, SelectStatement};

use super::schema::{CHECKPOINTS, GENERATIONS, PARKED};
use super::{Generation, Registry, State};
use crate::db::{DbError, Statement};
use crate::table::Tables;

impl Registry {
    /// Lets reads use `next`, which has seen these commits, and puts every older generation of its
    /// projection aside. Tells whether it did: nothing is changed where an older one shows more
    /// than `next` does, for what reads see never goes back, or where somebody else keeps `next`.
    pub async fn flip(&self, next: &Generation, seen: &[Position]) -> Result<bool, DbError> {
        let mut statements = self.set_aside_older(next).await?;
        statements.extend(
            [GENERATIONS, CHECKPOINTS].map(|table| self.db.statement(&lock_older(next, table))),
        );
        statements.push(self.activate(next, seen));
        statements.extend([GENERATIONS, CHECKPOINTS, PARKED].map(|table| {
            let mut delete = Query::delete();
            delete.from_table(table).cond_where(older(next));
            self.db.statement(&delete)
        }));
        match self.db.transact(statements).await {
            Ok(()) => Ok(true),
            // Gone: another process has just put the same tables aside.
            Err(DbError::Fenced | DbError::Gone(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn set_aside_older(&self, next: &Generation) -> Result<Vec<Statement>, DbError> {
        let known = self.generations().await?.into_iter();
        let older = known.filter(|known| known.name == next.name && known.number < next.number);
        let there = self.db.tables().await?;
        let names = older.flat_map(|old| {
            let tables = Tables::new(&old.name, old.version, old.number, Vec::new(), &[]);
            tables.names()
        });
        Ok(names
            .filter(|name| there.contains(name))
            .map(|name| self.db.set_aside(&name))
            .collect())
    }

    /// Makes it the active one, if we still keep it and no older one is ahead of it.
    fn activate(&self, next: &Generation, seen: &[Position]) -> Statement {
        let mut activate = Query::update();
        activate
            .table(GENERATIONS)
            .value("state", State::Active.as_str());
        activate.and_where(Expr::col("name").eq(next.name.as_str()));
        activate.and_where(Expr::col("generation").eq(i64::from(next.number)));
        activate.and_where(Expr::col("epoch").eq(next.epoch));
        activate.and_where(Expr::exists(ahead(next, seen)).not());
        self.db.statement(&activate).or_undo()
    }
}

/// Waits until whoever moves these rows is done, and keeps everybody else from moving them.
fn lock_older(next: &Generation, table: &'static str) -> sea_query::UpdateStatement {
    let mut lock = Query::update();
    lock.table(table)
        .value("epoch", Expr::col("epoch"))
        .cond_where(older(next));
    lock
}

/// The checkpoints of older generations that are further than these.
fn ahead(next: &Generation, seen: &[Position]) -> SelectStatement {
    let further = seen.iter().fold(Cond::any(), |any, seen| {
        let part = Expr::col("part").eq(i64::from(seen.partition));
        any.add(part.and(Expr::col("sequence").gt(seen.sequence)))
    });
    let mut ahead = Query::select();
    ahead
        .column("part")
        .from(CHECKPOINTS)
        .cond_where(older(next))
        .cond_where(further);
    ahead
}

fn older(next: &Generation) -> Condition {
    Cond::all()
        .add(Expr::col("name").eq(next.name.as_str()))
        .add(Expr::col("generation").lt(i64::from(next.number)))
}
