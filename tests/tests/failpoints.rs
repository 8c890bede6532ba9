//! The program dies at every step of a command, of a follower and of a policy: nothing is lost,
//! nothing is doubled.

use reqwest::Method;
use serde_json::{Value, json};
use stories::answer::Answer;
use stories::crm::{Crm, with};
use stories::servers::eventually;

/// Where it dies, and the how many-th time that it comes there.
const PLACES: [(&str, u32); 12] = [
    ("request.claimed", 1),
    ("request.kept", 1),
    ("command.decided", 1),
    ("command.decided", 2),
    ("command.decided", 4),
    ("command.appended", 1),
    ("command.appended", 2),
    ("command.appended", 4),
    ("follow.planned", 1),
    ("follow.written", 2),
    ("policy.reacted", 1),
    ("policy.kept", 1),
];

#[tokio::test]
async fn it_may_die_at_any_step() {
    let mut crm = Crm::embedded().await;
    for (round, (place, time)) in (1..).zip(PLACES) {
        let asked = format!("{place}={time}");
        crm.last().set("RAPPORT_FAILPOINT", Some(&asked));
        if !crm.last().restarts().await {
            // A policy or a follower had something left to do, and died of it.
            crm.last().set("RAPPORT_FAILPOINT", None);
            crm.last().restart().await;
        }
        let (lead, sale) = sell(&mut crm, round).await;
        // It died within a request, and was started again; or it dies behind the last one.
        if crm.last().sets("RAPPORT_FAILPOINT") {
            let died = async || crm.last().has_ended();
            assert!(eventually(died).await, "{asked} was never reached");
        }
        crm.last().set("RAPPORT_FAILPOINT", None);
        crm.last().restart().await;
        let card = crm.get(&format!("/api/v1/leads/{lead}")).await.good();
        assert_eq!(card["stage"], "transferred", "{asked}");
        assert_eq!(
            (&card["message_count"], &card["version"]),
            (&json!(3), &json!(6)),
            "{asked}"
        );
        let sold = async || crm.get(&format!("/api/v1/sales/{sale}")).await.body["amount"] == 10;
        assert!(eventually(sold).await, "{asked}");
        let dashboard = crm.get("/api/v1/dashboard").await.good();
        assert_eq!(
            (&dashboard["total_leads"], &dashboard["total_messages"]),
            (&json!(round), &json!(3 * round)),
            "{asked}"
        );
        let sales = crm.get("/api/v1/sales").await.good();
        assert_eq!(sales.as_array().unwrap().len(), round, "{asked}");
    }
    crm.cli_good(&["events", "verify"]);
}

/// A lead from its beginning to its sale; answers both numbers.
async fn sell(crm: &mut Crm, round: usize) -> (u64, u64) {
    let open = json!({ "source": "partner", "business_domain": "first" });
    let lead = once(crm, round, (Method::POST, "/api/v1/leads".into(), open)).await;
    let lead = lead["id"].as_u64().unwrap();
    let path = |step: &str| format!("/api/v1/leads/{lead}/{step}");
    let steps = [
        (Method::POST, path("messages"), json!({ "increment": 3 })),
        (
            Method::PATCH,
            path("stage"),
            json!({ "stage": "contacted" }),
        ),
        (
            Method::PATCH,
            path("stage"),
            json!({ "stage": "qualified" }),
        ),
        (Method::POST, path("analyze"), json!(null)),
    ];
    for step in steps {
        once(crm, round, step).await;
    }
    let transfer = (Method::POST, path("transfer?amount=10"), json!(null));
    let sale = once(crm, round, transfer).await;
    (lead, sale["id"].as_u64().unwrap())
}

/// Sends a request under one key until it is answered; whoever has died is started again, without
/// the wish to die.
async fn once(crm: &mut Crm, round: usize, (method, path, body): (Method, String, Value)) -> Value {
    let key = format!("{round} {method} {path} {body}");
    loop {
        let request =
            with(crm.request(method.clone(), &path), &body).header("Idempotency-Key", &key);
        if let Ok(response) = request.send().await
            && let Ok(answer) = Answer::read(response).await
        {
            return answer.good();
        }
        let dead = async || crm.last().has_ended();
        assert!(eventually(dead).await, "no answer to {path}, and it lives");
        crm.last().set("RAPPORT_FAILPOINT", None);
        crm.last().restart().await;
    }
}
