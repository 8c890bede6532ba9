//! Whoever decided on a version of a record changes that version only: `ETag` and `If-Match`.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use stories::answer::Answer;
use stories::crm::{Crm, with};

stories::on_both_profiles!(
    a_card_is_tagged_with_its_version,
    of_many_editors_of_one_version_one_is_heard,
    a_stale_step_is_refused_wherever_it_goes,
    a_retry_hears_what_its_first_try_did,
);

async fn when_holding(crm: &Crm, tag: &str, method: Method, path: &str, body: &Value) -> Answer {
    crm.send(with(crm.request(method, path), body).header("If-Match", tag))
        .await
}

async fn a_card_is_tagged_with_its_version(crm: Crm) {
    crm.given_a_transferred_lead(700).await;
    crm.post("/api/v1/contacts", json!({ "name": "Olena" }))
        .await
        .good();
    let hook = json!({ "url": "https://example.com/hook", "events": ["lead.*"] });
    crm.post("/api/v1/webhooks", hook).await.good();
    for path in [
        "/api/v1/leads/1",
        "/api/v1/sales/1",
        "/api/v1/contacts/1",
        "/api/v1/webhooks/1",
    ] {
        let card = crm.get(path).await;
        let tag = card.etag.clone().unwrap_or_default();
        assert_eq!(tag, format!("\"{}\"", card.body["version"]), "{path}");
        for known in [tag.as_str(), "\"0\", *"] {
            let again = crm
                .request(Method::GET, path)
                .header("If-None-Match", known);
            let again = crm.send(again).await;
            assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
            assert_eq!(again.etag.as_deref(), Some(tag.as_str()));
        }
        let stale = crm
            .request(Method::GET, path)
            .header("If-None-Match", "\"0\"");
        assert_eq!(crm.send(stale).await.body, card.body, "{path}");
    }
    let changed = crm
        .patch("/api/v1/contacts/1", json!({ "note": "n" }))
        .await;
    assert_eq!(changed.etag.as_deref(), Some("\"2\""));
    assert_eq!(crm.get("/api/v1/contacts/1").await.etag, changed.etag);
}

async fn of_many_editors_of_one_version_one_is_heard(crm: Crm) {
    let made = crm
        .post("/api/v1/contacts", json!({ "name": "Olena" }))
        .await;
    let (path, tag) = (made.location.unwrap(), made.etag.unwrap());
    let edits = (0..40).map(|n| json!({ "note": format!("edit {n}") }));
    let edits: Vec<_> = edits.collect();
    let answers = edits
        .iter()
        .map(|edit| when_holding(&crm, &tag, Method::PATCH, &path, edit));
    let answers = join_all(answers).await;
    let heard: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(
        heard.len(),
        1,
        "{:?}",
        answers.iter().map(|a| a.status).collect::<Vec<_>>()
    );
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(
            (refused.status, &refused.body["field"], &refused.etag),
            (412, &json!("If-Match"), &heard[0].etag),
            "{}",
            refused.text
        );
        assert_eq!(refused.content_type, "application/problem+json");
    }
    assert_eq!(crm.get(&path).await.body, heard[0].body);
    let stale = when_holding(&crm, &tag, Method::DELETE, &path, &json!({})).await;
    assert_eq!(stale.status, 412);
    let current = heard[0].etag.clone().unwrap();
    let either = format!("{tag}, {current}");
    let removed = when_holding(&crm, &either, Method::DELETE, &path, &json!({})).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
}

async fn a_stale_step_is_refused_wherever_it_goes(crm: Crm) {
    let lead = crm.given_a_lead_in(&["contacted"]).await;
    let path = format!("/api/v1/leads/{lead}");
    let steps = [
        (Method::PATCH, "", json!({ "business_domain": "second" })),
        (Method::PATCH, "/stage", json!({ "stage": "qualified" })),
        (Method::POST, "/messages", json!({ "increment": 2 })),
        (Method::POST, "/analyze?force=true", json!({})),
        (Method::POST, "/transfer?amount=5", json!({})),
    ];
    let before = crm.get(&path).await;
    for (method, step, body) in &steps {
        let path = format!("{path}{step}");
        for stale in ["\"1\"", "\"another's\""] {
            let answer = when_holding(&crm, stale, method.clone(), &path, body).await;
            assert_eq!(answer.status, 412, "{path}: {}", answer.text);
            assert_eq!(answer.etag, before.etag, "{path}");
        }
        let malformed = when_holding(&crm, "1", method.clone(), &path, body).await;
        assert_eq!(
            (malformed.status, &malformed.body["field"]),
            (422, &json!("If-Match"))
        );
    }
    assert_eq!(crm.get(&path).await.body, before.body, "nothing changed");
    for (method, step, body) in &steps {
        let tag = crm.get(&path).await.etag.unwrap();
        let path = format!("{path}{step}");
        let answer = when_holding(&crm, &tag, method.clone(), &path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    let none = when_holding(&crm, "\"1\"", Method::PATCH, "/api/v1/leads/99", &json!({})).await;
    assert_eq!(none.status, 404, "{}", none.text);
    let any = when_holding(
        &crm,
        "*",
        Method::PATCH,
        "/api/v1/sales/1/stage",
        &json!({ "stage": "kyc" }),
    )
    .await;
    assert_eq!(any.status, 200, "{}", any.text);
}

async fn a_retry_hears_what_its_first_try_did(crm: Crm) {
    let made = crm
        .post("/api/v1/contacts", json!({ "name": "Olena" }))
        .await;
    let (path, tag) = (made.location.unwrap(), made.etag.unwrap());
    let send = async |tag: &str| {
        let request = with(crm.request(Method::PATCH, &path), &json!({ "note": "n" }));
        let request = request
            .header("Idempotency-Key", "k")
            .header("If-Match", tag);
        crm.send(request).await
    };
    let (first, again) = (send(&tag).await, send(&tag).await);
    assert_eq!(
        (first.status, again.status, again.replayed),
        (200, 200, true)
    );
    assert_eq!((first.etag, first.body), (again.etag.clone(), again.body));
    let other = send(&again.etag.unwrap()).await;
    assert_eq!(
        (other.status, &other.body["field"]),
        (422, &json!("Idempotency-Key"))
    );
}
