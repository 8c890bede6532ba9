//! The one ticker: turns what has come due into commands.
//!
//! One process ticks at a time, by a lease in the log's claims; two would do no harm. What a
//! tick means is for the aggregate to say. A clock that jumps makes ticks early or late, and
//! loses none: rows stay until an event takes them back.

use std::time::Duration;

use commands::clock::Clock;
use commands::desk::Desk;
use commands::lease::Watch;
use commands::origin::Origin;
use commands::policies::cursor::Cursor;
use cqrs_es::{Aggregate as _, AggregateError};
use domain::effect::Tick;
use domain::id::WebhookId;
use domain::webhook::aggregate::Webhook;
use domain::webhook::command::WebhookCommand;
use jiff::Timestamp;
use journal::failpoint;
use journal::token::Token;
use sea_query::{Expr, ExprTrait as _, Query};

use crate::due::Due;
use crate::views::{ReadError, ScreenName, Views};

/// How often it looks: how late a timer may be.
const TICK: Duration = Duration::from_millis(250);
/// Aggregates ticked at one look.
const AT_ONCE: u64 = 500;
const ACTOR: &str = "ticker";

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
        let mut turn = tokio::time::interval(TICK);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut lease, mut watch) = (None, Watch::default());
        loop {
            turn.tick().await;
            lease = self.hold(lease, &mut watch).await;
            if lease.is_none() {
                continue;
            }
            match self.tick().await {
                Ok(()) | Err(ReadError::Building(_)) => {}
                Err(error) => tracing::warn!(%error, "timers wait"),
            }
        }
    }

    /// Takes the lease, or keeps it.
    async fn hold(&self, lease: Option<Cursor>, watch: &mut Watch<u64>) -> Option<Cursor> {
        let held = match lease {
            Some(mut lease) => lease.keep().await.map(|kept| kept.then_some(lease)),
            None => Cursor::take(self.desk.journal(), &self.clock, ACTOR, 0, watch).await,
        };
        held.unwrap_or_else(|error| {
            tracing::warn!(%error, "timers wait");
            None
        })
    }

    /// Ticks every aggregate that has something due.
    pub async fn tick(&self) -> Result<(), ReadError> {
        let now = self.clock.now();
        for (workspace, category, id) in self.due(now).await? {
            failpoint::reach("timer.due");
            if category == Webhook::TYPE {
                self.tick_webhook(workspace, WebhookId(id), now).await;
            } else {
                tracing::error!(category, "nobody knows what its timers mean");
            }
        }
        Ok(())
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<(Token, String, u64)>, ReadError> {
        let query = |tables: &crate::table::Tables| {
            let mut query = Query::select();
            query
                .columns(["workspace", "category", "id"])
                .from(tables.records())
                .distinct();
            query
                .and_where(Expr::col("at").lte(now.as_microsecond()))
                .limit(AT_ONCE);
            query
        };
        let rows = self.views.rows(ScreenName::listing::<Due>(), query).await?;
        let read = |row: &crate::db::Row| {
            let workspace = Token::try_new(row.text(0)).ok()?;
            Some((workspace, row.text(1).to_owned(), row.count(2)))
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    async fn tick_webhook(&self, workspace: Token, id: WebhookId, now: Timestamp) {
        let origin = Origin::new(workspace, ACTOR);
        let command = WebhookCommand::Tick(Tick { now });
        match self.desk.send::<Webhook>(id, command, &origin).await {
            Ok(_) | Err(AggregateError::AggregateConflict) => failpoint::reach("timer.ticked"),
            Err(error) => tracing::warn!(%error, webhook.id = %id, "a timer waits"),
        }
    }
}
