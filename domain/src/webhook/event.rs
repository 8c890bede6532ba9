//! Facts about a webhook, with their stored names and versions.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::EventFilter;
use crate::effect::{EffectEvent, Intent};
use crate::event::stored;

/// What happened to a webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum WebhookEvent {
    /// Somebody wants to be told.
    #[serde(rename = "webhook.registered")]
    Registered {
        /// Where.
        url: String,
        /// What of.
        events: Vec<EventFilter>,
        /// What calls are signed with, as Standard Webhooks writes it: `whsec_…`.
        secret: String,
        /// What people call it.
        description: Option<String>,
        /// Events behind this sequence of the log are told.
        after: u64,
    },
    /// It is told elsewhere, or of other events.
    #[serde(rename = "webhook.changed")]
    Changed {
        /// Where.
        url: String,
        /// What of.
        events: Vec<EventFilter>,
        /// What people call it.
        description: Option<String>,
    },
    /// Calls are signed with another secret; for a while with both.
    #[serde(rename = "webhook.secret_rotated")]
    SecretRotated {
        /// The new one.
        secret: String,
        /// How long the old one is used too.
        #[schemars(with = "String")]
        old_until: Timestamp,
    },
    /// It is told nothing any more.
    #[serde(rename = "webhook.removed")]
    Removed {},
    /// It is told nothing for now.
    #[serde(rename = "webhook.switched_off")]
    SwitchedOff {
        /// Why.
        reason: String,
    },
    /// It is told again, from where it stood.
    #[serde(rename = "webhook.switched_on")]
    SwitchedOn {},
    /// It is told again what it was told before.
    #[serde(rename = "webhook.rewound")]
    Rewound {
        /// Events behind this sequence of the log are told.
        after: u64,
    },
    /// It is to be told these, and has read the log so far.
    #[serde(rename = "webhook.deliveries_queued")]
    Queued {
        /// Up to this sequence of the log.
        to: u64,
        /// What is to be told.
        deliveries: Vec<Delivery>,
    },
    /// Of these records it is told nothing more for now; it reads on.
    #[serde(rename = "webhook.lanes_held")]
    LanesHeld {
        /// Which, each from where on.
        lanes: Vec<HeldLane>,
    },
    /// It is to be told these of a record that was held back, whose events were read so far.
    #[serde(rename = "webhook.lane_queued")]
    LaneQueued {
        /// The record: `lead-7`.
        record: String,
        /// Up to this sequence of the log; where that is as far as the webhook has read, the record is
        /// held back no more.
        to: u64,
        /// What is to be told.
        deliveries: Vec<Delivery>,
    },
    /// A person wants to see whether anything arrives; this event is what it is told.
    #[serde(rename = "webhook.tested")]
    Tested {
        /// How.
        delivery: Delivery,
    },
    /// A person wants something told again.
    #[serde(rename = "webhook.delivery_resent")]
    Resent {
        /// What.
        delivery: Delivery,
    },
    /// Deliveries are tried, and tried again.
    #[serde(untagged)]
    Effect(#[serde(with = "WebhookEffects")] EffectEvent),
}

stored!(WebhookEvent {
    Registered = "webhook.registered" v 1 personal { url: record, secret: record, description: record },
    Changed = "webhook.changed" v 1 personal { url: record, description: record },
    SecretRotated = "webhook.secret_rotated" v 1 personal { secret: record },
    Removed = "webhook.removed" v 1,
    SwitchedOff = "webhook.switched_off" v 1,
    SwitchedOn = "webhook.switched_on" v 1,
    Rewound = "webhook.rewound" v 1,
    Queued = "webhook.deliveries_queued" v 1,
    LanesHeld = "webhook.lanes_held" v 1,
    LaneQueued = "webhook.lane_queued" v 1,
    Tested = "webhook.tested" v 1,
    Resent = "webhook.delivery_resent" v 1,
} effects WebhookEffects {
    /// Somebody tries to tell these.
    Claimed = "webhook.deliveries_claimed" v 1,
    /// An attempt has ended.
    Settled = "webhook.delivery_settled" v 1,
    /// The time of the next attempt has come.
    CameDue = "webhook.deliveries_came_due" v 1,
    /// Whoever tried died; whether these were told is unknown.
    Lost = "webhook.deliveries_lost" v 1,
});

/// A record of which a webhook is told nothing more for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldLane {
    /// The record: `lead-7`.
    pub record: String,
    /// Its events behind this sequence of the log are to be told.
    pub after: u64,
}

/// An event of the log that a webhook is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// The same for every attempt and every replay: what receivers tell repetitions by.
    pub id: Uuid,
    /// The sequence of its commit in the log.
    pub sequence: u64,
    /// Its commit.
    pub commit: Uuid,
    /// Its place in the commit, from 0.
    pub index: usize,
    /// The record that it is about: `lead-7`.
    pub record: String,
    /// Its stored name.
    pub event: String,
}

impl Intent for Delivery {
    fn id(&self) -> Uuid {
        self.id
    }

    fn lane(&self) -> &str {
        &self.record
    }
}
