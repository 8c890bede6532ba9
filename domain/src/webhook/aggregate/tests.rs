//! Given, when, then for webhooks, and with them for effects in flight.

use cqrs_es::test::TestFramework;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Webhook, WebhookCommand, WebhookError, WebhookEvent};
use crate::effect::{
    BY_HAND, CameDue, Claim, Claimed, FoundOut, Lost, Outcome, Phase, Report, Settle, Settled, Tick,
};
use crate::event::Decide as _;
use crate::webhook::event::{Delivery, HeldLane};
use crate::webhook::{EventFilter, LANE, WINDOW};

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
fn what_nobody_saw_the_end_of_may_be_settled_by_a_person_and_nothing_else_may() {
    let tried = vec![
        registered(),
        queued(&[delivery(1, "lead-1"), delivery(2, "lead-1")]),
        claimed(&[1]),
    ];
    let lost = WebhookEvent::Lost(Lost { effects: ids(&[1]) });
    let unknown = [tried.clone(), vec![lost]].concat();
    let found_out = |effect, outcome| {
        WebhookCommand::FoundOut(FoundOut {
            effect: Uuid::from_u128(effect),
            outcome,
            now: moment(90),
        })
    };
    let again = Outcome::Failed {
        retry_at: moment(90),
    };
    for outcome in [Outcome::Done, again, Outcome::GaveUp] {
        let settled = WebhookEvent::Settled(Settled {
            effect: Uuid::from_u128(1),
            attempt: 1,
            outcome,
            report: Report {
                detail: Some(BY_HAND.into()),
                ..Report::default()
            },
            at: moment(90),
        });
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
fn one_record_takes_no_more_than_its_lane_and_is_held_back_from_there() {
    let lane = LANE as u64;
    let of_one = (0..lane + 5).map(|n| at(11 + n, n.into(), "lead-1"));
    let other = at(400, 999, "lead-2");
    let deliveries: Vec<_> = of_one.clone().chain([other.clone()]).collect();
    let held = WebhookEvent::LanesHeld {
        lanes: vec![HeldLane {
            record: "lead-1".into(),
            after: 10 + lane,
        }],
    };
    let taken = WebhookEvent::Queued {
        to: 500,
        deliveries: of_one.take(LANE).chain([other]).collect(),
    };
    webhook()
        .given(vec![registered()])
        .when(queue(deliveries))
        .then_expect_events(vec![held, taken]);
}

#[test]
fn of_a_record_of_which_nothing_can_be_delivered_nothing_more_is_taken() {
    let given = vec![
        registered(),
        queued(&[delivery(1, "lead-1")]),
        claimed(&[1]),
        settled(1, failed(), 1),
    ];
    let more = WebhookCommand::Queue {
        after: 20,
        to: 30,
        deliveries: vec![at(21, 2, "lead-1"), at(22, 3, "lead-2")],
    };
    let held = WebhookEvent::LanesHeld {
        lanes: vec![HeldLane {
            record: "lead-1".into(),
            after: 20,
        }],
    };
    let taken = WebhookEvent::Queued {
        to: 30,
        deliveries: vec![at(22, 3, "lead-2")],
    };
    webhook()
        .given(given)
        .when(more)
        .then_expect_events(vec![held, taken]);
}

#[test]
fn whatever_waits_is_tried_at_once_when_a_person_has_mended_something() {
    let given = vec![
        registered(),
        queued(&[delivery(1, "lead-1")]),
        claimed(&[1]),
        settled(1, failed(), 1),
    ];
    let due = WebhookEvent::CameDue(CameDue { effects: ids(&[1]) });
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
fn what_a_clock_set_while_it_was_ahead_is_due_when_it_is_put_back() {
    const YEARS: i64 = 69 * 365 * 86_400;
    let given = vec![registered(), queued(&[delivery(1, "lead-1")])];
    let until = moment(YEARS + 60);
    let claimed = WebhookEvent::Claimed(Claimed {
        effects: ids(&[1]),
        claim: Uuid::from_u128(77),
        until,
    });
    let failed = settled(1, Outcome::Failed { retry_at: until }, YEARS + 1);
    let in_work = [given.clone(), vec![claimed.clone()]].concat();
    let waits = [given, vec![claimed, failed]].concat();
    let lost = WebhookEvent::Lost(Lost { effects: ids(&[1]) });
    let due = WebhookEvent::CameDue(CameDue { effects: ids(&[1]) });
    for (given, event) in [(in_work, lost), (waits.clone(), due)] {
        webhook()
            .given(given)
            .when(WebhookCommand::Tick(Tick { now: moment(5) }))
            .then_expect_events(vec![event]);
    }
    // Clocks of two processes differ a little.
    webhook()
        .given(waits)
        .when(WebhookCommand::Tick(Tick {
            now: moment(YEARS - 30),
        }))
        .then_expect_events(vec![]);
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

/// A log of events of a few records, read, told and rewound in any order; some calls fail.
#[derive(Debug, Clone, Copy)]
enum Move {
    /// Something happens to a record, so often in one commit.
    Happens(u8, u8),
    /// The log is read on, so many commits.
    Reads(u8),
    /// A record that is held back is read on.
    ReadsLane(u8),
    /// The first of a record's deliveries that can be tried is tried.
    Tries(u8, bool),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (0..4_u8, 1..4_u8).prop_map(|(record, times)| Move::Happens(record, times)),
        3 => (1..9_u8).prop_map(Move::Reads),
        2 => (0..4_u8).prop_map(Move::ReadsLane),
        4 => (0..4_u8, any::<bool>()).prop_map(|(record, good)| Move::Tries(record, good)),
    ];
    prop::collection::vec(one, 0..250)
}

#[derive(Default)]
struct World {
    webhook: Webhook,
    log: Vec<Vec<Delivery>>,
    told: Vec<Uuid>,
}

impl World {
    fn send(&mut self, command: WebhookCommand) {
        for event in self.webhook.decide(command).unwrap_or_default() {
            cqrs_es::Aggregate::apply(&mut self.webhook, event);
        }
    }

    fn record(record: u8) -> String {
        format!("lead-{record}")
    }

    fn take(&mut self, one: Move) {
        match one {
            Move::Happens(record, times) => {
                let sequence = self.log.len() as u64 + 1;
                let commit = (0..times).map(|index| {
                    let number = u128::from(sequence) * 10 + u128::from(index);
                    at(sequence, number, &Self::record(record))
                });
                self.log.push(commit.collect());
            }
            Move::Reads(commits) => self.read(commits.into()),
            Move::ReadsLane(record) => self.read_lane(&Self::record(record)),
            Move::Tries(record, good) => self.try_one(&Self::record(record), good),
        }
    }

    fn read(&mut self, commits: usize) {
        let after = self.webhook.read_to;
        let from = usize::try_from(after).unwrap();
        let to = self.log.len().min(from + commits);
        let deliveries = self.log[from..to].concat();
        self.send(WebhookCommand::Queue {
            after,
            to: to as u64,
            deliveries,
        });
    }

    fn read_lane(&mut self, record: &str) {
        let Some(after) = self.webhook.held.get(record).copied() else {
            return;
        };
        let (from, until) = (usize::try_from(after).unwrap(), self.webhook.read_to);
        let passed = &self.log[from..usize::try_from(until).unwrap()];
        let lane = passed.iter().filter(|commit| commit[0].record == record);
        let next: Vec<_> = lane.clone().take(3).cloned().collect();
        let to = if next.len() < lane.count() {
            next.last().map_or(after, |commit| commit[0].sequence)
        } else {
            until
        };
        self.send(WebhookCommand::QueueLane {
            record: record.to_owned(),
            after,
            to,
            deliveries: next.concat(),
        });
    }

    fn try_one(&mut self, record: &str, good: bool) {
        let tick = WebhookCommand::Tick(Tick {
            now: moment(1_000_000),
        });
        self.send(tick);
        let of_record = |one: &&crate::effect::Effect<Delivery>| one.intent.record == record;
        let ready = self.webhook.in_flight.ready().find(of_record);
        let Some((effect, attempt)) = ready.map(|one| (one.intent.id, one.attempt + 1)) else {
            return;
        };
        self.send(WebhookCommand::Claim(Claim {
            effects: vec![effect],
            claim: Uuid::from_u128(77),
            until: moment(1_000_060),
        }));
        let outcome = if good { Outcome::Done } else { failed() };
        self.send(WebhookCommand::Settle(Settle {
            effect,
            attempt,
            outcome,
            report: Report::default(),
            now: moment(2),
        }));
        if good {
            self.told.push(effect);
        }
    }
}

proptest! {
    #[test]
    fn each_event_is_told_once_and_in_order_whatever_is_held_back(moves in moves()) {
        let mut world = World::default();
        let register = WebhookCommand::Register {
            url: "https://example.com".into(),
            events: vec![EventFilter("*".into())],
            secret: "whsec_a".into(),
            description: None,
            after: 0,
        };
        world.send(register);
        for one in moves {
            world.take(one);
            let in_flight = &world.webhook.in_flight;
            prop_assert!(in_flight.len() <= WINDOW);
            for record in 0..4 {
                let record = World::record(record);
                let lane = in_flight.iter().filter(|one| one.intent.record == record);
                prop_assert!(lane.count() <= LANE);
            }
        }
        for _ in 0..1000 {
            world.take(Move::Reads(2));
            for record in 0..4 {
                world.take(Move::ReadsLane(record));
                world.take(Move::Tries(record, true));
            }
        }
        prop_assert!(world.webhook.held.is_empty() && world.webhook.in_flight.is_empty());
        for record in 0..4 {
            let record = World::record(record);
            let ids = |deliveries: Vec<Delivery>| -> Vec<Uuid> {
                let of = deliveries.into_iter().filter(|one| one.record == record);
                of.map(|one| one.id).collect()
            };
            let expected = ids(world.log.concat());
            let told = world.told.iter().filter(|id| expected.contains(id));
            let told: Vec<_> = told.copied().collect();
            prop_assert_eq!(told, expected);
        }
    }
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
