//! What every gateway may rely on, whatever dies and when: one claim per attempt, no attempt
//! of which the outcome is unknown repeated unasked, every effect ended in the end.
//!
//! The gateway here stands for the outside world: it counts what it did per effect, and dies
//! where a test tells it to. Time is turned by hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::effect::{Effect, EffectCommand, Outcome, Phase, Report, Tick};
use domain::id::WebhookId;
use domain::webhook::EventFilter;
use domain::webhook::aggregate::Webhook;
use domain::webhook::command::WebhookCommand;
use domain::webhook::event::Delivery;
use jiff::{SignedDuration, Timestamp};
use journal::Journal;
use journal::memory::MemoryJournal;
use journal::token::Token;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{Attempt, Called, Gateway, Worker};
use crate::clock::Clock;
use crate::desk::Desk;
use crate::origin::Origin;

const ID: WebhookId = WebhookId(1);

/// Where a worker dies with an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// It has claimed, and has not called.
    BeforeTheCall,
    /// It has called, and has not recorded.
    AfterTheCall,
}

/// What the outside world knows.
#[derive(Default)]
struct World {
    /// How often each effect has happened.
    happened: HashMap<Uuid, u32>,
    /// Effects in the order in which they first happened.
    order: Vec<Uuid>,
    /// The next deaths.
    deaths: Vec<Death>,
    /// Calls that fail before the world does anything.
    failures: u32,
    /// How often somebody asked what became of an effect.
    asked: u32,
}

#[derive(Clone)]
struct Outside {
    world: Arc<Mutex<World>>,
    /// Whether the provider can be asked what became of a call.
    answers: bool,
    within: Duration,
    clock: Clock,
}

impl Outside {
    fn happen(&self, effect: Uuid) {
        let mut world = self.world.lock().unwrap();
        *world.happened.entry(effect).or_default() += 1;
        if !world.order.contains(&effect) {
            world.order.push(effect);
        }
    }

    fn again_in(&self, seconds: i64) -> Called {
        let retry_at = self.clock.now() + SignedDuration::from_secs(seconds);
        (Outcome::Failed { retry_at }, Report::default())
    }
}

impl Gateway<Webhook> for Outside {
    fn within(&self) -> Duration {
        self.within
    }

    async fn call(&self, attempt: Attempt<Webhook>) -> Called {
        let effect = attempt.effect.intent.id;
        let (death, fails) = {
            let mut world = self.world.lock().unwrap();
            let fails = world.failures > 0;
            world.failures = world.failures.saturating_sub(1);
            (world.deaths.pop(), fails)
        };
        if death == Some(Death::BeforeTheCall) {
            std::future::pending::<()>().await;
        }
        if fails {
            return self.again_in(300);
        }
        self.happen(effect);
        if death == Some(Death::AfterTheCall) {
            std::future::pending::<()>().await;
        }
        (Outcome::Done, Report::default())
    }

    async fn find_out(&self, attempt: Attempt<Webhook>) -> Option<Called> {
        let mut world = self.world.lock().unwrap();
        world.asked += 1;
        let happened = world.happened.contains_key(&attempt.effect.intent.id);
        drop(world);
        match (self.answers, happened) {
            (false, _) => None,
            (true, true) => Some((Outcome::Done, Report::default())),
            (true, false) => Some(self.again_in(0)),
        }
    }
}

struct Story {
    desk: Desk,
    clock: Clock,
    outside: Outside,
    origin: Origin,
    changed: Arc<Notify>,
    workers: Vec<JoinHandle<()>>,
}

impl Story {
    async fn given(effects: u128, answers: bool) -> Self {
        let clock = Clock::manual(Timestamp::from_second(1_000_000).unwrap());
        let journal = Journal::from(MemoryJournal::new());
        let workspace = Token::try_new("main").unwrap();
        let story = Self {
            desk: Desk::local(journal, clock.clone()),
            outside: Outside {
                world: Arc::default(),
                answers,
                within: Duration::from_secs(20),
                clock: clock.clone(),
            },
            clock,
            origin: Origin::new(workspace, "test"),
            changed: Arc::default(),
            workers: Vec::new(),
        };
        story
            .command(WebhookCommand::Register {
                url: "https://example.com".into(),
                events: vec![EventFilter("*".into())],
                secret: "whsec_a".into(),
                description: None,
                after: 0,
            })
            .await;
        story
            .queue(0, (0..effects).map(|n| (n, format!("lead-{n}"))).collect())
            .await;
        story
    }

    async fn queue(&self, after: u64, effects: Vec<(u128, String)>) {
        let deliveries = effects.into_iter().map(|(number, record)| Delivery {
            id: Uuid::from_u128(number),
            sequence: 1,
            commit: Uuid::from_u128(1),
            index: 0,
            record,
            event: "lead.opened".into(),
        });
        let deliveries = deliveries.collect();
        let to = after + 1;
        self.command(WebhookCommand::Queue {
            after,
            to,
            deliveries,
        })
        .await;
    }

    async fn command(&self, command: WebhookCommand) {
        self.desk
            .send::<Webhook>(ID, command, &self.origin)
            .await
            .unwrap();
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    fn start_worker(&mut self) {
        let worker = Worker::new(
            self.desk.clone(),
            Arc::new(self.outside.clone()),
            self.origin.workspace.clone(),
            ID,
            Arc::clone(&self.changed),
        );
        self.workers.push(tokio::spawn(worker.run()));
    }

    fn kill_workers(&mut self) {
        self.workers.drain(..).for_each(|worker| worker.abort());
    }

    async fn tick_after(&self, seconds: i64) {
        self.clock.turn(SignedDuration::from_secs(seconds));
        let now = self.clock.now();
        self.command(EffectCommand::Tick(Tick { now }).into()).await;
    }

    async fn state(&self) -> Webhook {
        let loaded = self.desk.load::<Webhook>(&self.origin.workspace, ID).await;
        loaded.unwrap().state.clone()
    }

    async fn until(&self, holds: impl Fn(&Webhook, &World) -> bool) {
        loop {
            let state = self.state().await;
            if holds(&state, &self.outside.world.lock().unwrap()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Time passes, and dead workers are followed by new ones, until nothing is in flight.
    async fn until_nothing_is_in_flight(&mut self) {
        while !self.state().await.in_flight.is_empty() {
            self.kill_workers();
            self.start_worker();
            self.tick_after(600).await;
            tokio::task::yield_now().await;
        }
    }

    fn happened(&self) -> Vec<u32> {
        let world = self.outside.world.lock().unwrap();
        world.happened.values().copied().collect()
    }
}

#[tokio::test]
async fn everything_happens_once_where_nothing_goes_wrong() {
    let mut story = Story::given(20, true).await;
    story.start_worker();
    story.until(|state, _| state.in_flight.is_empty()).await;
    assert_eq!(story.happened(), vec![1; 20]);
}

#[tokio::test]
async fn two_workers_of_one_aggregate_never_make_the_same_call() {
    let mut story = Story::given(100, true).await;
    story.start_worker();
    story.start_worker();
    story.start_worker();
    story.until(|state, _| state.in_flight.is_empty()).await;
    assert_eq!(story.happened(), vec![1; 100]);
}

#[tokio::test]
async fn one_lane_keeps_its_order() {
    let mut story = Story::given(0, true).await;
    story
        .queue(
            1,
            (0..50)
                .map(|number| (number, "lead-1".to_owned()))
                .collect(),
        )
        .await;
    story.outside.world.lock().unwrap().failures = 3;
    story.until_nothing_is_in_flight().await;
    let order = story.outside.world.lock().unwrap().order.clone();
    assert_eq!(order, (0..50).map(Uuid::from_u128).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_death_at_any_step_is_found_out_about_and_nothing_happens_twice() {
    for death in [Death::BeforeTheCall, Death::AfterTheCall] {
        let mut story = Story::given(1, true).await;
        story.outside.world.lock().unwrap().deaths = vec![death];
        story.start_worker();
        let claimed = |state: &Webhook, world: &World| {
            let phase = state.in_flight.iter().next().map(|effect| effect.phase);
            matches!(phase, Some(Phase::Claimed { .. }))
                && world.deaths.is_empty()
                && (death == Death::BeforeTheCall || !world.happened.is_empty())
        };
        story.until(claimed).await;
        story.kill_workers();
        story.until_nothing_is_in_flight().await;
        assert_eq!(story.happened(), [1], "{death:?}");
        assert_eq!(story.outside.world.lock().unwrap().asked, 1, "{death:?}");
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_it_waits_for_a_person_and_holds_up_nobody_else() {
    let mut story = Story::given(1, false).await;
    story.outside.world.lock().unwrap().deaths = vec![Death::AfterTheCall];
    story.start_worker();
    story.until(|_, world| !world.happened.is_empty()).await;
    story.kill_workers();
    story.start_worker();
    story.tick_after(600).await;
    story.until(|_, world| world.asked == 1).await;
    story.queue(1, vec![(7, "lead-7".into())]).await;
    story.until(|state, _| state.in_flight.len() == 1).await;
    let state = story.state().await;
    let stuck = state.in_flight.iter().next().unwrap();
    assert_eq!(stuck.intent.id, Uuid::from_u128(0));
    assert!(matches!(stuck.phase, Phase::Unknown { .. }));
    assert_eq!(story.happened(), [1, 1]);
}

#[tokio::test]
async fn a_clock_that_jumps_back_or_far_ahead_repeats_nothing() {
    let mut story = Story::given(1, true).await;
    story.outside.world.lock().unwrap().deaths = vec![Death::AfterTheCall];
    story.start_worker();
    story.until(|_, world| !world.happened.is_empty()).await;
    story.tick_after(-86_400).await;
    let phase = |state: &Webhook| state.in_flight.iter().next().map(|effect| effect.phase);
    // A claim that ends later than any claim may was made by a clock that was wrong: it is asked about.
    assert!(matches!(
        phase(&story.state().await),
        Some(Phase::Unknown { .. })
    ));
    // A second worker may believe the first one dead while it is not: it asks, and calls nobody.
    story.start_worker();
    story.tick_after(10 * 86_400).await;
    story.until(|state, _| state.in_flight.is_empty()).await;
    assert_eq!(story.happened(), [1]);
}

#[tokio::test]
async fn a_worker_that_was_frozen_since_its_claim_calls_nobody() {
    let mut story = Story::given(1, true).await;
    // However soon it goes on, that is too late.
    story.outside.within = Duration::ZERO;
    story.start_worker();
    let claimed = |effect: &Effect<Delivery>| matches!(effect.phase, Phase::Claimed { .. });
    story
        .until(|state, _| state.in_flight.iter().any(claimed))
        .await;
    story.tick_after(600).await;
    story.until(|_, world| world.asked == 1).await;
    assert!(story.happened().is_empty());
}

#[tokio::test]
async fn a_failure_is_tried_again_when_its_time_has_come_and_not_before() {
    let mut story = Story::given(1, true).await;
    story.outside.world.lock().unwrap().failures = 1;
    story.start_worker();
    let waiting = |state: &Webhook, _: &World| {
        let phase = state.in_flight.iter().next().map(|effect| effect.phase);
        matches!(phase, Some(Phase::Waiting { .. }))
    };
    story.until(waiting).await;
    story.tick_after(299).await;
    assert!(waiting(&story.state().await, &World::default()));
    story.tick_after(1).await;
    story.until(|state, _| state.in_flight.is_empty()).await;
    assert_eq!(story.happened(), [1]);
}

#[tokio::test]
async fn what_is_decided_again_when_it_has_ended_happens_again() {
    let mut story = Story::given(1, true).await;
    story.start_worker();
    for times in 1..=3 {
        story.until(|state, _| state.in_flight.is_empty()).await;
        assert_eq!(story.happened(), [times]);
        story
            .queue(u64::from(times), vec![(0, "lead-0".into())])
            .await;
    }
}

#[tokio::test]
async fn a_webhook_that_is_off_acts_no_more_and_forgets_nothing() {
    let mut story = Story::given(3, true).await;
    let reason = "test".to_owned();
    story.command(WebhookCommand::SwitchOff { reason }).await;
    story.start_worker();
    story.tick_after(600).await;
    assert_eq!(story.state().await.in_flight.len(), 3);
    story.command(WebhookCommand::SwitchOn).await;
    story.until(|state, _| state.in_flight.is_empty()).await;
    assert_eq!(story.happened(), [1, 1, 1]);
}
