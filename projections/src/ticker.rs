//! The one ticker: turns what has come due into commands.
//!
//! One process ticks at a time, by a lease in the log's claims; two would do no harm. What a
//! tick means is for the aggregate to say. A clock that jumps makes ticks early or late, and
//! loses none: rows stay until an event takes them back, and what a clock set while it was ahead
//! is due as soon as it is put back.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use commands::clock::Clock;
use commands::desk::Desk;
use commands::lease::Watch;
use commands::origin::Origin;
use commands::policies::cursor::Lease;
use domain::effect::{CLOCKS_DIFFER, Tick};
use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use journal::health::{Part, supervised};
use journal::token::Token;
use journal::{JournalError, failpoint};
use sea_query::{Cond, Expr, ExprTrait as _, Order, Query};

use crate::due::Due;
use crate::timed::TIMED;
use crate::views::{ReadError, ScreenName, Views};

/// How often it looks: how late a timer may be.
const TICK: Duration = Duration::from_millis(250);
/// The version of [`Due`] that says since when a timer is set.
const SINCE: u32 = 2;
/// Timers read at once; where there are more, the workspaces that fill this many have the rest wait.
const PAGE: u64 = 500;
/// Pages of one look: further workspaces wait for the next.
const PAGES: usize = 8;
/// Aggregates ticked at the same time.
const AT_ONCE: usize = 16;
const ACTOR: &str = "ticker";

/// Why a timer waits.
#[derive(Debug, thiserror::Error)]
pub enum TickError {
    /// The lease cannot be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nobody can say what is due.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An aggregate does not take its tick.
    #[error("{category} {id}: {reason}")]
    Refused {
        /// Its kind.
        category: String,
        /// Its number.
        id: u64,
        /// Why.
        reason: String,
    },
    /// A newer program made it.
    #[error("nobody knows what the timers of {0} mean")]
    Unknown(String),
}

/// Turns what has come due into commands.
pub struct Ticker {
    desk: Desk,
    views: Views,
    clock: Clock,
}

impl Ticker {
    /// A ticker of everything that these views know to be due.
    #[must_use]
    pub const fn new(desk: Desk, views: Views, clock: Clock) -> Self {
        Self { desk, views, clock }
    }

    /// Ticks until it is dropped.
    pub async fn run(self) {
        let part = self.desk.journal().health().part("ticker");
        supervised(part, |part| self.keep_ticking(part)).await;
    }

    async fn keep_ticking(&self, part: Part) {
        let mut turn = tokio::time::interval(TICK);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut lease, mut watch) = (None, Watch::default());
        loop {
            turn.tick().await;
            let ticked = match self.hold(lease.take(), &mut watch).await {
                Ok(Some(held)) => {
                    lease = Some(held);
                    self.tick().await
                }
                // Another process ticks.
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            };
            match ticked {
                Ok(()) => part.works(),
                Err(TickError::Read(error @ ReadError::Building(_))) => part.fails(error),
                Err(error) => {
                    tracing::warn!(%error, "timers wait");
                    part.fails(error);
                }
            }
        }
    }

    /// Takes the lease, or keeps it.
    async fn hold(
        &self,
        lease: Option<Lease>,
        watch: &mut Watch<u64>,
    ) -> Result<Option<Lease>, JournalError> {
        match lease {
            Some(mut lease) => lease.keep().await.map(|kept| kept.then_some(lease)),
            None => Lease::take(self.desk.journal(), &self.clock, ACTOR, watch).await,
        }
    }

    /// Ticks every aggregate that has something due, in the order in which it is, one workspace after the
    /// other; one that fails leaves the others alone.
    pub async fn tick(&self) -> Result<(), TickError> {
        let now = self.clock.now();
        let due = in_turns(self.due(now).await?);
        let ticks = stream::iter(due).map(|due| self.tick_one(due, now));
        let ended: Vec<_> = ticks.buffered(AT_ONCE).collect().await;
        ended.into_iter().fold(Ok(()), Result::and)
    }

    /// What is due, the longest due first; of many workspaces, where one has more than a page.
    async fn due(&self, now: Timestamp) -> Result<Vec<DueAggregate>, ReadError> {
        let mut due = Vec::new();
        for _ in 0..PAGES {
            let page = self.page(now, &due).await?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            due.extend(page);
            if is_last {
                break;
            }
        }
        Ok(due)
    }

    /// The timers that are due, without those of workspaces that have been read.
    async fn page(
        &self,
        now: Timestamp,
        read: &[DueAggregate],
    ) -> Result<Vec<DueAggregate>, ReadError> {
        let read: HashSet<_> = read.iter().map(|due| due.workspace.as_str()).collect();
        let query = |tables: &crate::table::Tables| {
            let mut query = Query::select();
            query
                .columns(["workspace", "category", "id"])
                .from(tables.records());
            let mut due = Cond::any().add(Expr::col("at").lte(now.as_microsecond()));
            if tables.version() >= SINCE {
                let later = now.saturating_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX);
                due = due.add(Expr::col("since").gt(later.as_microsecond()));
            }
            query.cond_where(due);
            if !read.is_empty() {
                query.and_where(Expr::col("workspace").is_not_in(read.iter().copied()));
            }
            query.order_by("at", Order::Asc).limit(PAGE);
            query
        };
        let rows = self.views.rows(ScreenName::listing::<Due>(), query).await?;
        let read = |row: &crate::db::Row| {
            Some(DueAggregate {
                workspace: Token::try_new(row.text(0)).ok()?,
                category: row.text(1).to_owned(),
                id: row.count(2),
            })
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    async fn tick_one(&self, due: DueAggregate, now: Timestamp) -> Result<(), TickError> {
        let DueAggregate {
            workspace,
            category,
            id,
        } = due;
        failpoint::reach("timer.due");
        let Some(timed) = TIMED.iter().find(|timed| timed.category() == category) else {
            return Err(TickError::Unknown(category));
        };
        let origin = Origin::new(workspace, ACTOR);
        let ticked = timed.tick(&self.desk, id, Tick { now }, &origin).await;
        failpoint::reach("timer.ticked");
        ticked.map_err(|reason| TickError::Refused {
            category,
            id,
            reason,
        })
    }
}

/// An aggregate that has something due.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct DueAggregate {
    workspace: Token,
    category: String,
    id: u64,
}

/// Each aggregate once, in its order within its workspace; workspaces take turns.
fn in_turns(due: Vec<DueAggregate>) -> Vec<DueAggregate> {
    let (mut seen, mut turns) = (HashSet::new(), HashMap::<Token, usize>::new());
    let mut placed = Vec::new();
    for one in due {
        if seen.insert(one.clone()) {
            let turn = turns.entry(one.workspace.clone()).or_default();
            placed.push((*turn, one));
            *turn += 1;
        }
    }
    placed.sort_by_key(|(turn, _)| *turn);
    placed.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use journal::token::Token;

    use super::{DueAggregate, in_turns};

    fn due(workspace: &str, id: u64) -> DueAggregate {
        DueAggregate {
            workspace: Token::try_new(workspace).unwrap(),
            category: "webhook".into(),
            id,
        }
    }

    #[test]
    fn workspaces_take_turns_and_an_aggregate_is_ticked_once() {
        let of_one = [3, 1, 3, 2].map(|id| due("large", id));
        let all = [of_one.to_vec(), vec![due("small", 7)]].concat();
        let expected = [
            due("large", 3),
            due("small", 7),
            due("large", 1),
            due("large", 2),
        ];
        assert_eq!(in_turns(all), expected);
    }
}
