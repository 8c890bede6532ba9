//! Reads the log for one webhook, and queues what it is to be told.
//!
//! The log is the queue: where the window of deliveries in flight is full, or the webhook is
//! off, reading stops, and goes on later from where it was. Records that are held back are passed
//! over here, and read on by [`super::lanes`].

use std::sync::Arc;
use std::time::Duration;

use commands::desk::Desk;
use commands::origin::Origin;
use cqrs_es::AggregateError;
use domain::effect::Phase;
use domain::id::WebhookId;
use domain::webhook::aggregate::{Webhook, WebhookError};
use domain::webhook::command::WebhookCommand;
use domain::webhook::event::Delivery;
use domain::webhook::is_public;
use futures::StreamExt as _;
use journal::envelope::Recorded;
use journal::failpoint;
use journal::health::{Part, supervised};
use journal::store::Loaded;
use journal::token::Token;
use tokio::sync::Notify;
use uuid::Uuid;

pub(super) const ACTOR: &str = "gateway:webhooks";
/// Deliveries queued by one commit, at most, where the log has more at hand.
const AT_ONCE: usize = 64;
/// Having passed this many commits that it is not told, a webhook remembers how far it has read.
const REMEMBER_EVERY: u64 = 10_000;
pub(super) const PAUSE: Duration = Duration::from_secs(1);

pub(super) type Failed = AggregateError<WebhookError>;

/// Reads the log for one webhook.
pub(super) struct Feed {
    desk: Desk,
    workspace: Token,
    id: WebhookId,
    changed: Arc<Notify>,
}

impl Feed {
    pub(super) const fn new(
        desk: Desk,
        workspace: Token,
        id: WebhookId,
        changed: Arc<Notify>,
    ) -> Self {
        Self {
            desk,
            workspace,
            id,
            changed,
        }
    }

    /// Reads until it is dropped.
    pub(super) async fn run(self) {
        let which = format!("{}/{}", self.workspace, self.id);
        let part = self.desk.journal().health().part_of("webhook-feed", which);
        supervised(part, |part| self.keep_reading(part)).await;
    }

    async fn keep_reading(&self, part: Part) {
        loop {
            // It waits for the log, for a change of the webhook, or for room in its window.
            part.waits();
            match self.read_on().await {
                Ok(())
                | Err(AggregateError::UserError(
                    WebhookError::ReadElsewhere { .. }
                    | WebhookError::Off { .. }
                    | WebhookError::Full,
                )) => {}
                Err(error) => {
                    tracing::warn!(%error, webhook.id = %self.id, "a webhook waits");
                    part.fails(error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Reads on from where the webhook stands, until it stands elsewhere.
    async fn read_on(&self) -> Result<(), Failed> {
        let mut webhook = self.once(Webhook::is_active).await?;
        let mut read_to = webhook.state.read_to;
        let journal = self.desk.journal();
        let mut feed = journal.follow_sealed(journal.partition(&self.workspace), read_to);
        loop {
            let batch = tokio::select! {
                batch = feed.next() => batch,
                () = self.changed.notified() => {
                    webhook = self.load().await?;
                    if webhook.state.read_to != read_to || !webhook.state.is_active() {
                        return Ok(());
                    }
                    continue;
                }
            };
            let Some(batch) = batch.transpose().map_err(failed)? else {
                return Ok(());
            };
            let mut waiting = Vec::new();
            for entry in &batch {
                // What cannot be read says no event that could be told; the log itself notes it.
                if let Some(recorded) = entry.commit() {
                    waiting.extend(told(&self.workspace, self.id, &webhook.state, recorded));
                }
                let passed = entry.position().sequence;
                if waiting.len() >= AT_ONCE || passed >= read_to + REMEMBER_EVERY {
                    self.queue(&mut read_to, passed, &mut waiting).await?;
                }
            }
            if let (false, Some(last)) = (waiting.is_empty(), batch.last()) {
                self.queue(&mut read_to, last.position().sequence, &mut waiting)
                    .await?;
            }
        }
    }

    async fn queue(
        &self,
        read_to: &mut u64,
        to: u64,
        waiting: &mut Vec<Delivery>,
    ) -> Result<(), Failed> {
        let deliveries = std::mem::take(waiting);
        self.once(|webhook| takes(webhook, &deliveries) || !webhook.is_active())
            .await?;
        let command = WebhookCommand::Queue {
            after: *read_to,
            to,
            deliveries,
        };
        let origin = Origin::new(self.workspace.clone(), ACTOR);
        self.desk.send::<Webhook>(self.id, command, &origin).await?;
        failpoint::reach("webhook.queued");
        *read_to = to;
        Ok(())
    }

    /// The webhook, once this holds of it.
    async fn once(&self, holds: impl Fn(&Webhook) -> bool) -> Result<Arc<Loaded<Webhook>>, Failed> {
        loop {
            let webhook = self.load().await?;
            if holds(&webhook.state) {
                return Ok(webhook);
            }
            self.changed.notified().await;
        }
    }

    async fn load(&self) -> Result<Arc<Loaded<Webhook>>, Failed> {
        self.desk
            .load(&self.workspace, self.id)
            .await
            .map_err(failed)
    }
}

/// Whether these can be queued. After a rewind, what is being sent right now is queued when that
/// has ended: the call may have been before the rewind.
fn takes(webhook: &Webhook, deliveries: &[Delivery]) -> bool {
    let sending = |delivery: &Delivery| {
        let known = webhook.in_flight.find(delivery.id);
        known.is_some_and(|known| matches!(known.phase, Phase::Claimed { .. }))
    };
    webhook.has_room(deliveries) && !deliveries.iter().any(sending)
}

/// What of a commit a webhook is to be told.
pub(super) fn told(
    workspace: &Token,
    id: WebhookId,
    webhook: &Webhook,
    recorded: &Recorded,
) -> Vec<Delivery> {
    let commit = &recorded.commit;
    if commit.workspace != *workspace {
        return Vec::new();
    }
    let told = |(index, event): (usize, &Box<_>)| {
        let name = schemas::codec::head(event).ok()?.name;
        (is_public(&name) && webhook.wants(&name)).then(|| Delivery {
            id: delivery_id(id, commit.commit_id, index),
            sequence: recorded.position.sequence,
            commit: commit.commit_id,
            index,
            record: format!("{}-{}", commit.category, commit.id),
            event: name,
        })
    };
    commit.events.iter().enumerate().filter_map(told).collect()
}

pub(super) fn failed(error: journal::JournalError) -> Failed {
    AggregateError::DatabaseConnectionError(error.into())
}

/// The same for every attempt and every replay of an event to a webhook.
pub(super) fn delivery_id(webhook: WebhookId, commit: Uuid, index: usize) -> Uuid {
    Uuid::new_v5(&commit, format!("webhook-{webhook} {index}").as_bytes())
}
