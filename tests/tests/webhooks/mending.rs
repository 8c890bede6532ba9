//! What a person does who finds that a receiver failed, and what goes on meanwhile.

use serde_json::{Value, json};
use stories::crm::Crm;
use stories::servers::eventually;

use super::deliveries;
use super::receiver::{Heard, Mood, Receiver};

/// Whoever fails is called again in hours.
const SLOW: &[(&str, &str)] = &[
    ("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8"),
    ("WEBHOOK_RETRIES", "2h,2h,2h,2h,2h,2h"),
    ("WEBHOOK_TIMEOUT", "5"),
];
/// More than all that a webhook may have in flight.
const EVENTS: usize = 300;

fn of<'a>(heard: &'a [Heard], record: &str) -> Vec<&'a Heard> {
    let of = heard.iter().filter(|heard| heard.record() == record);
    of.collect()
}

#[tokio::test]
async fn a_record_that_fails_holds_up_no_other_and_is_told_in_order_once_it_can_be() {
    let crm = Crm::embedded_with(SLOW).await;
    let receiver = Receiver::start().await;
    let (webhook, _) = receiver.registered(&crm, &["lead.*"]).await;
    receiver.is(Mood::BadOf("lead-1"));
    let failing = crm.given_a_lead().await;
    assert_eq!(failing, 1);
    let messages = format!("/api/v1/leads/{failing}/messages");
    for _ in 1..EVENTS {
        crm.post(&messages, json!({ "increment": 1 })).await.good();
    }
    let others = [crm.given_a_lead().await, crm.given_a_lead().await];
    for other in others {
        let record = format!("lead-{other}");
        receiver.until(|heard| !of(heard, &record).is_empty()).await;
    }
    let card = crm.get(&format!("/api/v1/webhooks/{webhook}")).await.good();
    assert_eq!(card["held_back"], 1, "{card}");
    // The receiver is mended, and nobody waits for two hours.
    receiver.is(Mood::Good);
    let waiting = deliveries(&crm, webhook, "?status=retrying").await;
    assert_eq!(waiting.len(), 1, "the first of them waits: {waiting:?}");
    resend(&crm, webhook, &waiting[0]).await;
    let all = |heard: &[Heard]| {
        let taken = of(heard, "lead-1").into_iter();
        taken.filter(|heard| heard.mood == Mood::Good).count() >= EVENTS
    };
    receiver.until(all).await;
    let taken = receiver.taken();
    let versions: Vec<_> = of(&taken, "lead-1")
        .iter()
        .map(|one| one.version())
        .collect();
    assert_eq!(versions, (1..=EVENTS as u64).collect::<Vec<_>>());
    let none = async || {
        let card = crm.get(&format!("/api/v1/webhooks/{webhook}")).await.good();
        card["held_back"] == 0 && card["in_flight"] == 0
    };
    assert!(eventually(none).await, "nothing is held back any more");
}

async fn resend(crm: &Crm, webhook: u64, delivery: &Value) {
    let id = delivery["id"].as_str().unwrap();
    let path = format!("/api/v1/webhooks/{webhook}/deliveries/{id}/resend");
    let told = crm.post(&path, json!(null)).await.good();
    assert_eq!(
        (&told["status"], &told["retry_at"]),
        (&json!("queued"), &json!(null))
    );
}

#[tokio::test]
async fn what_waits_is_tried_at_once_by_a_new_address_a_switch_and_a_replay() {
    let crm = Crm::embedded_with(SLOW).await;
    let receiver = Receiver::start().await;
    let (webhook, _) = receiver.registered(&crm, &["lead.opened"]).await;
    let path = format!("/api/v1/webhooks/{webhook}");
    for mended in ["url", "switch", "replay"] {
        receiver.is(Mood::Bad(503));
        let lead = crm.given_a_lead().await;
        let waits = async || deliveries(&crm, webhook, "?status=retrying").await.len() == 1;
        assert!(eventually(waits).await, "{mended}");
        receiver.is(Mood::Good);
        match mended {
            "url" => {
                let url = receiver.url("/elsewhere");
                crm.patch(&path, json!({ "url": url })).await.good();
            }
            "switch" => {
                crm.patch(&path, json!({ "enabled": false })).await.good();
                crm.patch(&path, json!({ "enabled": true })).await.good();
            }
            _ => {
                let end = crm.get(&path).await.good()["read_to"].clone();
                let replay = json!({ "position": end });
                crm.post(&format!("{path}/replay"), replay).await.good();
            }
        }
        let record = format!("lead-{lead}");
        receiver
            .until(|_| !of(&receiver.taken(), &record).is_empty())
            .await;
    }
}

#[tokio::test]
async fn a_person_tries_a_webhook_by_an_event_of_its_own() {
    let crm = Crm::embedded_with(SLOW).await;
    let receiver = Receiver::start().await;
    let (webhook, secret) = receiver.registered(&crm, &["sale.*"]).await;
    let path = format!("/api/v1/webhooks/{webhook}/test");
    let request = crm.request(reqwest::Method::POST, &path);
    let request = request.header("Idempotency-Key", "try it");
    let told = crm.send(request.try_clone().unwrap()).await.good();
    assert_eq!(told["status"], "queued");
    assert_eq!(
        crm.send(request).await.good(),
        told,
        "another try is the same"
    );
    let heard = receiver.until(|heard| !heard.is_empty()).await;
    let webhook = format!("webhook-{webhook}");
    assert_eq!(
        (heard[0].kind(), heard[0].record()),
        ("webhook.tested", webhook)
    );
    assert_eq!(told["id"], heard[0].id.as_str());
    assert!(receiver.verifies(&secret));
    let listed = async || {
        let listed = deliveries(&crm, 1, "?status=delivered").await;
        listed.len() == 1 && listed[0]["id"] == told["id"]
    };
    assert!(eventually(listed).await);
    assert_eq!(receiver.heard().len(), 1, "and once");
    crm.patch("/api/v1/webhooks/1", json!({ "enabled": false }))
        .await
        .good();
    let refused = crm.post(&path, json!(null)).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    let missing = crm.post("/api/v1/webhooks/9/test", json!(null)).await;
    assert_eq!(missing.status, 404);
}

#[tokio::test]
async fn two_rotations_leave_the_first_secret_good_for_its_day() {
    let crm = Crm::embedded_with(SLOW).await;
    let receiver = Receiver::start().await;
    let (webhook, first) = receiver.registered(&crm, &["lead.opened"]).await;
    let rotate = format!("/api/v1/webhooks/{webhook}/secret");
    for _ in 0..2 {
        crm.post(&rotate, json!({})).await.good();
    }
    crm.given_a_lead().await;
    let heard = receiver.until(|heard| heard.len() == 1).await;
    assert_eq!(heard[0].signature.split(' ').count(), 3);
    assert!(receiver.verifies(&first));
}
