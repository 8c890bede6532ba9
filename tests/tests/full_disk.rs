//! A full disk stops changes, says so, and loses nothing.
//!
//! The disk is full for one process: no file of its may grow beyond a limit. Nobody needs to be
//! root for that.

use serde_json::json;
use stories::crm::Crm;

/// Bytes; enough for a start and some dozens of commits.
const LIMIT: u64 = 700_000;
const MOST: u64 = 5000;

#[tokio::test]
async fn a_full_disk_refuses_changes_and_keeps_what_it_acknowledged() {
    let mut crm = Crm::embedded().await;
    let lead = crm.given_a_lead().await;
    let path = format!("/api/v1/leads/{lead}/messages");
    crm.last().limit_files(Some(LIMIT));
    crm.last().restart().await;

    let mut acknowledged = 0;
    let refused = loop {
        let answer = crm.post(&path, json!({ "increment": 1 })).await;
        if answer.status != 200 {
            break answer;
        }
        acknowledged += 1;
        assert_eq!(answer.body["message_count"], acknowledged);
        assert!(acknowledged < MOST, "the disk is never full");
    };
    assert!(acknowledged > 0, "there was room for something");
    assert_eq!(
        (
            refused.status,
            refused.content_type.as_str(),
            &refused.body["type"]
        ),
        (
            503,
            "application/problem+json",
            &json!("/problems/unavailable")
        ),
        "{}",
        refused.text
    );
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("send the same request again"), "{detail}");
    assert!(refused.retry_after.is_some());
    // It stays up, and goes on saying so.
    for _ in 0..20 {
        let answer = crm.post(&path, json!({ "increment": 1 })).await;
        acknowledged += u64::from(answer.status == 200);
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text);
    }
    assert!(
        crm.last().said().contains("the log does not answer"),
        "the operator is told"
    );

    crm.last().limit_files(None);
    crm.last().restart().await;
    let card = crm.get(&format!("/api/v1/leads/{lead}")).await.good();
    assert_eq!(
        card["message_count"], acknowledged,
        "all of it, and nothing else"
    );
    assert_eq!(card["version"], acknowledged + 1);
    let more = crm.post(&path, json!({ "increment": 1 })).await.good();
    assert_eq!(more["message_count"], acknowledged + 1);
    crm.cli_good(&["events", "verify"]);
}
