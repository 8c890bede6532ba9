//! Events, reads, calls and ticks in any order: each event is told once and in order, and no attempt is made
//! twice.

use jiff::SignedDuration;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::effect::Phase;
use crate::event::Decide as _;
use crate::webhook::{LANE, WINDOW};

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
        let tick = tick(1_000_000);
        self.send(tick);
        let of_record = |one: &&crate::effect::Effect<Delivery>| one.intent.record == record;
        let ready = self.webhook.in_flight.ready().find(of_record);
        let Some((effect, attempt)) = ready.map(|one| (one.intent.id, one.attempt + 1)) else {
            return;
        };
        self.send(WebhookCommand::Effect(EffectCommand::Claim(Claim {
            effects: vec![effect],
            claim: Uuid::from_u128(77),
            until: moment(1_000_060),
        })));
        let outcome = if good { Outcome::Done } else { failed() };
        self.send(WebhookCommand::Effect(EffectCommand::Settle(Settle {
            effect,
            attempt,
            outcome,
            report: Report::default(),
            now: moment(2),
        })));
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
                0 | 1 => WebhookCommand::Effect(EffectCommand::Claim(Claim { effects, claim, until })),
                2 => settle(attempt, Outcome::Failed { retry_at: until }, now),
                3 => settle(attempt, Outcome::Done, now),
                4 => settle(attempt.saturating_sub(1), Outcome::Failed { retry_at: until }, now),
                _ => tick(now),
            };
            let before = state.in_flight.find(Uuid::from_u128(1)).map(|effect| effect.phase);
            for event in state.decide(command).unwrap() {
                if matches!(event, WebhookEvent::Effect(EffectEvent::Claimed(_))) {
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
