//! The log of deliveries does not grow for ever: what ended a month ago is forgotten.

use commands::clock::Clock;
use commands::desk::Desk;
use commands::origin::Origin;
use domain::effect::{Claim, EffectCommand, Outcome, Report, Settle};
use domain::id::WebhookId;
use domain::webhook::EventFilter;
use domain::webhook::aggregate::Webhook;
use domain::webhook::command::WebhookCommand;
use domain::webhook::event::Delivery;
use jiff::SignedDuration;
use journal::position::Position;
use projections::deliveries::{Deliveries, KEPT_FOR, reading};
use projections::listing::Listing as _;
use projections::screens;
use uuid::Uuid;

use crate::kept::{Kept, main_workspace};

const ID: WebhookId = WebhookId(1);

async fn send(kept: &Kept, command: impl Into<WebhookCommand>) -> Position {
    let origin = Origin::new(main_workspace(), "test");
    let sent = kept.desk.send::<Webhook>(ID, command.into(), &origin).await;
    sent.unwrap().position()
}

async fn queued(kept: &Kept, after: u64, numbers: &[u64]) -> Position {
    let deliveries = numbers.iter().map(|number| Delivery {
        id: Uuid::from_u128((*number).into()),
        sequence: *number,
        commit: Uuid::from_u128((*number).into()),
        index: 0,
        record: format!("lead-{number}"),
        event: "lead.opened".into(),
    });
    let queue = WebhookCommand::Queue {
        after,
        to: after + 1,
        deliveries: deliveries.collect(),
    };
    send(kept, queue).await
}

async fn ended(kept: &Kept, number: u64, outcome: Outcome) {
    let (effect, now) = (Uuid::from_u128(number.into()), kept.desk.clock().now());
    let claim = EffectCommand::Claim(Claim {
        effects: vec![effect],
        claim: Uuid::from_u128(77),
        until: now + SignedDuration::from_secs(60),
    });
    send(kept, claim).await;
    let settle = EffectCommand::Settle(Settle {
        effect,
        attempt: 1,
        outcome,
        report: Report::default(),
        now,
    });
    send(kept, settle).await;
}

/// The sequences of what is listed, as of a commit.
async fn listed(kept: &Kept, position: Position) -> Vec<u64> {
    kept.views.wait(Deliveries::NAME, position).await.unwrap();
    let reader = kept.views.reader(main_workspace(), position);
    let listed = reading::list(&reader, ID.0, None, None, 500).await.unwrap();
    let mut sequences: Vec<_> = listed.iter().map(|one| one.delivery.sequence).collect();
    sequences.sort_unstable();
    sequences
}

pub async fn what_ended_long_ago_is_forgotten_and_nothing_else(mut kept: Kept) {
    let _follower = kept.follow("one", screens());
    let clock = Clock::manual(Clock::System.now());
    kept.desk = Desk::local(kept.journal.clone(), clock.clone());
    let register = WebhookCommand::Register {
        url: "https://example.com".into(),
        events: vec![EventFilter("*".into())],
        secret: "whsec_a".into(),
        description: None,
        after: 0,
    };
    send(&kept, register).await;
    queued(&kept, 0, &[1, 2, 3]).await;
    ended(&kept, 1, Outcome::Done).await;
    clock.turn(KEPT_FOR);
    ended(&kept, 2, Outcome::Done).await;
    let position = queued(&kept, 1, &[4]).await;
    assert_eq!(listed(&kept, position).await, [1, 2, 3, 4]);
    clock.turn(SignedDuration::from_secs(1));
    let position = queued(&kept, 2, &[5]).await;
    assert_eq!(
        listed(&kept, position).await,
        [2, 3, 4, 5],
        "not what is still to be told, however old"
    );
}
