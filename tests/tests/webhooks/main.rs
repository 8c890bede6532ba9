//! Webhooks: others are told what happens, signed, in order, and again until they have heard it.

mod dying;
mod mending;
mod receiver;
mod refusals;
mod settling;
mod stopping;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};
use stories::crm::Crm;
use stories::servers::eventually;

use receiver::{Heard, Mood, Receiver};

/// Loopback may be called, and whoever fails is called again soon.
const SETTINGS: &[(&str, &str)] = &[
    ("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8"),
    ("WEBHOOK_RETRIES", "100ms,200ms"),
    ("WEBHOOK_TIMEOUT", "1"),
];
const PATIENT: &[(&str, &str)] = &[
    ("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8"),
    (
        "WEBHOOK_RETRIES",
        "100ms,100ms,100ms,100ms,100ms,100ms,100ms,100ms,100ms,100ms",
    ),
    ("WEBHOOK_TIMEOUT", "1"),
];

stories::on_both_profiles!(
    crate::SETTINGS;
    what_happens_is_told_signed_and_in_order,
    a_receiver_that_fails_is_told_again_then_left_and_a_person_sends_again,
    a_receiver_that_wants_nothing_more_is_switched_off_and_others_are_told,
    what_was_told_is_told_again_from_a_position_or_a_time_under_the_same_ids,
    a_rebuild_sends_nothing,
    a_person_who_was_erased_is_named_to_nobody,
    each_event_comes_with_its_record_and_what_it_changed,
);

mod patient {
    stories::on_both_profiles!(
        crate::PATIENT;
        a_receiver_that_takes_and_never_answers_hears_the_same_id_again,
        kills_under_load_lose_nothing_and_keep_the_order,
    );
    use super::{
        a_receiver_that_takes_and_never_answers_hears_the_same_id_again,
        kills_under_load_lose_nothing_and_keep_the_order,
    };
}

async fn deliveries(crm: &Crm, webhook: u64, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/webhooks/{webhook}/deliveries{query}");
    crm.get(&path).await.good().as_array().unwrap().clone()
}

/// The first hearing of each message, in order.
fn first_hearings(heard: &[Heard]) -> Vec<&Heard> {
    let mut seen = HashSet::new();
    heard
        .iter()
        .filter(|heard| seen.insert(&heard.id))
        .collect()
}

async fn what_happens_is_told_signed_and_in_order(crm: Crm) {
    let receiver = Receiver::start().await;
    let (webhook, secret) = receiver
        .registered(&crm, &["lead.*", "contact.created"])
        .await;
    crm.post("/api/v1/contacts", json!({ "name": "Olena" }))
        .await
        .good();
    let lead = crm.given_a_lead_in(&["contacted", "qualified"]).await;
    let heard = receiver.until(|heard| heard.len() >= 4).await;
    let of_lead: Vec<_> = heard
        .iter()
        .filter(|heard| heard.record() == format!("lead-{lead}"))
        .collect();
    let kinds: Vec<_> = of_lead.iter().map(|heard| heard.kind()).collect();
    assert_eq!(
        kinds,
        ["lead.opened", "lead.stage_changed", "lead.stage_changed"]
    );
    assert_eq!(of_lead[2].body["data"]["payload"]["to"], "qualified");
    assert!(
        heard
            .iter()
            .any(|heard| heard.body["data"]["payload"]["name"] == "Olena")
    );
    assert!(receiver.verifies(&secret), "every call is signed");
    let delivered = async || {
        let log = deliveries(&crm, webhook, "?status=delivered").await;
        log.len() == 4 && log.iter().all(|entry| entry["last_status"] == 204)
    };
    assert!(eventually(delivered).await, "the delivery log tells");
    assert_eq!(deliveries(&crm, webhook, "?limit=1").await.len(), 1);

    let rotated = crm
        .post(&format!("/api/v1/webhooks/{webhook}/secret"), json!({}))
        .await
        .good();
    crm.given_a_lead().await;
    let heard = receiver.until(|heard| heard.len() >= 5).await;
    assert_eq!(
        heard[4].signature.split(' ').count(),
        2,
        "signed with both secrets"
    );
    assert_ne!(rotated["secret"], secret.as_str());
    assert!(
        receiver.verifies(&secret),
        "the old secret is good for a day"
    );

    crm.delete(&format!("/api/v1/webhooks/{webhook}")).await;
    crm.given_a_lead().await;
    assert_eq!(
        crm.get(&format!("/api/v1/webhooks/{webhook}")).await.status,
        404
    );
    assert_eq!(
        receiver.heard().len(),
        5,
        "a webhook that was removed is told nothing"
    );
}

async fn a_receiver_that_fails_is_told_again_then_left_and_a_person_sends_again(crm: Crm) {
    let receiver = Receiver::start().await;
    let (webhook, _) = receiver.registered(&crm, &["lead.opened"]).await;
    crm.given_a_lead().await;
    receiver.until(|heard| heard.len() == 1).await;
    receiver.is(Mood::Bad(503));
    crm.given_a_lead().await;
    let dead = async || deliveries(&crm, webhook, "?status=dead").await.len() == 1;
    assert!(
        eventually(dead).await,
        "after every attempt a delivery is dead"
    );
    let letter = deliveries(&crm, webhook, "?status=dead").await.remove(0);
    assert_eq!(
        (&letter["attempts"], &letter["last_status"]),
        (&json!(3), &json!(503))
    );
    let ids: HashSet<_> = receiver.heard()[1..]
        .iter()
        .map(|heard| heard.id.clone())
        .collect();
    assert_eq!(
        ids,
        HashSet::from([letter["id"].as_str().unwrap().to_owned()]),
        "one id for all attempts"
    );

    let card = crm.get(&format!("/api/v1/webhooks/{webhook}")).await.good();
    assert_eq!(
        card["enabled"], false,
        "nothing was delivered in all its attempts: {card}"
    );
    assert_eq!(
        card["off_because"],
        "nothing could be delivered in 3 attempts"
    );
    crm.given_a_lead().await;
    let resend = format!(
        "/api/v1/webhooks/{webhook}/deliveries/{}/resend",
        letter["id"].as_str().unwrap()
    );
    let refused = crm.post(&resend, json!(null)).await;
    assert_eq!(
        (refused.status, &refused.body["type"]),
        (409, &json!("/problems/webhook-off"))
    );

    receiver.is(Mood::Good);
    let path = format!("/api/v1/webhooks/{webhook}");
    crm.patch(&path, json!({ "enabled": true })).await.good();
    crm.post(&resend, json!(null)).await.good();
    receiver.until(|_| receiver.taken().len() == 3).await;
    let mut leads: Vec<_> = receiver.taken().iter().map(Heard::record).collect();
    leads.sort();
    assert_eq!(
        leads,
        ["lead-1", "lead-2", "lead-3"],
        "nothing was lost meanwhile"
    );
}

async fn a_receiver_that_wants_nothing_more_is_switched_off_and_others_are_told(crm: Crm) {
    let (receiver, watcher) = (Receiver::start().await, Receiver::start().await);
    let (webhook, _) = receiver.registered(&crm, &["*"]).await;
    watcher.registered(&crm, &["webhook.switched_off"]).await;
    receiver.is(Mood::Bad(410));
    crm.given_a_lead().await;
    let heard = watcher.until(|heard| heard.len() == 1).await;
    assert_eq!(heard[0].record(), format!("webhook-{webhook}"));
    assert_eq!(
        heard[0].body["data"]["payload"]["reason"],
        "the receiver answered 410 Gone"
    );
    crm.given_a_lead().await;
    assert_eq!(receiver.heard().len(), 1);
}

async fn a_receiver_that_takes_and_never_answers_hears_the_same_id_again(crm: Crm) {
    let receiver = Receiver::start().await;
    let (webhook, _) = receiver.registered(&crm, &["lead.opened"]).await;
    receiver.is(Mood::Silent);
    crm.given_a_lead().await;
    receiver.until(|heard| heard.len() >= 2).await;
    receiver.is(Mood::Good);
    receiver.until(|_| receiver.taken().len() == 1).await;
    let heard = receiver.heard();
    assert!(heard.iter().all(|one| one.id == heard[0].id), "{heard:#?}");
    let ended = async || deliveries(&crm, webhook, "?status=delivered").await.len() == 1;
    assert!(eventually(ended).await);
    assert_eq!(deliveries(&crm, webhook, "").await.len(), 1);
}

async fn what_was_told_is_told_again_from_a_position_or_a_time_under_the_same_ids(crm: Crm) {
    let receiver = Receiver::start().await;
    crm.given_a_lead().await;
    let (webhook, _) = receiver.registered(&crm, &["lead.opened"]).await;
    let second = crm.given_a_lead().await;
    receiver.until(|heard| heard.len() == 1).await;
    let replay = format!("/api/v1/webhooks/{webhook}/replay");
    crm.post(&replay, json!({ "position": "0:0" })).await.good();
    let heard = receiver.until(|heard| heard.len() == 3).await;
    let again = heard.iter().filter(|one| one.id == heard[0].id);
    assert_eq!(again.count(), 2, "the same event has the same id");
    let card = crm.get(&format!("/api/v1/leads/{second}")).await.good();
    crm.post(&replay, json!({ "since": card["created_at"] }))
        .await
        .good();
    let heard = receiver.until(|heard| heard.len() == 4).await;
    assert_eq!(heard[3].record(), format!("lead-{second}"));
    for (ask, told) in [
        (json!({}), "Send either position"),
        (
            json!({ "position": "0:1", "since": "2026-01-01T00:00:00Z" }),
            "Send either position",
        ),
        (
            json!({ "position": "0:99999" }),
            "position must be from 0:0 to",
        ),
        (json!({ "position": "x" }), "a position looks like 0:1234"),
    ] {
        let refused = crm.post(&replay, ask).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text.contains(told), "{}", refused.text);
    }
}

async fn a_rebuild_sends_nothing(crm: Crm) {
    let receiver = Receiver::start().await;
    let (webhook, _) = receiver.registered(&crm, &["lead.*"]).await;
    crm.given_a_lead_in(&["contacted"]).await;
    receiver.until(|heard| heard.len() == 2).await;
    let ended = async || deliveries(&crm, webhook, "?status=delivered").await.len() == 2;
    assert!(eventually(ended).await);
    let log = deliveries(&crm, webhook, "").await;
    for screen in ["webhooks", "deliveries", "due"] {
        crm.cli_good(&["projections", "rebuild", screen]);
    }
    let rebuilt = async || {
        let listed = crm.cli_good(&["projections", "list", "--json"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let active = |name: &str| {
            let all = listed.as_array().unwrap();
            let of_name: Vec<_> = all.iter().filter(|one| one["name"] == name).collect();
            of_name.len() == 1 && of_name[0]["generation"] == 2
        };
        ["webhooks", "deliveries", "due"].into_iter().all(active)
    };
    assert!(
        eventually(rebuilt).await,
        "{}",
        crm.cli_good(&["projections", "list", "--json"])
    );
    let lead = crm.given_a_lead().await;
    let heard = receiver.until(|heard| heard.len() > 2).await;
    assert_eq!(
        (heard.len(), heard[2].record()),
        (3, format!("lead-{lead}"))
    );
    let again = deliveries(&crm, webhook, "").await;
    assert!(
        log.iter().all(|entry| again.contains(entry)),
        "{log:#?} {again:#?}"
    );
}

async fn a_person_who_was_erased_is_named_to_nobody(crm: Crm) {
    let receiver = Receiver::start().await;
    let (webhook, _) = receiver.registered(&crm, &["contact.created"]).await;
    let person = crm
        .post("/api/v1/contacts", json!({ "name": "Zinaida Quux" }))
        .await
        .good();
    receiver.until(|heard| heard.len() == 1).await;
    crm.cli_good(&["erase", &format!("contact-{}", person["id"])]);
    let replay = format!("/api/v1/webhooks/{webhook}/replay");
    let told_nobody = async || {
        let before = receiver.heard().len();
        crm.post(&replay, json!({ "position": "0:0" })).await.good();
        let heard = receiver.until(|heard| heard.len() > before).await;
        heard[before].body["data"]["payload"]["name"] == "erased"
    };
    // Another process may trust a key for some seconds before it looks again.
    assert!(eventually(told_nobody).await, "a replay names nobody");
}

async fn each_event_comes_with_its_record_and_what_it_changed(crm: Crm) {
    let receiver = Receiver::start().await;
    let (webhook, _) = receiver.registered(&crm, &["lead.*", "contact.*"]).await;
    let lead = crm.given_a_lead_in(&["contacted", "qualified"]).await;
    let person = crm
        .post("/api/v1/contacts", json!({ "name": "Zinaida Quux" }))
        .await
        .good();
    let path = format!("/api/v1/contacts/{}", person["id"]);
    crm.delete(&path).await;
    let heard = receiver.until(|heard| heard.len() >= 5).await;
    let find = |kind: &'static str| heard.iter().filter(move |heard| heard.kind() == kind);
    let moved = &find("lead.stage_changed").next().unwrap().body["data"];
    let stage = json!([{ "field": "stage", "before": "new", "after": "contacted" }]);
    assert_eq!(moved["changes"], stage);
    assert_eq!(moved["object"]["stage"], "contacted", "as it was then");
    let card = crm.get(&format!("/api/v1/leads/{lead}")).await.good();
    let last = &find("lead.stage_changed").next_back().unwrap().body["data"];
    assert_eq!(last["object"], card, "in the API's names");
    assert_eq!(last["record"], "lead", "what was told before is told still");
    let created = &find("contact.created").next().unwrap().body["data"];
    assert_eq!(created["object"], person);
    let removed = &find("contact.removed").next().unwrap().body["data"];
    assert_eq!(removed["object"], Value::Null);
    assert_eq!(removed["changes"][0]["field"], "removed");

    crm.cli_good(&["erase", &format!("contact-{}", person["id"])]);
    let replay = format!("/api/v1/webhooks/{webhook}/replay");
    let told_nobody = async || {
        let before = receiver.heard().len();
        crm.post(&replay, json!({ "position": "0:0" })).await.good();
        let heard = receiver.until(|heard| heard.len() >= before + 5).await;
        !format!("{:?}", &heard[before..]).contains("Zinaida")
    };
    // Another process may trust a key for some seconds before it looks again.
    assert!(
        eventually(told_nobody).await,
        "neither record nor changes name anybody"
    );
}

async fn kills_under_load_lose_nothing_and_keep_the_order(mut crm: Crm) {
    const LEADS: usize = 12;
    const KILLS: usize = 8;
    let receiver = Receiver::start().await;
    receiver.registered(&crm, &["lead.*"]).await;
    let stages = ["contacted", "qualified"];
    let mut told = BTreeMap::new();
    for round in 0..KILLS {
        for _ in 0..LEADS {
            let lead = crm.given_a_lead_in(&stages).await;
            told.insert(format!("lead-{lead}"), stages.len() as u64 + 1);
        }
        let some = receiver.heard().len();
        receiver
            .until(|heard| heard.len() > some.min(round * LEADS))
            .await;
        // Whoever sends is the second of the cluster's processes, and the only one embedded.
        let sender = crm.count().min(2) - 1;
        let process = &mut crm.processes()[sender];
        process.kill_hard();
        process.restart().await;
    }
    let complete = |heard: &[Heard]| {
        let mut versions: HashMap<String, HashSet<u64>> = HashMap::new();
        for one in heard {
            versions
                .entry(one.record())
                .or_default()
                .insert(one.version());
        }
        told.iter().all(|(lead, most)| {
            versions
                .get(lead)
                .is_some_and(|seen| seen.len() as u64 == *most)
        })
    };
    let heard = receiver.until(complete).await;
    let mut last: HashMap<String, u64> = HashMap::new();
    for one in first_hearings(&heard) {
        let before = last.insert(one.record(), one.version()).unwrap_or(0);
        assert_eq!(one.version(), before + 1, "{} in order", one.record());
    }
    let (total, once) = (heard.len(), first_hearings(&heard).len());
    assert_eq!(once, LEADS * KILLS * (stages.len() + 1));
    assert!(
        total <= once + KILLS * 8,
        "each kill repeats at most what was being sent: {total} of {once}"
    );
}
