//! Deliveries as effects in flight: who may claim them, what ends an attempt, and what time brings about.

use uuid::Uuid;

use super::*;
use crate::effect::{BY_HAND, FoundOut};

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
    let lost = lost(&[1]);
    webhook()
        .given(given.clone())
        .when(tick(59))
        .then_expect_events(vec![]);
    webhook()
        .given(given.clone())
        .when(tick(60))
        .then_expect_events(vec![lost.clone()]);
    webhook()
        .given([given, vec![lost]].concat())
        .when(claim(&[1]))
        .then_expect_events(vec![]);
}

#[test]
fn what_nobody_saw_the_end_of_may_be_settled_by_a_person_and_nothing_else_may() {
    let tried = vec![
        registered(),
        queued(&[delivery(1, "lead-1"), delivery(2, "lead-1")]),
        claimed(&[1]),
    ];
    let lost = lost(&[1]);
    let unknown = [tried.clone(), vec![lost]].concat();
    let found_out = |effect, outcome| {
        WebhookCommand::Effect(EffectCommand::FoundOut(FoundOut {
            effect: Uuid::from_u128(effect),
            outcome,
            now: moment(90),
        }))
    };
    let again = Outcome::Failed {
        retry_at: moment(90),
    };
    for outcome in [Outcome::Done, again, Outcome::GaveUp] {
        let settled = WebhookEvent::Effect(EffectEvent::Settled(Settled {
            effect: Uuid::from_u128(1),
            attempt: 1,
            outcome,
            report: Report {
                detail: Some(BY_HAND.into()),
                ..Report::default()
            },
            at: moment(90),
        }));
        webhook()
            .given(unknown.clone())
            .when(found_out(1, outcome))
            .then_expect_events(vec![settled.clone()]);
        webhook()
            .given([unknown.clone(), vec![settled]].concat())
            .when(found_out(1, outcome))
            .then_expect_error(WebhookError::NotUnknown);
    }
    webhook()
        .given(tried)
        .when(found_out(1, Outcome::Done))
        .then_expect_error(WebhookError::NotUnknown);
    webhook()
        .given(unknown)
        .when(found_out(2, Outcome::Done))
        .then_expect_error(WebhookError::NotUnknown);
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
        .when(tick(300))
        .then_expect_events(vec![came_due(&[1])]);
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
    let lost = lost(&[1]);
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
        came_due(&[1]),
        claimed(&[1]),
    ];
    let off = WebhookEvent::SwitchedOff {
        reason: "nothing could be delivered in 2 attempts".into(),
    };
    webhook()
        .given(given.clone())
        .when(settle(2, Outcome::GaveUp, 900))
        .then_expect_events(vec![settled(2, Outcome::GaveUp, 900), off]);
    let other = WebhookEvent::Effect(EffectEvent::Settled(Settled {
        effect: Uuid::from_u128(2),
        attempt: 1,
        outcome: Outcome::Done,
        report: Report::default(),
        at: moment(5),
    }));
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
        WebhookEvent::Effect(EffectEvent::Settled(Settled {
            effect: told.effect,
            attempt: 1,
            outcome: Outcome::GaveUp,
            report,
            at: told.now,
        })),
        WebhookEvent::SwitchedOff {
            reason: "the receiver answered 410 Gone".into(),
        },
    ];
    webhook()
        .given(given)
        .when(WebhookCommand::Effect(EffectCommand::Settle(told)))
        .then_expect_events(gone);
}

#[test]
fn what_a_clock_set_while_it_was_ahead_is_due_when_it_is_put_back() {
    const YEARS: i64 = 69 * 365 * 86_400;
    let given = vec![registered(), queued(&[delivery(1, "lead-1")])];
    let until = moment(YEARS + 60);
    let claimed = WebhookEvent::Effect(EffectEvent::Claimed(Claimed {
        effects: ids(&[1]),
        claim: Uuid::from_u128(77),
        until,
    }));
    let failed = settled(1, Outcome::Failed { retry_at: until }, YEARS + 1);
    let in_work = [given.clone(), vec![claimed.clone()]].concat();
    let waits = [given, vec![claimed, failed]].concat();
    let lost = lost(&[1]);
    let due = came_due(&[1]);
    for (given, event) in [(in_work, lost), (waits.clone(), due)] {
        webhook()
            .given(given)
            .when(tick(5))
            .then_expect_events(vec![event]);
    }
    // Clocks of two processes differ a little.
    webhook()
        .given(waits)
        .when(tick(YEARS - 30))
        .then_expect_events(vec![]);
}
