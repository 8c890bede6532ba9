//! A restore that dies at any step is marked, nothing starts on what it left, and the same command goes
//! on with it. Requests that were carried out before are not carried out again.

use reqwest::Method;
use serde_json::{Value, json};
use stories::answer::Answer;
use stories::crm::{Crm, with};
use stories::servers::eventually;

stories::on_both_profiles!(
    a_restore_may_die_at_any_step,
    what_was_asked_before_a_restore_is_not_done_twice,
);

/// Where it dies.
const STEPS: [&str; 7] = [
    "restore.marked",
    "restore.keys",
    "import.commit=5",
    "restore.appended",
    "restore.erased",
    "restore.adopted",
    "restore.claimed",
];

async fn a_restore_may_die_at_any_step(mut crm: Crm) {
    let mut numbers = Vec::new();
    for name in ["Olena", "Zinaida"] {
        let person = json!({ "name": name });
        let made = crm.post("/api/v1/contacts", person).await.good();
        numbers.push(made["id"].clone());
    }
    let zinaida = format!("contact-{}", numbers[1]);
    crm.given_a_transferred_lead(10).await;
    crm.cli_good(&["backup", "backups"]);
    crm.cli_good(&["erase", &zinaida, "--backup-dir", "backups"]);
    let before = crm.get("/api/v1/sales/1").await.good();
    for step in STEPS {
        crm.lose_everything().await;
        let died = crm.cli_with(&[("RAPPORT_FAILPOINT", step)], &["restore", "backups"]);
        assert!(!died.status.success(), "{step} was never reached");
        for tool in [&["doctor"][..], &["keys", "list"], &["events", "verify"]] {
            let refused = crm.cli(tool);
            let told = [refused.stdout, refused.stderr].concat();
            let told = String::from_utf8_lossy(&told);
            assert!(
                !refused.status.success()
                    && told.contains("was interrupted here")
                    && told.contains("go on with `rapport restore backups --backup"),
                "{step}: {tool:?}: {told}"
            );
        }
        assert!(!crm.last().restarts().await, "{step}: nothing starts on it");
        assert!(crm.last().said().contains("was interrupted here"));
        crm.cli_good(&["restore", "backups"]);
        crm.cli_good(&["events", "verify"]);
    }
    for process in crm.processes() {
        process.restart().await;
    }
    let there = async || crm.get("/api/v1/contacts/1").await.status == 200;
    assert!(eventually(there).await);
    let erased = crm.get(&format!("/api/v1/contacts/{}", numbers[1])).await;
    assert_eq!(erased.status, 404);
    assert_eq!(crm.get("/api/v1/sales/1").await.good(), before);
    assert!(crm.given_a_lead().await > 1, "and it goes on");
}

async fn once(crm: &Crm, key: &str, path: &str, body: &Value) -> Answer {
    let request = with(crm.request(Method::POST, path), body);
    crm.send(request.header("Idempotency-Key", key)).await
}

async fn what_was_asked_before_a_restore_is_not_done_twice(mut crm: Crm) {
    let (lead, person) = (json!({ "source": "partner" }), json!({ "name": "Olena" }));
    let count = json!({ "increment": 3 });
    let asks = [
        ("/api/v1/leads", &lead),
        ("/api/v1/contacts", &person),
        ("/api/v1/leads/1/messages", &count),
    ];
    let mut told = Vec::new();
    for (path, body) in asks {
        told.push(once(&crm, "before", path, body).await.good());
    }
    crm.cli_good(&["backup", "backups"]);
    // This one is lost with everything: asked again, it is done.
    once(&crm, "after", "/api/v1/leads", &lead).await.good();
    crm.lose_everything().await;
    crm.cli_good(&["restore", "backups"]);
    for process in crm.processes() {
        process.restart().await;
    }
    for ((path, body), before) in asks.iter().zip(&told) {
        let again = once(&crm, "before", path, body).await.good();
        assert_eq!(again["id"], before["id"], "{path}");
        assert_eq!(again["message_count"], before["message_count"], "{path}");
    }
    let other = json!({ "source": "manual" });
    assert_eq!(
        once(&crm, "before", "/api/v1/leads", &other).await.status,
        422
    );
    for key in ["after", "new"] {
        once(&crm, key, "/api/v1/leads", &lead).await.good();
    }
    assert_eq!(crm.get("/api/v1/dashboard").await.good()["total_leads"], 3);
    assert_eq!(crm.get("/api/v1/leads/1").await.good()["message_count"], 3);
}
