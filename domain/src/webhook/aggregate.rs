//! What a webhook decides, how facts change it, and why it refuses.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use cqrs_es::Aggregate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::command::WebhookCommand;
use super::event::{Delivery, WebhookEvent};
use super::{EventFilter, WINDOW};
use crate::effect::in_flight::InFlight;
use crate::effect::{EffectCommand, EffectEvent, Intent as _, NotUnknown, Outcome, Settle};
use crate::event::{Decide, decided};
use crate::id::{Keyed, WebhookId};

/// Secrets before the current one that are kept: as many may be rotated away within a day.
const OLD_SECRETS: usize = 8;
/// HTTP 410: the receiver wants nothing any more, says Standard Webhooks.
const GONE: u16 = 410;

/// A webhook as its events made it; the default one was never registered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// What is known, from its registration to its removal.
    pub registered: Option<Registered>,
    /// Why it is told nothing, where it was switched off.
    pub off: Option<String>,
    /// How far it has read the log, as a sequence.
    pub read_to: u64,
    /// What it is being told.
    pub in_flight: InFlight<Delivery>,
    /// Records that are held back: events of theirs behind this sequence are not queued yet, however
    /// far the log was read.
    #[serde(default)]
    pub held: BTreeMap<String, u64>,
    /// Since when nothing was delivered, where the last attempt failed.
    pub failing_since: Option<Timestamp>,
}

/// A webhook that was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Where to call.
    pub url: String,
    /// What to tell.
    pub events: Vec<EventFilter>,
    /// What to sign with.
    pub secret: String,
    /// The secrets before, and how long each is used too; the newest first.
    #[serde(default)]
    pub old_secrets: Vec<(String, Timestamp)>,
    /// What people call it.
    pub description: Option<String>,
}

/// Why a webhook refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum WebhookError {
    /// There is no such webhook.
    #[error("This webhook does not exist")]
    NotFound,
    /// It was registered before.
    #[error("This webhook was registered before")]
    AlreadyRegistered,
    /// It is told nothing.
    #[error("This webhook is switched off: {reason}; switch it on first")]
    Off {
        /// Why.
        reason: String,
    },
    /// Somebody else read on, or rewound it.
    #[error("This webhook has read the log up to {read_to}")]
    ReadElsewhere {
        /// How far.
        read_to: u64,
    },
    /// More is in flight than may be.
    #[error("This webhook has {WINDOW} deliveries in flight; wait until some have ended")]
    Full,
    /// A person need not say what became of it.
    #[error(
        "What became of this delivery is known, or is being found out; only one with the status unknown is settled by hand"
    )]
    NotUnknown,
}

impl Webhook {
    /// Whether it is to be told things now.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.registered.is_some() && self.off.is_none()
    }

    /// Whether it wants to be told of events with this stored name.
    #[must_use]
    pub fn wants(&self, event: &str) -> bool {
        let filters = self.registered.iter().flat_map(|known| &known.events);
        super::is_public(event) && filters.into_iter().any(|filter| filter.matches(event))
    }

    fn decide_registered(
        &self,
        known: &Registered,
        command: WebhookCommand,
    ) -> Result<Vec<WebhookEvent>, WebhookError> {
        match command {
            WebhookCommand::Register { .. } => Err(WebhookError::AlreadyRegistered),
            WebhookCommand::Change {
                url,
                events,
                description,
            } => {
                let moves = url.as_ref().is_some_and(|url| *url != known.url);
                let changed = known.change(url, events, description);
                Ok(self.and_try_again(changed, moves))
            }
            WebhookCommand::RotateSecret { secret, .. } if secret == known.secret => Ok(vec![]),
            WebhookCommand::RotateSecret { secret, old_until } => {
                Ok(vec![WebhookEvent::SecretRotated { secret, old_until }])
            }
            WebhookCommand::Remove => Ok(vec![WebhookEvent::Removed {}]),
            WebhookCommand::SwitchOff { .. } if self.off.is_some() => Ok(vec![]),
            WebhookCommand::SwitchOff { reason } => Ok(vec![WebhookEvent::SwitchedOff { reason }]),
            WebhookCommand::SwitchOn if self.off.is_none() => Ok(vec![]),
            WebhookCommand::SwitchOn => {
                Ok(self.and_try_again(vec![WebhookEvent::SwitchedOn {}], true))
            }
            WebhookCommand::Rewind { after } => {
                Ok(self.and_try_again(vec![WebhookEvent::Rewound { after }], true))
            }
            WebhookCommand::Queue {
                after,
                to,
                deliveries,
            } => self.queue(after, to, deliveries),
            WebhookCommand::QueueLane {
                record,
                after,
                to,
                deliveries,
            } => self.queue_lane(record, after, to, deliveries),
            WebhookCommand::Resend(delivery) => self.resend(delivery),
            WebhookCommand::Test(delivery) => self.test(delivery),
            WebhookCommand::Effect(command) => self.decide_effect(command),
        }
    }

    pub(super) fn expect_on(&self) -> Result<(), WebhookError> {
        match &self.off {
            Some(reason) => Err(WebhookError::Off {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// And whatever waits for its next attempt is tried now: a person has just mended something.
    fn and_try_again(&self, events: Vec<WebhookEvent>, now: bool) -> Vec<WebhookEvent> {
        let due = self.in_flight.at_once(|_| now);
        events
            .into_iter()
            .chain(due.map(WebhookEvent::Effect))
            .collect()
    }

    fn resend(&self, delivery: Delivery) -> Result<Vec<WebhookEvent>, WebhookError> {
        self.expect_on()?;
        let id = delivery.id();
        match self.in_flight.find(id) {
            Some(_) => {
                let due = self.in_flight.at_once(|known| known.id() == id);
                Ok(due.map(WebhookEvent::Effect).into_iter().collect())
            }
            None if self.in_flight.len() >= WINDOW => Err(WebhookError::Full),
            None => Ok(vec![WebhookEvent::Resent { delivery }]),
        }
    }

    fn test(&self, delivery: Delivery) -> Result<Vec<WebhookEvent>, WebhookError> {
        self.expect_on()?;
        match self.in_flight.find(delivery.id()) {
            Some(_) => Ok(vec![]),
            None if self.in_flight.len() >= WINDOW => Err(WebhookError::Full),
            None => Ok(vec![WebhookEvent::Tested { delivery }]),
        }
    }

    /// What a person has found out switches nothing off.
    fn decide_effect(&self, command: EffectCommand) -> Result<Vec<WebhookEvent>, WebhookError> {
        let reason = match &command {
            EffectCommand::Claim(_) => self.expect_on().map(|()| None)?,
            EffectCommand::Settle(told) => self.reason_to_switch_off(told),
            EffectCommand::FoundOut(_) | EffectCommand::Tick(_) => None,
        };
        let events = self.in_flight.decide(command)?;
        let reason = reason.filter(|_| !events.is_empty());
        let off = reason.map(|reason| WebhookEvent::SwitchedOff { reason });
        let events = events.into_iter().map(WebhookEvent::Effect);
        Ok(events.chain(off).collect())
    }

    /// Where nothing was delivered in all the time of a delivery's attempts, or where the receiver says
    /// that it wants nothing any more.
    fn reason_to_switch_off(&self, told: &Settle) -> Option<String> {
        if self.off.is_some() || told.outcome != Outcome::GaveUp {
            return None;
        }
        if told.report.code == Some(GONE) {
            return Some("the receiver answered 410 Gone".to_owned());
        }
        let effect = self.in_flight.find(told.effect)?;
        let first_failed = effect.failing_since.unwrap_or(told.now);
        let failing_all_along = self.failing_since.unwrap_or(told.now) <= first_failed;
        let attempts = told.attempt;
        failing_all_along.then(|| format!("nothing could be delivered in {attempts} attempts"))
    }
}

impl Registered {
    #[expect(
        clippy::option_option,
        reason = "left out, none and a text are three things"
    )]
    fn change(
        &self,
        url: Option<String>,
        events: Option<Vec<EventFilter>>,
        description: Option<Option<String>>,
    ) -> Vec<WebhookEvent> {
        let url = url.unwrap_or_else(|| self.url.clone());
        let events = events.unwrap_or_else(|| self.events.clone());
        let description = description.unwrap_or_else(|| self.description.clone());
        if (&url, &events, &description) == (&self.url, &self.events, &self.description) {
            return Vec::new();
        }
        vec![WebhookEvent::Changed {
            url,
            events,
            description,
        }]
    }
}

impl Decide for Webhook {
    const STATE: u32 = 1;

    fn decide(&self, command: WebhookCommand) -> Result<Vec<WebhookEvent>, WebhookError> {
        match (&self.registered, command) {
            (Some(known), command) => self.decide_registered(known, command),
            (
                None,
                WebhookCommand::Register {
                    url,
                    events,
                    secret,
                    description,
                    after,
                },
            ) => Ok(vec![WebhookEvent::Registered {
                url,
                events,
                secret,
                description,
                after,
            }]),
            (None, WebhookCommand::Effect(EffectCommand::Settle(_) | EffectCommand::Tick(_))) => {
                Ok(vec![])
            }
            (None, _) => Err(WebhookError::NotFound),
        }
    }
}

impl Aggregate for Webhook {
    const TYPE: &'static str = "webhook";
    type Command = WebhookCommand;
    type Event = WebhookEvent;
    type Error = WebhookError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: WebhookEvent) {
        match event {
            WebhookEvent::Registered {
                url,
                events,
                secret,
                description,
                after,
            } => {
                self.read_to = after;
                self.registered = Some(Registered {
                    url,
                    events,
                    secret,
                    old_secrets: Vec::new(),
                    description,
                });
            }
            WebhookEvent::Removed {} => *self = Self::default(),
            WebhookEvent::SwitchedOff { reason } => self.off = Some(reason),
            WebhookEvent::SwitchedOn {} => (self.off, self.failing_since) = (None, None),
            WebhookEvent::Rewound { after } => {
                self.read_to = after;
                // The rest of them is read again with everything else.
                self.held.retain(|_, held| *held < after);
            }
            WebhookEvent::LanesHeld { lanes } => {
                let lanes = lanes.into_iter();
                self.held
                    .extend(lanes.map(|lane| (lane.record, lane.after)));
            }
            WebhookEvent::LaneQueued {
                record,
                to,
                deliveries,
            } => {
                if to < self.read_to {
                    self.held.insert(record, to);
                } else {
                    self.held.remove(&record);
                }
                for delivery in deliveries {
                    self.in_flight.apply_intent(delivery);
                }
            }
            WebhookEvent::Queued { to, deliveries } => {
                self.read_to = to;
                for delivery in deliveries {
                    self.in_flight.apply_intent(delivery);
                }
            }
            WebhookEvent::Resent { delivery } | WebhookEvent::Tested { delivery } => {
                self.in_flight.apply_intent(delivery);
            }
            WebhookEvent::Effect(effect) => self.apply_effect(&effect),
            WebhookEvent::Changed { .. } | WebhookEvent::SecretRotated { .. } => {
                if let Some(known) = &mut self.registered {
                    known.apply(event);
                }
            }
        }
    }
}

impl Webhook {
    fn apply_effect(&mut self, effect: &EffectEvent) {
        self.in_flight.apply(effect);
        if let EffectEvent::Settled(settled) = effect {
            match settled.outcome {
                Outcome::Done => self.failing_since = None,
                Outcome::Failed { .. } | Outcome::GaveUp => {
                    self.failing_since.get_or_insert(settled.at);
                }
            }
        }
    }
}

impl From<NotUnknown> for WebhookError {
    fn from(_: NotUnknown) -> Self {
        Self::NotUnknown
    }
}

impl Registered {
    fn apply(&mut self, event: WebhookEvent) {
        if let WebhookEvent::SecretRotated { secret, old_until } = event {
            let old = std::mem::replace(&mut self.secret, secret);
            self.old_secrets.insert(0, (old, old_until));
            self.old_secrets.retain(|(old, _)| *old != self.secret);
            self.old_secrets.truncate(OLD_SECRETS);
        } else if let WebhookEvent::Changed {
            url,
            events,
            description,
        } = event
        {
            (self.url, self.events, self.description) = (url, events, description);
        }
    }
}

impl Keyed for Webhook {
    type Id = WebhookId;
}
