//! Several processes on one log: of many who change the same lead, one wins.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use stories::answer::Answer;
use stories::crm::{Crm, with};

const REQUESTS: usize = 1000;

/// A thousand at once, through both API processes; each says why, so that the winner is known.
async fn all_at_once(crm: &Crm, lead: u64, stage: impl Fn(usize) -> &'static str) -> Vec<Answer> {
    let path = format!("/api/v1/leads/{lead}/stage");
    join_all((0..REQUESTS).map(|number| {
        let body =
            json!({ "stage": stage(number), "seen": "new", "reason": format!("request {number}") });
        let request = with(crm.request_to(3 + number % 2, Method::PATCH, &path), &body);
        crm.send(request)
    }))
    .await
}

async fn changes(crm: &Crm, lead: u64) -> Vec<Value> {
    let timeline = crm
        .get(&format!("/api/v1/leads/{lead}/timeline"))
        .await
        .good();
    let happened = timeline.as_array().unwrap().iter();
    happened
        .filter(|happened| happened["event"] == "lead.stage_changed")
        .cloned()
        .collect()
}

#[tokio::test]
async fn of_a_thousand_transitions_exactly_one_wins() {
    let roles = [
        "commands",
        "commands",
        "projections,gateway-ai",
        "api",
        "api",
    ];
    let crm = Crm::cluster_of(&roles, &[]).await;
    let (torn, agreed) = (crm.given_a_lead().await, crm.given_a_lead().await);

    let answers = all_at_once(&crm, torn, |number| {
        if number % 4 < 2 { "contacted" } else { "lost" }
    })
    .await;
    let changes_of_torn = changes(&crm, torn).await;
    assert_eq!(changes_of_torn.len(), 1, "one transition was made");
    let winner = &changes_of_torn[0]["payload"]["to"];
    for (number, answer) in answers.iter().enumerate() {
        let asked = if number % 4 < 2 { "contacted" } else { "lost" };
        let expected = if winner == asked { 200 } else { 409 };
        assert_eq!(answer.status, expected, "request {number}: {}", answer.text);
    }

    // All of one mind: one of them makes the change, the others find it made.
    let answers = all_at_once(&crm, agreed, |_| "contacted").await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 200 && answer.body["version"] == 2)
    );
    assert_eq!(changes(&crm, agreed).await.len(), 1);
    let stages = crm.get("/api/v1/dashboard").await.good();
    assert_eq!(stages["total_leads"], 2);
}
