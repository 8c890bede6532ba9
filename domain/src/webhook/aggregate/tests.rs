//! Given, when, then for webhooks, and with them for effects in flight.

use cqrs_es::test::TestFramework;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Webhook, WebhookCommand, WebhookError, WebhookEvent};
use crate::effect::{CameDue, Claim, Claimed, Lost, Outcome, Phase, Report, Settle, Settled, Tick};
use crate::event::Decide as _;
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
    WebhookCommand::Claim(Claim {
        effects: ids(effects),
        claim: Uuid::from_u128(77),
        until: moment(60),
    })
}

fn claimed(effects: &[u128]) -> WebhookEvent {
    WebhookEvent::Claimed(Claimed {
        effects: ids(effects),
        claim: Uuid::from_u128(77),
        until: moment(60),
    })
}

fn settle(attempt: u32, outcome: Outcome, seconds: i64) -> WebhookCommand {
    WebhookCommand::Settle(Settle {
        effect: Uuid::from_u128(1),
        attempt,
        outcome,
        report: Report::default(),
        now: moment(seconds),
    })
}

fn settled(attempt: u32, outcome: Outcome, seconds: i64) -> WebhookEvent {
    WebhookEvent::Settled(Settled {
        effect: Uuid::from_u128(1),
        attempt,
        outcome,
        report: Report::default(),
        at: moment(seconds),
    })
}

fn failed() -> Outcome {
    Outcome::Failed {
        retry_at: moment(300),
    }
}

#[test]
fn events_of_one_record_wait_for_each_other_and_of_others_they_do_not() {
    let three = [
        delivery(1, "lead-1"),
        delivery(2, "lead-1"),
        delivery(3, "lead-2"),
    ];
    webhook()
        .given(vec![registered(), queued(&three)])
        .when(claim(&[1, 2, 3]))
        .then_expect_events(vec![claimed(&[1, 3])]);
}

#[test]
fn what_another_worker_has_claimed_is_left_to_it() {
    webhook()
        .given(vec![
            registered(),
            queued(&[delivery(1, "lead-1")]),
            claimed(&[1]),
        ])
        .when(claim(&[1]))
        .then_expect_events(vec![]);
}

#[test]
fn a_worker_that_died_leaves_its_effect_unknown_and_unclaimed() {
    let given = vec![
        registered(),
        queued(&[delivery(1, "lead-1")]),
        claimed(&[1]),
    ];
    let lost = WebhookEvent::Lost(Lost { effects: ids(&[1]) });
    webhook()
        .given(given.clone())
        .when(WebhookCommand::Tick(Tick { now: moment(59) }))
        .then_expect_events(vec![]);
    webhook()
        .given(given.clone())
        .when(WebhookCommand::Tick(Tick { now: moment(60) }))
        .then_expect_events(vec![lost.clone()]);
    webhook()
        .given([given, vec![lost]].concat())
        .when(claim(&[1]))
        .then_expect_events(vec![]);
}

#[test]
fn a_failed_attempt_waits_until_its_time_has_come() {
    let given = vec![
        registered(),
        queued(&[delivery(1, "lead-1"), delivery(2, "lead-1")]),
        claimed(&[1]),
        settled(1, failed(), 1),
    ];
    webhook()
        .given(given.clone())
        .when(claim(&[1, 2]))
        .then_expect_events(vec![]);
    webhook()
        .given(given)
        .when(WebhookCommand::Tick(Tick { now: moment(300) }))
        .then_expect_events(vec![WebhookEvent::CameDue(CameDue { effects: ids(&[1]) })]);
}

#[test]
fn an_outcome_is_recorded_once_and_success_is_believed_also_late() {
    let given = vec![
        registered(),
        queued(&[delivery(1, "lead-1")]),
        claimed(&[1]),
    ];
    let again = [given.clone(), vec![settled(1, failed(), 1)]].concat();
    webhook()
        .given(again)
        .when(settle(1, failed(), 1))
        .then_expect_events(vec![]);
    let lost = WebhookEvent::Lost(Lost { effects: ids(&[1]) });
    let retried = vec![lost, settled(1, failed(), 61)];
    webhook()
        .given([given.clone(), retried].concat())
        .when(settle(1, Outcome::Done, 62))
        .then_expect_events(vec![settled(1, Outcome::Done, 62)]);
    webhook()
        .given([given, vec![settled(1, Outcome::Done, 1)]].concat())
        .when(settle(1, Outcome::Done, 2))
        .then_expect_events(vec![]);
}

#[test]
fn an_endpoint_to_which_nothing_was_delivered_is_switched_off() {
    let given = vec![
        registered(),
        queued(&[delivery(1, "lead-1"), delivery(2, "lead-2")]),
        claimed(&[1, 2]),
        settled(1, failed(), 1),
        WebhookEvent::CameDue(CameDue { effects: ids(&[1]) }),
        claimed(&[1]),
    ];
    let off = WebhookEvent::SwitchedOff {
        reason: "nothing could be delivered in 2 attempts".into(),
    };
    webhook()
        .given(given.clone())
        .when(settle(2, Outcome::GaveUp, 900))
        .then_expect_events(vec![settled(2, Outcome::GaveUp, 900), off]);
    let other = WebhookEvent::Settled(Settled {
        effect: Uuid::from_u128(2),
        attempt: 1,
        outcome: Outcome::Done,
        report: Report::default(),
        at: moment(5),
    });
    webhook()
        .given([given, vec![other]].concat())
        .when(settle(2, Outcome::GaveUp, 900))
        .then_expect_events(vec![settled(2, Outcome::GaveUp, 900)]);
}

#[test]
fn a_receiver_that_is_gone_is_told_nothing_more() {
    let report = Report {
        code: Some(410),
        ..Report::default()
    };
    let told = Settle {
        effect: Uuid::from_u128(1),
        attempt: 1,
        outcome: Outcome::GaveUp,
        report: report.clone(),
        now: moment(1),
    };
    let given = vec![
        registered(),
        queued(&[delivery(1, "lead-1")]),
        claimed(&[1]),
    ];
    let gone = vec![
        WebhookEvent::Settled(Settled {
            effect: told.effect,
            attempt: 1,
            outcome: Outcome::GaveUp,
            report,
            at: told.now,
        }),
        WebhookEvent::SwitchedOff {
            reason: "the receiver answered 410 Gone".into(),
        },
    ];
    webhook()
        .given(given)
        .when(WebhookCommand::Settle(told))
        .then_expect_events(gone);
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

/// What workers and the clock may do to one effect, in any order.
fn steps() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0_u8..6, 0..60)
}

proptest! {
    #[test]
    fn no_attempt_is_made_twice_and_none_while_another_may_be_in_work(steps in steps()) {
        let mut state = Webhook::default();
        cqrs_es::Aggregate::apply(&mut state, registered());
        cqrs_es::Aggregate::apply(&mut state, queued(&[delivery(1, "lead-1")]));
        let (mut now, mut attempts) = (0, Vec::new());
        for step in steps {
            now += 40;
            let until = moment(now) + SignedDuration::from_secs(60);
            let effects = ids(&[1]);
            let claim = Uuid::from_u128(u128::try_from(now).unwrap());
            let attempt = attempts.last().copied().unwrap_or(0);
            let command = match step {
                0 | 1 => WebhookCommand::Claim(Claim { effects, claim, until }),
                2 => settle(attempt, Outcome::Failed { retry_at: until }, now),
                3 => settle(attempt, Outcome::Done, now),
                4 => settle(attempt.saturating_sub(1), Outcome::Failed { retry_at: until }, now),
                _ => WebhookCommand::Tick(Tick { now: moment(now) }),
            };
            let before = state.in_flight.find(Uuid::from_u128(1)).map(|effect| effect.phase);
            for event in state.decide(command).unwrap() {
                if matches!(event, WebhookEvent::Claimed(_)) {
                    prop_assert_eq!(before, Some(Phase::Ready));
                    attempts.push(attempt + 1);
                }
                cqrs_es::Aggregate::apply(&mut state, event);
            }
        }
        let mut once = attempts.clone();
        once.dedup();
        prop_assert_eq!(once, attempts);
    }
}
