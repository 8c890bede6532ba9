//! The one ticker: turns what has come due into commands.
//!
//! One process ticks at a time, by a lease in the log's claims; two would do no harm. What a
//! tick means is for the aggregate to say. A clock that jumps makes ticks early or late, and
//! loses none: rows stay until an event takes them back, and what a clock set while it was ahead
//! is due as soon as it is put back.

use std::time::Duration;

use commands::clock::Clock;
use commands::desk::Desk;
use commands::lease::Watch;
use commands::origin::Origin;
use commands::policies::cursor::Lease;
use cqrs_es::{Aggregate as _, AggregateError};
use domain::effect::{CLOCKS_DIFFER, Tick};
use domain::id::WebhookId;
use domain::webhook::aggregate::{Webhook, WebhookError};
use domain::webhook::command::WebhookCommand;
use jiff::Timestamp;
use journal::health::{Part, supervised};
use journal::token::Token;
use journal::{JournalError, failpoint};
use sea_query::{Cond, Expr, ExprTrait as _, Query};

use crate::due::Due;
use crate::views::{ReadError, ScreenName, Views};

/// How often it looks: how late a timer may be.
const TICK: Duration = Duration::from_millis(250);
/// The version of [`Due`] that says since when a timer is set.
const SINCE: u32 = 2;
/// Aggregates ticked at one look.
const AT_ONCE: u64 = 500;
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
    /// A webhook does not take its tick.
    #[error("webhook {0}: {1}")]
    Webhook(WebhookId, AggregateError<WebhookError>),
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

    /// Ticks every aggregate that has something due; one that fails leaves the others alone.
    pub async fn tick(&self) -> Result<(), TickError> {
        let now = self.clock.now();
        let mut outcome = Ok(());
        for (workspace, category, id) in self.due(now).await? {
            failpoint::reach("timer.due");
            let ticked = if category == Webhook::TYPE {
                self.tick_webhook(workspace, WebhookId(id), now).await
            } else {
                Err(TickError::Unknown(category))
            };
            if let Err(error) = ticked {
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<(Token, String, u64)>, ReadError> {
        let query = |tables: &crate::table::Tables| {
            let mut query = Query::select();
            query
                .columns(["workspace", "category", "id"])
                .from(tables.records())
                .distinct();
            let mut due = Cond::any().add(Expr::col("at").lte(now.as_microsecond()));
            if tables.version() >= SINCE {
                let later = now.saturating_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX);
                due = due.add(Expr::col("since").gt(later.as_microsecond()));
            }
            query.cond_where(due).limit(AT_ONCE);
            query
        };
        let rows = self.views.rows(ScreenName::listing::<Due>(), query).await?;
        let read = |row: &crate::db::Row| {
            let workspace = Token::try_new(row.text(0)).ok()?;
            Some((workspace, row.text(1).to_owned(), row.count(2)))
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    async fn tick_webhook(
        &self,
        workspace: Token,
        id: WebhookId,
        now: Timestamp,
    ) -> Result<(), TickError> {
        let origin = Origin::new(workspace, ACTOR);
        let command = WebhookCommand::Tick(Tick { now });
        match self.desk.send::<Webhook>(id, command, &origin).await {
            Ok(_) | Err(AggregateError::AggregateConflict) => failpoint::reach("timer.ticked"),
            Err(error) => return Err(TickError::Webhook(id, error)),
        }
        Ok(())
    }
}
