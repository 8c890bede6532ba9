//! Timers that a clock set while it was years ahead are due as soon as it is put back.

use commands::clock::Clock;
use commands::desk::Desk;
use commands::origin::Origin;
use domain::effect::{Claim, EffectCommand, Outcome, Phase, Report, Settle};
use domain::id::WebhookId;
use domain::webhook::EventFilter;
use domain::webhook::aggregate::Webhook;
use domain::webhook::command::WebhookCommand;
use domain::webhook::event::Delivery;
use jiff::SignedDuration;
use projections::due::Due;
use projections::listing::Listing as _;
use projections::screens;
use projections::ticker::Ticker;
use uuid::Uuid;

use crate::kept::{Kept, main_workspace};

const ID: WebhookId = WebhookId(1);
const AHEAD: SignedDuration = SignedDuration::from_hours(69 * 365 * 24);

pub async fn a_clock_that_was_years_ahead_keeps_no_timer_from_coming_due(mut kept: Kept) {
    let _follower = kept.follow("one", screens());
    let clock = Clock::manual(Clock::System.now());
    kept.desk = Desk::local(kept.journal.clone(), clock.clone());
    clock.turn(AHEAD);
    let effect = Uuid::from_u128(1);
    let register = WebhookCommand::Register {
        url: "https://example.com".into(),
        events: vec![EventFilter("*".into())],
        secret: "whsec_a".into(),
        description: None,
        after: 0,
    };
    let queue = WebhookCommand::Queue {
        after: 0,
        to: 1,
        deliveries: vec![Delivery {
            id: effect,
            sequence: 1,
            commit: effect,
            index: 0,
            record: "lead-1".into(),
            event: "lead.opened".into(),
        }],
    };
    let now = clock.now();
    let claim = WebhookCommand::Effect(EffectCommand::Claim(Claim {
        effects: vec![effect],
        claim: Uuid::from_u128(7),
        until: now + SignedDuration::from_secs(60),
    }));
    let settle = WebhookCommand::Effect(EffectCommand::Settle(Settle {
        effect,
        attempt: 1,
        outcome: Outcome::Failed {
            retry_at: now + SignedDuration::from_secs(5),
        },
        report: Report::default(),
        now,
    }));
    let origin = Origin::new(main_workspace(), "test");
    let mut last = None;
    for command in [register, queue, claim, settle] {
        let sent = kept.desk.send::<Webhook>(ID, command, &origin).await;
        last = Some(sent.unwrap().position());
    }
    clock.turn(-AHEAD);
    kept.views.wait(Due::NAME, last.unwrap()).await.unwrap();
    let ticker = Ticker::new(kept.desk.clone(), kept.views.clone(), clock);
    ticker.tick().await.unwrap();
    let webhook = kept.desk.load::<Webhook>(&main_workspace(), ID).await;
    let webhook = webhook.unwrap();
    let phase = webhook.state.in_flight.find(effect).unwrap().phase;
    assert_eq!(phase, Phase::Ready, "nobody waits until 2095");
}
