//! Outgoing webhooks: events of the log as signed HTTP calls, in the Standard Webhooks format.
//!
//! - here: serves every webhook of the log
//! - [`feed`]: reads the log for one webhook, and queues what it is to be told; [`lanes`] does so
//!   for records that are held back; both put it into the [`queue`]
//! - [`call`]: makes one call; [`message`] is what it says, [`schedule`] when it is tried again
//! - [`address`]: which addresses may be called at all
//! - [`finding`]: what a person may say of a delivery whose sender died
//! - [`http`]: the routes
//!
//! Several processes may serve the same webhooks: what is read and who calls is decided by the
//! log, so that two of them do the work of one, and one that dies leaves nothing undone.

pub mod address;
pub mod call;
mod feed;
pub mod finding;
pub mod http;
mod lanes;
mod message;
mod queue;
pub mod schedule;
pub mod secret;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use commands::desk::Desk;
use commands::effects::Worker;
use cqrs_es::Aggregate as _;
use domain::id::WebhookId;
use domain::webhook::aggregate::Webhook;
use futures::StreamExt as _;
use futures::stream::select_all;
use journal::JournalError;
use journal::entry::Entry;
use journal::envelope::Recorded;
use journal::health::{Part, supervised};
use journal::token::Token;
use projections::projection::Projection as _;
use projections::views::{ReadError, ScreenName, Views};
use projections::webhooks::Webhooks;
use sea_query::{Expr, ExprTrait as _, Query};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use call::Caller;
use feed::Feed;
use lanes::Lanes;
use queue::DeliveryQueue;

/// How long to wait after a failure of ours.
const PAUSE: Duration = Duration::from_secs(1);
const REMOVED: &str = "webhook.removed";

/// Why webhooks are not served for a moment.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the log has ended")]
    Ended,
}

/// Serves every webhook of the log.
pub struct Service {
    desk: Desk,
    views: Views,
    caller: Arc<Caller>,
}

/// Those that are served, each by a feed and a worker of its own.
#[derive(Default)]
struct Served(HashMap<(Token, u64), One>);

struct One {
    changed: [Arc<Notify>; 3],
    /// Dropped with it.
    _tasks: JoinSet<()>,
}

impl Service {
    /// A service that calls through this caller.
    #[must_use]
    pub fn new(desk: Desk, views: Views, caller: Caller) -> Self {
        Self {
            desk,
            views,
            caller: Arc::new(caller),
        }
    }

    /// Serves until it is dropped.
    pub async fn run(self) {
        let part = self.desk.journal().health().part("webhooks");
        supervised(part, |part| self.keep_serving(part)).await;
    }

    async fn keep_serving(&self, part: Part) {
        loop {
            match self.session(&part).await {
                Ok(()) => {}
                // A new screen takes a moment; of one that never comes, the part tells.
                Err(ServeError::Read(
                    error @ (ReadError::Building(_) | ReadError::Behind { .. }),
                )) => part.fails(error),
                Err(error) => {
                    tracing::warn!(%error, "webhooks wait");
                    part.fails(error);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Serves those that there are, and those that come.
    async fn session(&self, part: &Part) -> Result<(), ServeError> {
        let journal = self.desk.journal();
        let heads = journal.heads().await?;
        for head in &heads {
            self.views.wait(Webhooks::NAME, *head).await?;
        }
        let mut served = Served::default();
        for (workspace, id) in self.known().await? {
            self.serve(&mut served, workspace, id);
        }
        let feeds = heads
            .iter()
            .map(|head| journal.follow_sealed(head.partition, head.sequence));
        let mut feed = select_all(feeds);
        loop {
            part.waits();
            let batch = feed.next().await.ok_or(ServeError::Ended)?;
            for recorded in batch?.iter().filter_map(Entry::commit) {
                self.heard(&mut served, recorded);
            }
        }
    }

    /// Every webhook that is not removed.
    async fn known(&self) -> Result<Vec<(Token, u64)>, ReadError> {
        let query = |tables: &projections::table::Tables| {
            let mut query = Query::select();
            query.columns(["workspace", "id"]).from(tables.records());
            query.and_where(Expr::col("body").is_not_null());
            query
        };
        let rows = self.views.rows(ScreenName::of::<Webhooks>(), query).await?;
        let read =
            |row: &projections::db::Row| Some((Token::try_new(row.text(0)).ok()?, row.count(1)));
        Ok(rows.iter().filter_map(read).collect())
    }

    /// A webhook has changed, or is new, or is gone.
    fn heard(&self, served: &mut Served, recorded: &Recorded) {
        let commit = &recorded.commit;
        let (Webhook::TYPE, Ok(id)) = (commit.category.as_str(), commit.id.as_str().parse()) else {
            return;
        };
        let gone = commit
            .events
            .iter()
            .any(|event| schemas::codec::head(event).is_ok_and(|head| head.name == REMOVED));
        if gone {
            served.0.remove(&(commit.workspace.clone(), id));
        } else {
            self.serve(served, commit.workspace.clone(), id);
        }
    }

    /// Begins to serve it, or tells those who do that it has changed.
    fn serve(&self, served: &mut Served, workspace: Token, id: u64) {
        let one = served.0.entry((workspace.clone(), id));
        let one = one.or_insert_with(|| self.begin(workspace, WebhookId(id)));
        one.changed.iter().for_each(|changed| changed.notify_one());
    }

    fn begin(&self, workspace: Token, id: WebhookId) -> One {
        let changed: [Arc<Notify>; 3] = std::array::from_fn(|_| Arc::default());
        let [feeding, holding, working] = changed.clone();
        let queue = |changed| DeliveryQueue {
            desk: self.desk.clone(),
            workspace: workspace.clone(),
            id,
            changed,
        };
        let (feed, lanes) = (Feed(queue(feeding)), Lanes(queue(holding)));
        let caller = Arc::clone(&self.caller);
        let worker = Worker::new(self.desk.clone(), caller, workspace, id, working);
        let mut tasks = JoinSet::new();
        tasks.spawn(feed.run());
        tasks.spawn(lanes.run());
        tasks.spawn(worker.run());
        One {
            changed,
            _tasks: tasks,
        }
    }
}
