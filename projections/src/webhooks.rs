//! The list of webhooks and the card of one. It shows no secret, and keeps none.

use cqrs_es::Aggregate as _;
use domain::id::WebhookId;
use domain::webhook::aggregate::Webhook;
use jiff::Timestamp;
use journal::store::Loaded;
use serde::Serialize;
use utoipa::ToSchema;

use crate::change::Change;
use crate::projection::{Projection, Shown};

/// The list of webhooks and the card of one.
pub struct Webhooks;

/// A webhook as everybody sees it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WebhookView {
    /// Its number.
    pub id: u64,
    /// Where it is called.
    pub url: String,
    /// What it is told: `lead.stage_changed`, `lead.*`, `*`.
    pub events: Vec<String>,
    /// What people call it.
    pub description: Option<String>,
    /// Whether it is told anything now.
    pub enabled: bool,
    /// Why not, where it is not.
    pub off_because: Option<String>,
    /// Since when nothing could be delivered, where the last attempt failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failing_since: Option<Timestamp>,
    /// Deliveries that have not ended yet.
    pub in_flight: usize,
    /// Records of which more is to be told than may be in flight, or of which nothing can be
    /// delivered: they are held back, and the others go on.
    pub held_back: usize,
    /// How far it has read the log: `partition:sequence`.
    pub read_to: String,
    /// When it was registered.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Timestamp>,
    /// How many events made it; deliveries count too.
    pub version: u64,
}

impl WebhookView {
    /// The view of a webhook; `None` where there is none (any more).
    #[must_use]
    pub fn of(id: WebhookId, loaded: &Loaded<Webhook>) -> Option<Self> {
        let webhook = &loaded.state;
        let known = webhook.registered.as_ref()?;
        Some(Self {
            id: id.0,
            url: known.url.clone(),
            events: known.events.iter().map(|filter| filter.0.clone()).collect(),
            description: known.description.clone(),
            enabled: webhook.is_active(),
            off_because: webhook.off.clone(),
            failing_since: webhook.failing_since,
            in_flight: webhook.in_flight.len(),
            held_back: webhook.held.len(),
            read_to: format!("{}:{}", loaded.partition, webhook.read_to),
            created_at: loaded.created_at,
            version: loaded.version,
        })
    }
}

impl Projection for Webhooks {
    const NAME: &'static str = "webhooks";
    const VERSION: u32 = 2;
    const READ_SINCE: u32 = 1;
    const CATEGORY: &'static str = Webhook::TYPE;
    type Record = Loaded<Webhook>;

    fn apply(record: Loaded<Webhook>, change: &Change) -> Loaded<Webhook> {
        let mut loaded = change.follows(record);
        if let Some(known) = &mut loaded.state.registered {
            known.secret.clear();
            known.old_secrets.clear();
        }
        loaded
    }

    fn shown(id: u64, record: &Loaded<Webhook>) -> Shown {
        WebhookView::of(WebhookId(id), record)
            .map(|view| Shown::new(&view, Vec::new()))
            .unwrap_or_default()
    }
}
