//! What webhooks refuse: addresses inside our network, and what nobody could have meant.

use super::receiver::{Mood, Receiver};
use serde_json::{Value, json};
use stories::crm::Crm;

use super::{SETTINGS, deliveries};

#[tokio::test]
async fn what_nobody_could_have_meant_is_refused_by_its_field() {
    let crm = Crm::embedded().await;
    let good = json!({ "url": "https://example.com/hook", "events": ["*"] });
    let but = |field: &str, value: Value| {
        let mut ask = good.clone();
        ask[field] = value;
        ask
    };
    let cases = [
        (
            but("url", json!("http://127.0.0.1:1/")),
            "url",
            "must begin with https://",
        ),
        (
            but("url", json!("https://127.0.0.1/")),
            "url",
            "private or reserved",
        ),
        (
            but("url", json!("https://[::1]/")),
            "url",
            "private or reserved",
        ),
        (
            but("url", json!("https://169.254.169.254/")),
            "url",
            "private or reserved",
        ),
        (
            but("url", json!("https://localhost/")),
            "url",
            "private or reserved",
        ),
        (
            but("url", json!("https://user:pass@example.com/")),
            "url",
            "without user",
        ),
        (
            but("url", json!("nonsense")),
            "url",
            "absolute https address",
        ),
        (but("events", json!([])), "events", "lead.stage_changed"),
        (
            but("events", json!(["lead.*", "lead.nothing"])),
            "events",
            "must be *",
        ),
        (but("events", json!(["le*"])), "events", "must be *"),
        (but("events", json!(["key.issued"])), "events", "must be *"),
        (but("secret", json!("short")), "secret", "whsec_"),
        (
            but("description", json!("x".repeat(201))),
            "description",
            "200 characters",
        ),
        (but("color", json!("red")), "color", "unknown field"),
    ];
    for (ask, field, told) in cases {
        let refused = crm.post("/api/v1/webhooks", ask).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!(field)),
            "{}",
            refused.text
        );
        assert!(refused.text.contains(told), "{}", refused.text);
    }
    assert_eq!(
        crm.get("/api/v1/webhooks").await.good(),
        json!([]),
        "nothing was half done"
    );
    for (method, path) in [
        ("GET", "/api/v1/webhooks/9"),
        ("GET", "/api/v1/webhooks/9/deliveries"),
        ("DELETE", "/api/v1/webhooks/9"),
        ("POST", "/api/v1/webhooks/9/deliveries/msg_1/resend"),
    ] {
        let answer = crm.send(crm.request(method.parse().unwrap(), path)).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
    let bad = crm.get("/api/v1/webhooks/1/deliveries?status=lost").await;
    assert_eq!((bad.status, &bad.body["field"]), (422, &json!("status")));
}

#[tokio::test]
async fn a_retried_registration_is_one_webhook_with_one_secret() {
    let crm = Crm::embedded().await;
    let ask = json!({ "url": "https://example.com/hook", "events": ["lead.*"] });
    let register = async || {
        let request = crm.request(reqwest::Method::POST, "/api/v1/webhooks");
        let request = request.header("Idempotency-Key", "once");
        crm.send(stories::crm::with(request, &ask)).await.good()
    };
    let (first, second) = (register().await, register().await);
    assert_eq!(first, second);
    let listed = crm.get("/api/v1/webhooks").await.good();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let told = listed.to_string();
    assert!(!told.contains("whsec_"), "a secret is told once: {told}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let crm = Crm::embedded_with(SETTINGS).await;
    let (receiver, inside) = (Receiver::start().await, Receiver::start().await);
    let (webhook, _) = receiver.registered(&crm, &["lead.opened"]).await;
    receiver.is(Mood::Elsewhere(inside.port()));
    crm.given_a_lead().await;
    let dead = async || deliveries(&crm, webhook, "?status=dead").await.len() == 1;
    assert!(stories::servers::eventually(dead).await);
    let letter = deliveries(&crm, webhook, "").await.remove(0);
    assert_eq!(letter["last_status"], 307);
    assert!(
        letter["detail"]
            .as_str()
            .unwrap()
            .contains("redirects are not followed")
    );
    assert!(inside.heard().is_empty());
}

#[tokio::test]
async fn a_name_is_resolved_and_its_address_is_looked_at() {
    let nowhere_near = [("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8"), SETTINGS[1]];
    let (open, shut) = tokio::join!(
        Crm::embedded_with(SETTINGS),
        Crm::embedded_with(&nowhere_near)
    );
    let receiver = Receiver::start().await;
    let url = receiver.url("/hook").replace("127.0.0.1", "localhost");
    for crm in [&shut, &open] {
        let ask = json!({ "url": url, "events": ["lead.opened"] });
        crm.post("/api/v1/webhooks", ask).await.good();
        crm.given_a_lead().await;
    }
    let dead = async || deliveries(&shut, 1, "?status=dead").await.len() == 1;
    assert!(stories::servers::eventually(dead).await);
    let letter = deliveries(&shut, 1, "").await.remove(0);
    assert!(
        letter["detail"]
            .as_str()
            .unwrap()
            .contains("private or reserved"),
        "{letter}"
    );
    assert_eq!(receiver.until(|heard| !heard.is_empty()).await.len(), 1);
}
