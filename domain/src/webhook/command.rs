//! What may be asked of a webhook.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::EventFilter;
use super::event::Delivery;
use crate::effect::EffectCommand;

/// What may be asked of a webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum WebhookCommand {
    /// Begin.
    Register {
        /// Where to call.
        url: String,
        /// What to tell.
        events: Vec<EventFilter>,
        /// What to sign with.
        secret: String,
        /// What people call it.
        description: Option<String>,
        /// Tell what is behind this sequence of the log.
        after: u64,
    },
    /// Call elsewhere, or tell other events; what is left out stays.
    Change {
        /// Where to call.
        url: Option<String>,
        /// What to tell.
        events: Option<Vec<EventFilter>>,
        /// What people call it; `Some(None)` clears it.
        #[serde(default, with = "crate::clearing")]
        description: Option<Option<String>>,
    },
    /// Sign with another secret.
    RotateSecret {
        /// The new one.
        secret: String,
        /// How long to sign with the old one too.
        old_until: Timestamp,
    },
    /// Tell nothing any more.
    Remove,
    /// Tell nothing for now.
    SwitchOff {
        /// Why.
        reason: String,
    },
    /// Tell again, from where it stood.
    SwitchOn,
    /// Tell again what was told before.
    Rewind {
        /// What is behind this sequence of the log.
        after: u64,
    },
    /// Tell these, and remember how far the log was read.
    Queue {
        /// How far it was read before.
        after: u64,
        /// How far it was read now.
        to: u64,
        /// What to tell.
        deliveries: Vec<Delivery>,
    },
    /// Tell these of a record that is held back, and remember how far its events were read.
    QueueLane {
        /// The record.
        record: String,
        /// How far they were read before.
        after: u64,
        /// How far they were read now.
        to: u64,
        /// What to tell.
        deliveries: Vec<Delivery>,
    },
    /// Tell this again; where it waits for its next attempt, now.
    Resend(Delivery),
    /// Tell this, to see whether anything arrives.
    Test(Delivery),
    /// What workers and the clock say of deliveries.
    #[serde(untagged)]
    Effect(EffectCommand),
}

impl From<EffectCommand> for WebhookCommand {
    fn from(command: EffectCommand) -> Self {
        Self::Effect(command)
    }
}
