//! Bad input gets a clear error that names the field, and changes nothing.

mod automation;
mod clearing;
mod contacts;
mod dashboard;
mod leads;
mod sales;
mod undo;
mod webhooks;
mod wrong;

use clearing::null_clears_and_what_is_left_out_stays;
use reqwest::Method;
use serde_json::{Value, json};
use stories::answer::Answer;
use stories::crm::Crm;
use wrong::{Wrong, get, without_body};

stories::on_both_profiles!(
    whatever_is_wrong_is_named_and_nothing_changes,
    null_clears_and_what_is_left_out_stays,
);

/// Requests that no route takes.
const NO_ROUTE: &[Wrong] = &[
    get("/api/v1/nowhere", 404, ""),
    without_body("PUT", "/api/v1/leads", 405, ""),
];

/// Every request that is wrong, by what is asked.
const WRONG: &[&[Wrong]] = &[
    leads::WRONG,
    sales::WRONG,
    contacts::WRONG,
    automation::WRONG,
    webhooks::WRONG,
    undo::WRONG,
    dashboard::WRONG,
    NO_ROUTE,
];

async fn whatever_is_wrong_is_named_and_nothing_changes(crm: Crm) {
    crm.given_a_lead_in(&["contacted"]).await;
    let before = everything(&crm);
    for wrong in WRONG.iter().copied().flatten() {
        let answer = crm.send(wrong.request(&crm)).await;
        let asked = format!("{wrong:?}");
        assert_eq!(answer.status, wrong.status, "{asked}: {}", answer.text);
        is_a_problem(&answer, wrong.field, &asked);
    }
    let large = json!({ "source": "manual", "note": "x".repeat(2_000_000) }).to_string();
    let large = crm
        .request(Method::POST, "/api/v1/leads")
        .header("Content-Type", "application/json")
        .body(large);
    assert_eq!(crm.send(large).await.status, 413);
    let essay = json!({ "stage": "lost", "reason": "x".repeat(1001) });
    let essay = crm.patch("/api/v1/leads/1/stage", essay).await;
    assert_eq!(
        (essay.status, &essay.body["field"]),
        (422, &json!("reason"))
    );
    // What is no list of one person's addresses is refused before any of them is reserved.
    let emails: Vec<_> = (0..45_000).map(|n| format!("o{n}@example.com")).collect();
    let phones: Vec<_> = (10..31).map(|n| format!("+3806712345{n}")).collect();
    for (field, list) in [("emails", emails), ("phones", phones)] {
        let crowd = json!({ "name": "Crowd", field: list });
        let crowd = crm.post("/api/v1/contacts", crowd).await;
        assert_eq!((crowd.status, &crowd.body["field"]), (422, &json!(field)));
    }
    assert_eq!(everything(&crm), before, "nothing was half done");
}

fn is_a_problem(answer: &Answer, field: &str, asked: &str) {
    assert_eq!(answer.content_type, "application/problem+json", "{asked}");
    let named = answer.body["field"].as_str().unwrap_or_default();
    assert_eq!(named, field, "{asked}: {}", answer.text);
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    assert!(detail.len() > 5, "{asked}: {} says nothing", answer.text);
    assert_eq!(answer.body["status"], Value::from(answer.status), "{asked}");
}

/// The whole log but the numbers that were taken: a number that was not used is only a gap.
fn everything(crm: &Crm) -> Vec<String> {
    let log = crm.cli_good(&["events", "export", "-"]);
    log.lines()
        .filter(|line| !line.contains(r#""category":"number""#))
        .map(ToOwned::to_owned)
        .collect()
}
