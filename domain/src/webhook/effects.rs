//! A webhook as an aggregate that causes effects, each delivery one, and that has timers for them.

use super::aggregate::Webhook;
use super::command::WebhookCommand;
use super::event::{Delivery, WebhookEvent};
use crate::effect::in_flight::InFlight;
use crate::effect::timer::{Timed, Timer};
use crate::effect::{Acting, EffectCommand, Progress, Tick};

impl Acting for Webhook {
    type Intent = Delivery;
    const ACTOR: &'static str = "gateway:webhooks";

    fn in_flight(&self) -> &InFlight<Delivery> {
        &self.in_flight
    }

    fn may_act(&self) -> bool {
        self.is_active()
    }

    fn progress(event: &WebhookEvent) -> Progress<'_, Delivery> {
        match event {
            WebhookEvent::Queued { deliveries, .. }
            | WebhookEvent::LaneQueued { deliveries, .. } => Progress::Decided(deliveries),
            WebhookEvent::Resent { delivery } | WebhookEvent::Tested { delivery } => {
                Progress::Decided(std::slice::from_ref(delivery))
            }
            WebhookEvent::Effect(effect) => Progress::Moved(effect),
            WebhookEvent::Removed {} => Progress::AllEnded,
            WebhookEvent::Registered { .. }
            | WebhookEvent::Changed { .. }
            | WebhookEvent::SecretRotated { .. }
            | WebhookEvent::SwitchedOff { .. }
            | WebhookEvent::SwitchedOn {}
            | WebhookEvent::Rewound { .. }
            | WebhookEvent::LanesHeld { .. } => Progress::None,
        }
    }
}

impl Timed for Webhook {
    fn timers(event: &WebhookEvent) -> Vec<Timer> {
        match Self::progress(event) {
            Progress::Moved(effect) => effect.timers(),
            Progress::AllEnded => vec![Timer::AllCancelled],
            Progress::None | Progress::Decided(_) => Vec::new(),
        }
    }

    fn tick(tick: Tick) -> WebhookCommand {
        EffectCommand::Tick(tick).into()
    }
}
