//! The deliveries of one webhook, as those who read the log for it queue them.

use std::sync::Arc;

use commands::desk::Desk;
use commands::origin::Origin;
use cqrs_es::AggregateError;
use domain::id::WebhookId;
use domain::webhook::aggregate::{Webhook, WebhookError};
use domain::webhook::command::WebhookCommand;
use domain::webhook::event::Delivery;
use domain::webhook::is_public;
use journal::envelope::Recorded;
use journal::health::Part;
use journal::store::Loaded;
use journal::token::Token;
use journal::{Journal, JournalError};
use tokio::sync::Notify;
use uuid::Uuid;

const ACTOR: &str = "gateway:webhooks";

pub(super) type Failed = AggregateError<WebhookError>;

/// The deliveries of one webhook.
pub(super) struct DeliveryQueue {
    pub(super) desk: Desk,
    pub(super) workspace: Token,
    pub(super) id: WebhookId,
    /// Notified whenever the webhook has changed.
    pub(super) changed: Arc<Notify>,
}

impl DeliveryQueue {
    pub(super) fn journal(&self) -> &Journal {
        self.desk.journal()
    }

    /// The part of the process's health of one who reads for this webhook.
    pub(super) fn part(&self, reader: &'static str) -> Part {
        let which = format!("{}/{}", self.workspace, self.id);
        self.journal().health().part_of(reader, which)
    }

    /// The webhook as it stands.
    pub(super) async fn webhook(&self) -> Result<Arc<Loaded<Webhook>>, Failed> {
        let loaded = self.desk.load(&self.workspace, self.id).await;
        loaded.map_err(failed)
    }

    pub(super) async fn send(&self, command: WebhookCommand) -> Result<(), Failed> {
        let origin = Origin::new(self.workspace.clone(), ACTOR);
        self.desk.send::<Webhook>(self.id, command, &origin).await?;
        Ok(())
    }

    /// What of a commit the webhook is to be told.
    pub(super) fn deliveries_of(&self, webhook: &Webhook, recorded: &Recorded) -> Vec<Delivery> {
        let commit = &recorded.commit;
        if commit.workspace != self.workspace {
            return Vec::new();
        }
        let told = |(index, event): (usize, &Box<_>)| {
            let name = schemas::codec::head(event).ok()?.name;
            (is_public(&name) && webhook.wants(&name)).then(|| Delivery {
                id: delivery_id(self.id, commit.commit_id, index),
                sequence: recorded.position.sequence,
                commit: commit.commit_id,
                index,
                record: format!("{}-{}", commit.category, commit.id),
                event: name,
            })
        };
        commit.events.iter().enumerate().filter_map(told).collect()
    }
}

pub(super) fn failed(error: JournalError) -> Failed {
    AggregateError::DatabaseConnectionError(error.into())
}

/// The same for every attempt and every replay of an event to a webhook.
pub(super) fn delivery_id(webhook: WebhookId, commit: Uuid, index: usize) -> Uuid {
    Uuid::new_v5(&commit, format!("webhook-{webhook} {index}").as_bytes())
}
