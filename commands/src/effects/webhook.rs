//! Webhooks as an aggregate that causes effects: each delivery is one.

use domain::effect::{Claim, InFlight, Settle};
use domain::webhook::aggregate::Webhook;
use domain::webhook::command::WebhookCommand;
use domain::webhook::event::Delivery;

use super::Acting;

impl Acting for Webhook {
    type Intent = Delivery;

    fn in_flight(&self) -> &InFlight<Delivery> {
        &self.in_flight
    }

    fn may_act(&self) -> bool {
        self.is_active()
    }

    fn claim(claim: Claim) -> WebhookCommand {
        WebhookCommand::Claim(claim)
    }

    fn settle(settle: Settle) -> WebhookCommand {
        WebhookCommand::Settle(settle)
    }

    const ACTOR: &'static str = "gateway:webhooks";
}
