//! A request that is sent again is carried out once; a program that is started again goes on.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use stories::answer::Answer;
use stories::crm::{Crm, with};

stories::on_both_profiles!(
    the_same_key_gets_the_same_answer,
    many_tries_at_once_make_one_lead,
    what_was_kept_is_there_after_a_restart,
    rules_act_by_themselves,
);

#[tokio::test]
async fn a_number_that_the_claim_did_not_keep_is_not_used() {
    let crm = Crm::embedded().await;
    crm.given_a_lead().await;
    let log = rusqlite::Connection::open(crm.folder().join("data/log.db")).unwrap();
    log.execute_batch(
        "CREATE TRIGGER broken BEFORE UPDATE ON claims BEGIN SELECT RAISE(ABORT, 'broken'); END",
    )
    .unwrap();
    let lead = json!({ "source": "partner" });
    let failed = post_with(&crm, "n1", "/api/v1/leads", &lead).await;
    assert_eq!(failed.status, 503, "{}", failed.text);
    log.execute_batch("DROP TRIGGER broken").unwrap();
    let mended = post_with(&crm, "n1", "/api/v1/leads", &lead).await;
    assert_eq!((mended.status, mended.replayed), (201, false));
    assert_eq!(
        crm.get("/api/v1/dashboard").await.good()["total_leads"],
        2,
        "the lead before and one more"
    );
}

async fn post_with(crm: &Crm, key: &str, path: &str, body: &Value) -> Answer {
    crm.send(with(crm.request(Method::POST, path), body).header("Idempotency-Key", key))
        .await
}

async fn the_same_key_gets_the_same_answer(mut crm: Crm) {
    let lead = json!({ "source": "partner" });
    let first = post_with(&crm, "a1", "/api/v1/leads", &lead).await;
    assert!(crm.last().stop());
    crm.last().restart().await;
    let again = post_with(&crm, "a1", "/api/v1/leads", &lead).await;
    assert_eq!(
        (again.status, again.replayed, &again.body),
        (201, true, &first.body)
    );
    assert_eq!(
        (again.location, again.position),
        (first.location, first.position)
    );
    let other = post_with(&crm, "a1", "/api/v1/leads", &json!({ "source": "manual" })).await;
    assert_eq!(
        (other.status, &other.body["field"]),
        (422, &json!("Idempotency-Key"))
    );
    let refused = post_with(
        &crm,
        "a2",
        "/api/v1/leads/1/transfer?amount=5",
        &json!(null),
    )
    .await;
    let again = post_with(
        &crm,
        "a2",
        "/api/v1/leads/1/transfer?amount=5",
        &json!(null),
    )
    .await;
    assert_eq!(
        (again.status, again.replayed, &again.body),
        (409, true, &refused.body),
        "a refusal is an answer"
    );
    assert_eq!(crm.get("/api/v1/dashboard").await.good()["total_leads"], 1);
}

async fn many_tries_at_once_make_one_lead(crm: Crm) {
    let lead = json!({ "source": "partner" });
    let answers = join_all((0..20).map(|_| post_with(&crm, "same", "/api/v1/leads", &lead))).await;
    let numbers: Vec<_> = answers
        .iter()
        .map(|answer| answer.body["id"].clone())
        .collect();
    assert!(
        numbers.iter().all(|number| *number == numbers[0]),
        "{numbers:?}"
    );
    assert_eq!(crm.get("/api/v1/dashboard").await.good()["total_leads"], 1);
}

async fn what_was_kept_is_there_after_a_restart(mut crm: Crm) {
    crm.given_a_lead_in(&["contacted"]).await;
    crm.post(
        "/api/v1/contacts",
        json!({ "name": "Olena", "phones": ["+380671234567"] }),
    )
    .await
    .good();
    let shown = async |crm: &Crm| {
        let mut all = Vec::new();
        for path in [
            "leads",
            "leads/1",
            "contacts/1",
            "dashboard",
            "dashboard/conversion-funnel",
        ] {
            all.push(crm.get(&format!("/api/v1/{path}")).await.good());
        }
        all
    };
    let before = shown(&crm).await;
    for process in crm.processes() {
        assert!(process.stop(), "asked to stop, it ends well");
    }
    for process in crm.processes() {
        process.restart().await;
    }
    assert_eq!(shown(&crm).await, before);
    assert_eq!(crm.given_a_lead().await, 2, "numbers go on");
    let taken = crm
        .post(
            "/api/v1/contacts",
            json!({ "name": "Oleh", "phones": ["+380671234567"] }),
        )
        .await;
    assert_eq!(taken.status, 409);
}

async fn rules_act_by_themselves(crm: Crm) {
    let rules = crm.get("/api/v1/automation/rules").await.good();
    assert!(
        rules
            .as_array()
            .unwrap()
            .iter()
            .all(|rule| rule["enabled"] == false),
        "nothing acts unasked"
    );
    crm.patch(
        "/api/v1/automation/rules/analyze_after_messages",
        json!({ "enabled": true, "value": 3 }),
    )
    .await
    .good();
    let set = crm
        .patch(
            "/api/v1/automation/rules/transfer_when_ready",
            json!({ "enabled": true, "value": 2500 }),
        )
        .await
        .good();
    assert_eq!(
        (&set["enabled"], &set["value"]),
        (&json!(true), &json!(2500))
    );
    let (ready, early) = (
        crm.given_a_lead_in(&["contacted", "qualified"]).await,
        crm.given_a_lead().await,
    );
    for lead in [early, ready] {
        for _ in 0..3 {
            crm.post(
                &format!("/api/v1/leads/{lead}/messages"),
                json!({ "increment": 1 }),
            )
            .await
            .good();
        }
    }
    let transferred =
        async || crm.get(&format!("/api/v1/leads/{ready}")).await.body["sale_id"] == 1;
    assert!(
        stories::servers::eventually(transferred).await,
        "it was analysed and passed every gate"
    );
    let sold = async || crm.get("/api/v1/sales/1").await.body["amount"] == 2500;
    assert!(stories::servers::eventually(sold).await);
    let early = crm.get(&format!("/api/v1/leads/{early}")).await.good();
    assert_eq!(
        (&early["stage"], early["ai_score"].is_number()),
        (&json!("new"), true),
        "analysed, and not ready"
    );
    assert_eq!(
        crm.get("/api/v1/sales")
            .await
            .good()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
