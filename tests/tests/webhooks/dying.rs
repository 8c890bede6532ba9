//! The process dies at every step of an effect and of a timer: what happened is told all the same,
//! in order, and what was recorded as told is told no more.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::json;
use stories::crm::{Crm, with};
use stories::servers::eventually;

use crate::receiver::{Mood, Receiver};
use crate::{PATIENT, deliveries};

/// Where it dies, and how often the receiver may hear the event then.
const PLACES: [(&str, usize); 6] = [
    ("webhook.queued", 1),
    ("effect.claimed", 1),
    ("effect.called", 2),
    ("effect.recorded", 1),
    ("timer.due", 2),
    ("timer.ticked", 2),
];

#[tokio::test]
async fn it_may_die_at_any_step_of_an_effect_and_of_a_timer() {
    let mut crm = Crm::embedded_with(PATIENT).await;
    let receiver = Receiver::start().await;
    let (webhook, _) = receiver.registered(&crm, &["lead.opened"]).await;
    for (round, (place, most)) in (1..).zip(PLACES) {
        crm.last().set("RAPPORT_FAILPOINT", Some(place));
        crm.last().restart().await;
        let before = receiver.heard().len();
        if place.starts_with("timer") {
            receiver.is(Mood::Bad(500));
        }
        open_a_lead(&crm, round).await;
        let died = async || crm.last().has_ended();
        assert!(eventually(died).await, "{place} was never reached");
        receiver.is(Mood::Good);
        crm.last().set("RAPPORT_FAILPOINT", None);
        crm.last().restart().await;
        let told = async || deliveries(&crm, webhook, "?status=delivered").await.len() == round;
        assert!(eventually(told).await, "{place}");
        let heard = receiver.heard();
        let ids: HashSet<_> = heard[before..].iter().map(|one| &one.id).collect();
        assert_eq!(ids.len(), 1, "{place}");
        let times = heard.len() - before;
        assert!((1..=most).contains(&times), "{place}: heard {times} times");
    }
    let records: Vec<_> = receiver.taken().iter().map(crate::Heard::record).collect();
    assert!(records.is_sorted(), "{records:?}");
    crm.cli_good(&["events", "verify"]);
}

/// It may die before it has answered.
async fn open_a_lead(crm: &Crm, round: usize) {
    let request = crm.request(Method::POST, "/api/v1/leads");
    let request = with(request, &json!({ "source": "manual" }));
    drop(
        request
            .header("Idempotency-Key", round.to_string())
            .send()
            .await,
    );
}
