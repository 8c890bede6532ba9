//! Reads the log for one webhook, and queues what it is to be told.
//!
//! The log is the queue: where the window of deliveries in flight is full, or the webhook is
//! off, reading stops, and goes on later from where it was. Records that are held back are passed
//! over here, and read on by [`super::lanes`].

use std::sync::Arc;

use cqrs_es::AggregateError;
use domain::effect::Phase;
use domain::webhook::aggregate::{Webhook, WebhookError};
use domain::webhook::command::WebhookCommand;
use domain::webhook::event::Delivery;
use futures::StreamExt as _;
use journal::failpoint;
use journal::health::{Part, supervised};
use journal::store::Loaded;

use super::PAUSE;
use super::queue::{DeliveryQueue, Failed, failed};

/// Deliveries queued by one commit, at most, where the log has more at hand.
const AT_ONCE: usize = 64;
/// Having passed this many commits that it is not told, a webhook remembers how far it has read.
const REMEMBER_EVERY: u64 = 10_000;

/// Reads the log for one webhook.
pub(super) struct Feed(pub(super) DeliveryQueue);

impl Feed {
    /// Reads until it is dropped.
    pub(super) async fn run(self) {
        let part = self.0.part("webhook-feed");
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
                    tracing::warn!(%error, webhook.id = %self.0.id, "a webhook waits");
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
        let journal = self.0.journal();
        let mut feed = journal.follow_sealed(journal.partition(&self.0.workspace), read_to);
        loop {
            let batch = tokio::select! {
                batch = feed.next() => batch,
                () = self.0.changed.notified() => {
                    webhook = self.0.webhook().await?;
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
                    waiting.extend(self.0.deliveries_of(&webhook.state, recorded));
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
        self.0.send(command).await?;
        failpoint::reach("webhook.queued");
        *read_to = to;
        Ok(())
    }

    /// The webhook, once this holds of it.
    async fn once(&self, holds: impl Fn(&Webhook) -> bool) -> Result<Arc<Loaded<Webhook>>, Failed> {
        loop {
            let webhook = self.0.webhook().await?;
            if holds(&webhook.state) {
                return Ok(webhook);
            }
            self.0.changed.notified().await;
        }
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
