//! What everybody meets who puts Rapport behind a proxy, into a browser or into a client library.

use std::time::Instant;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use stories::crm::Crm;

const SETTINGS: &[(&str, &str)] = &[
    ("PUBLIC_URL", "https://example.com/crm/"),
    ("CORS_ORIGINS", "https://console.example.com/"),
];

stories::on_both_profiles!(
    crate::SETTINGS;
    answers_are_compressed_for_who_takes_it,
    links_lead_through_the_proxy,
    a_browser_may_ask_from_the_console,
    a_position_that_nobody_was_told_is_refused_at_once,
    strangers_hear_yes_or_no_and_no_names,
    a_lead_whose_contact_is_gone_says_so,
    the_far_future_is_now,
);

/// The headers of an answer and its body as it came: this client unpacks nothing.
async fn answered(crm: &Crm, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Vec<u8>) {
    let client = Client::builder().no_gzip().no_brotli().no_deflate();
    let client = client.no_zstd().build().unwrap();
    let url = format!("{}{path}", crm.url(crm.count() - 1));
    let mut request = client.get(url).header("X-API-Key", crm.key());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

async fn answers_are_compressed_for_who_takes_it(crm: Crm) {
    for _ in 0..20 {
        crm.given_a_lead().await;
    }
    let (_, plain, body) = answered(&crm, "/api/v1/leads", &[]).await;
    assert_eq!(header(&plain, "content-encoding"), "");
    let mut vary = plain.get_all("vary").iter();
    assert!(vary.any(|name| name == "accept-encoding"), "{plain:?}");
    for (accepted, begins) in [("gzip", &[0x1f, 0x8b][..]), ("br", &[])] {
        let asked = [("Accept-Encoding", accepted)];
        let (status, headers, packed) = answered(&crm, "/api/v1/leads", &asked).await;
        assert_eq!(
            (status, header(&headers, "content-encoding")),
            (200, accepted)
        );
        assert!(packed.starts_with(begins) && packed.len() * 3 < body.len());
        let (_, headers, _) = answered(&crm, "/api/v1/leads/1", &asked).await;
        assert_eq!(header(&headers, "content-encoding"), "", "short as it is");
    }
}

async fn links_lead_through_the_proxy(crm: Crm) {
    let lead = json!({ "source": "partner" });
    for number in [1, 2] {
        let made = crm.post("/api/v1/leads", lead.clone()).await;
        let expected = format!("https://example.com/crm/api/v1/leads/{number}");
        assert_eq!(made.location, Some(expected));
    }
    let first = crm.get("/api/v1/leads?limit=1").await;
    let next = "<https://example.com/crm/api/v1/leads?limit=1&cursor=2>; rel=\"next\"";
    assert_eq!(first.link.as_deref(), Some(next));
    let described = crm.get("/openapi.json").await.good();
    assert_eq!(described["servers"][0]["url"], "https://example.com/crm");
}

async fn a_browser_may_ask_from_the_console(crm: Crm) {
    let preflight = crm
        .request(Method::OPTIONS, "/api/v1/leads/1")
        .header("Origin", "https://console.example.com")
        .header("Access-Control-Request-Method", "PATCH")
        .header(
            "Access-Control-Request-Headers",
            "content-type,if-match,idempotency-key,traceparent,x-api-key",
        );
    let allowed = preflight.send().await.unwrap().headers().clone();
    let origin = "access-control-allow-origin";
    assert_eq!(header(&allowed, origin), "https://console.example.com");
    for name in [
        "if-match",
        "idempotency-key",
        "traceparent",
        "x-api-key",
        "rapport-position",
    ] {
        assert!(
            header(&allowed, "access-control-allow-headers").contains(name),
            "{name}: {allowed:?}"
        );
    }
    assert_eq!(header(&allowed, "access-control-max-age"), "7200");
    let asked = [("Origin", "https://console.example.com")];
    let (_, told, _) = answered(&crm, "/api/v1/leads", &asked).await;
    assert_eq!(header(&told, origin), "https://console.example.com");
    for name in [
        "etag",
        "link",
        "location",
        "rapport-position",
        "rapport-count",
        "retry-after",
        "idempotency-replayed",
    ] {
        assert!(
            header(&told, "access-control-expose-headers").contains(name),
            "{name}: {told:?}"
        );
    }
    let elsewhere = [("Origin", "https://elsewhere.example.com")];
    let (_, told, _) = answered(&crm, "/api/v1/leads", &elsewhere).await;
    assert_eq!(header(&told, origin), "");
    let process = crm.count() - 1;
    let stranger = crm.request_as(process, "", Method::GET, "/api/v1/leads");
    let stranger = stranger.send().await.unwrap();
    let scheme = header(stranger.headers(), "www-authenticate");
    assert_eq!(
        (stranger.status().as_u16(), scheme),
        (401, "Bearer realm=\"rapport\"")
    );
}

async fn a_position_that_nobody_was_told_is_refused_at_once(crm: Crm) {
    crm.given_a_lead().await;
    let asked = async |position: &str| {
        let request = crm.request(Method::GET, "/api/v1/leads");
        crm.send(request.header("Rapport-Position", position)).await
    };
    let begun = Instant::now();
    let answer = asked("0:999999999").await;
    assert_eq!(
        (answer.status, &answer.body["field"]),
        (422, &json!("Rapport-Position")),
        "{}",
        answer.text
    );
    assert!(begun.elapsed().as_secs() < 4, "nothing was waited for");
    let made = crm
        .post("/api/v1/leads", json!({ "source": "partner" }))
        .await;
    assert_eq!(
        asked(&made.position.unwrap())
            .await
            .good()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

async fn strangers_hear_yes_or_no_and_no_names(crm: Crm) {
    let process = crm.count() - 1;
    let asked = async |key: &str| {
        let request = crm.request_as(process, key, Method::GET, "/ready");
        crm.send(request).await.good()
    };
    for stranger in ["", "rubbish", "rk_main_1_wrong"] {
        assert_eq!(
            asked(stranger).await,
            json!({ "ready": true }),
            "'{stranger}'"
        );
    }
    let known = asked(&crm.new_key("main", "analyst")).await;
    let names: Vec<_> = known["projections"].as_array().unwrap().iter().collect();
    assert!(names.iter().any(|one| one["name"] == "leads"), "{known}");
}

async fn a_lead_whose_contact_is_gone_says_so(crm: Crm) {
    for name in ["Olena", "Oleh"] {
        crm.post("/api/v1/contacts", json!({ "name": name }))
            .await
            .good();
    }
    for contact in [1, 2] {
        let lead = json!({ "source": "partner", "contact_id": contact });
        crm.post("/api/v1/leads", lead).await.good();
    }
    let before = crm.get("/api/v1/leads/1").await;
    assert_eq!(before.body["contact_removed"], Value::Null);
    assert_eq!(crm.delete("/api/v1/contacts/1").await.status, 204);
    let tag = before.etag.unwrap();
    let known = crm.request(Method::GET, "/api/v1/leads/1");
    let after = crm.send(known.header("If-None-Match", &tag)).await;
    assert_eq!(
        (after.status, &after.body["contact_removed"]),
        (200, &json!(true))
    );
    assert_eq!(after.body["contact_id"], 1);
    let listed = crm.get("/api/v1/leads").await.good();
    let gone: Vec<_> = (0..2)
        .map(|n| listed[n]["contact_removed"].clone())
        .collect();
    assert_eq!(gone, [Value::Null, json!(true)], "the newest first");
    let then = before.body["updated_at"].as_str().unwrap();
    let then = crm
        .get(&format!("/api/v1/leads/1?as_of={then}"))
        .await
        .good();
    assert_eq!(then["contact_removed"], Value::Null, "it was there then");
    let request = crm.request(Method::PATCH, "/api/v1/leads/1");
    let request = stories::crm::with(request, &json!({ "business_domain": "first" }));
    let changed = crm
        .send(request.header("If-Match", after.etag.unwrap()))
        .await;
    assert_eq!(
        (changed.status, &changed.body["contact_removed"]),
        (200, &json!(true))
    );
    assert_eq!(crm.get("/api/v1/leads/1").await.good(), changed.body);
    let unlinked = crm
        .patch("/api/v1/leads/1", json!({ "contact_id": null }))
        .await;
    assert_eq!(unlinked.good()["contact_removed"], Value::Null);
}

async fn the_far_future_is_now(crm: Crm) {
    crm.given_a_lead_in(&["contacted"]).await;
    let now = crm.get("/api/v1/leads/1").await.good();
    for far in [
        "2999-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59%2B02:00",
    ] {
        let then = crm
            .get(&format!("/api/v1/leads/1?as_of={far}"))
            .await
            .good();
        assert_eq!(then, now, "{far}");
        let timeline = crm
            .get(&format!("/api/v1/leads/1/timeline?as_of={far}"))
            .await
            .good();
        assert_eq!(timeline.as_array().unwrap().len(), 2, "{far}");
    }
}
