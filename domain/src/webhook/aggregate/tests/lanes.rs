//! Records to which much happens, or of which nothing can be delivered, are held back.

use super::*;
use crate::webhook::LANE;
use crate::webhook::event::HeldLane;

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
