//! A webhook: an address that is told what happens, as signed HTTP calls.
//!
//! Read in this order: `event`, `command`, `aggregate`, `lanes`, `effects`. The log itself is the queue: a
//! webhook remembers how far it has read it, and holds no more than [`WINDOW`] deliveries in
//! flight, no more than [`LANE`] of them of one record. A record of which more is to be told, or
//! of which nothing can be delivered, is held back: the webhook reads on, and remembers where that
//! record stands.
//!
//! Invariant: events of one record are delivered one after the other, in the log's order.

pub mod aggregate;
pub mod command;
mod effects;
pub mod event;
mod lanes;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Deliveries in flight of one webhook, at most.
pub const WINDOW: usize = 256;
/// Of them of one record, at most.
pub const LANE: usize = 16;
/// Records that are held back, at most.
pub const HELD: usize = 1000;

/// Whose events are told to the outside; the others are Rapport's own business.
const PUBLIC: &[&str] = &["lead", "sale", "contact"];
/// Of those, what changes nothing that anybody is shown.
const PRIVATE: &[&str] = &["contact.reservation_lapsed"];
/// The one event of webhooks that others can be told of.
pub const SWITCHED_OFF: &str = "webhook.switched_off";

/// Whether the outside may be told of events with this stored name.
#[must_use]
pub fn is_public(event: &str) -> bool {
    let category = event.split('.').next().unwrap_or_default();
    PUBLIC.contains(&category) && !PRIVATE.contains(&event) || event == SWITCHED_OFF
}

/// Which events a webhook is told: `lead.stage_changed`, `lead.*`, `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EventFilter(pub String);

impl EventFilter {
    /// Whether events with this stored name pass.
    #[must_use]
    pub fn matches(&self, event: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => event.starts_with(prefix),
            None => event == self.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EventFilter, is_public};

    #[test]
    fn a_filter_names_one_event_or_a_family() {
        let matches = |filter: &str, event: &str| EventFilter(filter.into()).matches(event);
        assert!(matches("*", "lead.opened") && matches("lead.*", "lead.opened"));
        assert!(matches("lead.opened", "lead.opened"));
        assert!(!matches("lead.opened", "lead.stage_changed") && !matches("lead.*", "sale.opened"));
    }

    #[test]
    fn what_is_our_own_business_is_told_nobody() {
        assert!(is_public("contact.created") && is_public("webhook.switched_off"));
        for private in [
            "key.issued",
            "unique.reserved",
            "webhook.delivery_queued",
            "contact.reservation_lapsed",
        ] {
            assert!(!is_public(private), "{private}");
        }
    }
}
