//! Given, when, then for webhooks.
//!
//! - here: what the log is read for, and what a person does
//! - [`effects`]: deliveries as effects in flight: claims, outcomes, time
//! - [`lanes`]: records that are held back
//! - [`model`]: any order of events, reads and calls, compared with what must come out

mod effects;
mod lanes;
mod model;

use cqrs_es::test::TestFramework;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Webhook, WebhookCommand, WebhookError, WebhookEvent};
use crate::effect::{
    CameDue, Claim, Claimed, EffectCommand, EffectEvent, Lost, Outcome, Report, Settle, Settled,
    Tick,
};
use crate::webhook::event::Delivery;
use crate::webhook::{EventFilter, WINDOW};

fn webhook() -> TestFramework<Webhook> {
    TestFramework::with(())
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

fn registered() -> WebhookEvent {
    WebhookEvent::Registered {
        url: "https://example.com".into(),
        events: vec![EventFilter("lead.*".into())],
        secret: "whsec_a".into(),
        description: None,
        after: 10,
    }
}

fn delivery(number: u128, record: &str) -> Delivery {
    Delivery {
        id: Uuid::from_u128(number),
        sequence: 11,
        commit: Uuid::from_u128(100 + number),
        index: 0,
        record: record.into(),
        event: "lead.opened".into(),
    }
}

fn queued(deliveries: &[Delivery]) -> WebhookEvent {
    WebhookEvent::Queued {
        to: 20,
        deliveries: deliveries.to_vec(),
    }
}

fn ids(numbers: &[u128]) -> Vec<Uuid> {
    numbers
        .iter()
        .map(|number| Uuid::from_u128(*number))
        .collect()
}

fn claim(effects: &[u128]) -> WebhookCommand {
    WebhookCommand::Effect(EffectCommand::Claim(Claim {
        effects: ids(effects),
        claim: Uuid::from_u128(77),
        until: moment(60),
    }))
}

fn claimed(effects: &[u128]) -> WebhookEvent {
    WebhookEvent::Effect(EffectEvent::Claimed(Claimed {
        effects: ids(effects),
        claim: Uuid::from_u128(77),
        until: moment(60),
    }))
}

fn settle(attempt: u32, outcome: Outcome, seconds: i64) -> WebhookCommand {
    WebhookCommand::Effect(EffectCommand::Settle(Settle {
        effect: Uuid::from_u128(1),
        attempt,
        outcome,
        report: Report::default(),
        now: moment(seconds),
    }))
}

fn settled(attempt: u32, outcome: Outcome, seconds: i64) -> WebhookEvent {
    WebhookEvent::Effect(EffectEvent::Settled(Settled {
        effect: Uuid::from_u128(1),
        attempt,
        outcome,
        report: Report::default(),
        at: moment(seconds),
    }))
}

fn lost(effects: &[u128]) -> WebhookEvent {
    WebhookEvent::Effect(EffectEvent::Lost(Lost {
        effects: ids(effects),
    }))
}

fn came_due(effects: &[u128]) -> WebhookEvent {
    WebhookEvent::Effect(EffectEvent::CameDue(CameDue {
        effects: ids(effects),
    }))
}

fn tick(seconds: i64) -> WebhookCommand {
    WebhookCommand::Effect(EffectCommand::Tick(Tick {
        now: moment(seconds),
    }))
}

fn failed() -> Outcome {
    Outcome::Failed {
        retry_at: moment(300),
    }
}

fn at(sequence: u64, number: u128, record: &str) -> Delivery {
    Delivery {
        sequence,
        ..delivery(number, record)
    }
}

fn queue(deliveries: Vec<Delivery>) -> WebhookCommand {
    WebhookCommand::Queue {
        after: 10,
        to: 500,
        deliveries,
    }
}

#[test]
fn the_log_is_read_on_from_where_it_was_read_to_and_by_one_reader() {
    let queue = |after, to| WebhookCommand::Queue {
        after,
        to,
        deliveries: vec![delivery(1, "lead-1")],
    };
    webhook()
        .given(vec![registered()])
        .when(queue(10, 20))
        .then_expect_events(vec![queued(&[delivery(1, "lead-1")])]);
    webhook()
        .given(vec![registered(), queued(&[])])
        .when(queue(10, 20))
        .then_expect_error(WebhookError::ReadElsewhere { read_to: 20 });
}

#[test]
fn after_a_rewind_what_is_in_flight_is_told_once() {
    let given = vec![
        registered(),
        queued(&[delivery(1, "lead-1")]),
        WebhookEvent::Rewound { after: 0 },
    ];
    let queue = WebhookCommand::Queue {
        after: 0,
        to: 20,
        deliveries: vec![delivery(2, "lead-1"), delivery(1, "lead-1")],
    };
    webhook()
        .given(given)
        .when(queue)
        .then_expect_events(vec![queued(&[delivery(2, "lead-1")])]);
}

#[test]
fn a_window_bounds_what_is_in_flight() {
    let many: Vec<_> = (0..WINDOW as u128)
        .map(|number| delivery(number, "lead-1"))
        .collect();
    webhook()
        .given(vec![registered(), queued(&many)])
        .when(WebhookCommand::Resend(delivery(9999, "lead-1")))
        .then_expect_error(WebhookError::Full);
}

#[test]
fn whatever_waits_is_tried_at_once_when_a_person_has_mended_something() {
    let given = vec![
        registered(),
        queued(&[delivery(1, "lead-1")]),
        claimed(&[1]),
        settled(1, failed(), 1),
    ];
    let due = came_due(&[1]);
    let moved = WebhookEvent::Changed {
        url: "https://example.com/new".into(),
        events: vec![EventFilter("lead.*".into())],
        description: None,
    };
    let change = |url: &str| WebhookCommand::Change {
        url: Some(url.into()),
        events: None,
        description: None,
    };
    let off = WebhookEvent::SwitchedOff {
        reason: "by hand".into(),
    };
    let cases = [
        (
            vec![],
            WebhookCommand::Resend(delivery(1, "lead-1")),
            vec![due.clone()],
        ),
        (
            vec![],
            change("https://example.com/new"),
            vec![moved, due.clone()],
        ),
        (vec![], change("https://example.com"), vec![]),
        (
            vec![off],
            WebhookCommand::SwitchOn,
            vec![WebhookEvent::SwitchedOn {}, due.clone()],
        ),
        (
            vec![],
            WebhookCommand::Rewind { after: 3 },
            vec![WebhookEvent::Rewound { after: 3 }, due],
        ),
    ];
    for (more, command, events) in cases {
        webhook()
            .given([given.clone(), more].concat())
            .when(command)
            .then_expect_events(events);
    }
}

#[test]
fn every_secret_stays_good_for_its_day_however_often_it_is_replaced() {
    let mut state = Webhook::default();
    cqrs_es::Aggregate::apply(&mut state, registered());
    for (secret, seconds) in [("whsec_b", 100), ("whsec_c", 200), ("whsec_b", 300)] {
        let rotated = WebhookEvent::SecretRotated {
            secret: secret.into(),
            old_until: moment(seconds),
        };
        cqrs_es::Aggregate::apply(&mut state, rotated);
    }
    let known = state.registered.unwrap();
    let old: Vec<_> = known
        .old_secrets
        .iter()
        .map(|(secret, until)| (secret.as_str(), *until))
        .collect();
    assert_eq!(known.secret, "whsec_b");
    assert_eq!(old, [("whsec_c", moment(300)), ("whsec_a", moment(100))]);
}

#[test]
fn a_removed_webhook_ignores_what_workers_still_say() {
    let given = vec![
        registered(),
        queued(&[delivery(1, "lead-1")]),
        claimed(&[1]),
        WebhookEvent::Removed {},
    ];
    webhook()
        .given(given.clone())
        .when(settle(1, Outcome::Done, 1))
        .then_expect_events(vec![]);
    webhook()
        .given(given)
        .when(WebhookCommand::SwitchOn)
        .then_expect_error(WebhookError::NotFound);
}
