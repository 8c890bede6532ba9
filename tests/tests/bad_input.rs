//! Bad input gets a clear error that names the field, and changes nothing.

use reqwest::Method;
use serde_json::{Value, json};
use stories::answer::Answer;
use stories::crm::Crm;

stories::on_both_profiles!(
    whatever_is_wrong_is_named_and_nothing_changes,
    null_clears_and_what_is_left_out_stays,
);

/// Method, path, content type, body; then the status and the field that are expected.
const WRONG: &[(&str, &str, &str, &str, u16, &str)] = &[
    ("POST", "/api/v1/leads", "application/json", "{", 400, ""),
    ("POST", "/api/v1/leads", "application/json", "", 400, ""),
    (
        "POST",
        "/api/v1/leads",
        "text/plain",
        r#"{"source":"manual"}"#,
        415,
        "Content-Type",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        "{}",
        422,
        "source",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        "[]",
        422,
        "body",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":"radio"}"#,
        422,
        "source",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":"manual","business_domain":"fourth"}"#,
        422,
        "business_domain",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":"manual","contact_id":-1}"#,
        422,
        "contact_id",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":"manual","stage":"qualified"}"#,
        422,
        "stage",
    ),
    (
        "PATCH",
        "/api/v1/leads/1/stage",
        "application/json",
        r#"{"stage":"won"}"#,
        422,
        "stage",
    ),
    (
        "PATCH",
        "/api/v1/leads/1/stage",
        "application/json",
        r#"{"stage":"transferred"}"#,
        409,
        "stage",
    ),
    (
        "PATCH",
        "/api/v1/leads/99/stage",
        "application/json",
        r#"{"stage":"contacted"}"#,
        404,
        "id",
    ),
    (
        "PATCH",
        "/api/v1/leads/0/stage",
        "application/json",
        r#"{"stage":"contacted"}"#,
        422,
        "id",
    ),
    (
        "PATCH",
        "/api/v1/leads/one/stage",
        "application/json",
        r#"{"stage":"contacted"}"#,
        422,
        "id",
    ),
    (
        "PATCH",
        "/api/v1/leads/99999999999999999999/stage",
        "application/json",
        r#"{"stage":"contacted"}"#,
        422,
        "id",
    ),
    (
        "POST",
        "/api/v1/leads/1/messages",
        "application/json",
        r#"{"increment":0}"#,
        422,
        "increment",
    ),
    (
        "POST",
        "/api/v1/leads/1/messages",
        "application/json",
        r#"{"increment":-5}"#,
        422,
        "increment",
    ),
    (
        "POST",
        "/api/v1/leads/1/messages",
        "application/json",
        r#"{"increment":10001}"#,
        422,
        "increment",
    ),
    (
        "POST",
        "/api/v1/leads/1/messages",
        "application/json",
        r#"{"increment":1e30}"#,
        422,
        "increment",
    ),
    (
        "POST",
        "/api/v1/leads/1/messages",
        "application/json",
        r#"{"increment":"5"}"#,
        422,
        "increment",
    ),
    (
        "POST",
        "/api/v1/leads/1/transfer",
        "application/json",
        "",
        422,
        "amount",
    ),
    (
        "POST",
        "/api/v1/leads/1/transfer?amount=-5",
        "application/json",
        "",
        422,
        "amount",
    ),
    (
        "POST",
        "/api/v1/leads/1/transfer?amount=1e300",
        "application/json",
        "",
        422,
        "amount",
    ),
    (
        "POST",
        "/api/v1/leads/1/transfer?amount=0.001",
        "application/json",
        "",
        422,
        "amount",
    ),
    (
        "POST",
        "/api/v1/leads/1/transfer?amount=5&currency=XYZ",
        "application/json",
        "",
        422,
        "currency",
    ),
    (
        "POST",
        "/api/v1/leads/99/analyze",
        "application/json",
        "",
        404,
        "id",
    ),
    (
        "POST",
        "/api/v1/leads/1/analyze?force=perhaps",
        "application/json",
        "",
        422,
        "force",
    ),
    (
        "PATCH",
        "/api/v1/sales/99/stage",
        "application/json",
        r#"{"stage":"kyc"}"#,
        404,
        "id",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":" "}"#,
        422,
        "name",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A","phones":["12"]}"#,
        422,
        "phones[0]",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A","emails":["a"]}"#,
        422,
        "emails[0]",
    ),
    (
        "PATCH",
        "/api/v1/contacts/99",
        "application/json",
        r#"{"name":"A"}"#,
        404,
        "id",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"\u200b\u00a0"}"#,
        422,
        "name",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A\u0000"}"#,
        422,
        "name",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A","note":"\u001b[31m"}"#,
        422,
        "note",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":" ","phones":["+380671234567"]}"#,
        422,
        "name",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A","phones":["8 (999) 765-43-21"]}"#,
        422,
        "phones[0]",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A","phones":["+380671234567","0 800 CALL NOW"]}"#,
        422,
        "phones[1]",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A","emails":["a\u00a0b@example.com"]}"#,
        422,
        "emails[0]",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A","emails":["a@exa_mple.com"]}"#,
        422,
        "emails[0]",
    ),
    (
        "PATCH",
        "/api/v1/contacts/99",
        "application/json",
        r#"{"phones":["1234567"]}"#,
        422,
        "phones[0]",
    ),
    (
        "POST",
        "/api/v1/contacts/99/phones",
        "application/json",
        r#"{"phone":"+380671234567"}"#,
        404,
        "id",
    ),
    (
        "POST",
        "/api/v1/contacts/99/phones",
        "application/json",
        r#"{"phone":"12"}"#,
        422,
        "phone",
    ),
    (
        "POST",
        "/api/v1/contacts/99/phones",
        "application/json",
        r#"{"phones":["+380671234567"]}"#,
        422,
        "phones",
    ),
    (
        "POST",
        "/api/v1/contacts/0/phones",
        "application/json",
        r#"{"phone":"+380671234567"}"#,
        422,
        "id",
    ),
    (
        "DELETE",
        "/api/v1/contacts/99/phones/%2B380671234567",
        "",
        "",
        404,
        "id",
    ),
    (
        "DELETE",
        "/api/v1/contacts/99/phones/12",
        "",
        "",
        422,
        "phone",
    ),
    (
        "DELETE",
        "/api/v1/contacts/one/phones/%2B380671234567",
        "",
        "",
        422,
        "id",
    ),
    (
        "POST",
        "/api/v1/contacts/99/emails",
        "application/json",
        r#"{"email":"o@example.com"}"#,
        404,
        "id",
    ),
    (
        "POST",
        "/api/v1/contacts/99/emails",
        "application/json",
        r#"{"email":"o"}"#,
        422,
        "email",
    ),
    (
        "POST",
        "/api/v1/contacts/99/emails",
        "application/json",
        "{}",
        422,
        "email",
    ),
    (
        "DELETE",
        "/api/v1/contacts/99/emails/o@example.com",
        "",
        "",
        404,
        "id",
    ),
    (
        "DELETE",
        "/api/v1/contacts/99/emails/o",
        "",
        "",
        422,
        "email",
    ),
    (
        "PATCH",
        "/api/v1/leads/1/stage",
        "application/json",
        r#"{"stage":"lost","reason":"\u0007"}"#,
        422,
        "reason",
    ),
    ("DELETE", "/api/v1/contacts/99", "", "", 404, "id"),
    (
        "PATCH",
        "/api/v1/automation/rules/fly",
        "application/json",
        r#"{"enabled":true}"#,
        404,
        "name",
    ),
    (
        "PATCH",
        "/api/v1/automation/rules/analyze_after_messages",
        "application/json",
        r#"{"value":0}"#,
        422,
        "value",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"["manual"]"#,
        422,
        "body",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"["manual", null, null]"#,
        422,
        "body",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#""manual""#,
        422,
        "body",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        "null",
        422,
        "body",
    ),
    ("POST", "/api/v1/leads", "application/json", "[{]", 400, ""),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":{"partner":null}}"#,
        422,
        "source",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":["partner"]}"#,
        422,
        "source",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":1}"#,
        422,
        "source",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":null}"#,
        422,
        "source",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":"manual","source":"partner"}"#,
        422,
        "source",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":"manual","contact_id":"1"}"#,
        422,
        "contact_id",
    ),
    (
        "POST",
        "/api/v1/leads",
        "application/json",
        r#"{"source":"manual","contact_id":1.5}"#,
        422,
        "contact_id",
    ),
    (
        "PATCH",
        "/api/v1/leads/1",
        "application/json",
        r#"["first"]"#,
        422,
        "body",
    ),
    (
        "PATCH",
        "/api/v1/leads/1",
        "application/json",
        r#"{"business_domain":{"first":null}}"#,
        422,
        "business_domain",
    ),
    (
        "PATCH",
        "/api/v1/leads/1",
        "application/json",
        r#"{"business_domain":2}"#,
        422,
        "business_domain",
    ),
    (
        "PATCH",
        "/api/v1/leads/1",
        "application/json",
        r#"{"contact_id":[1]}"#,
        422,
        "contact_id",
    ),
    (
        "PATCH",
        "/api/v1/leads/1",
        "application/json",
        r#"{"contact_id":7}"#,
        422,
        "contact_id",
    ),
    (
        "PATCH",
        "/api/v1/leads/1/stage",
        "application/json",
        r#"["contacted"]"#,
        422,
        "body",
    ),
    (
        "PATCH",
        "/api/v1/leads/1/stage",
        "application/json",
        r#"{"stage":{"contacted":null}}"#,
        422,
        "stage",
    ),
    (
        "PATCH",
        "/api/v1/leads/1/stage",
        "application/json",
        r#"{"stage":"contacted","seen":2}"#,
        422,
        "seen",
    ),
    (
        "PATCH",
        "/api/v1/leads/1/stage",
        "application/json",
        r#"{"stage":"contacted","reason":["why"]}"#,
        422,
        "reason",
    ),
    (
        "POST",
        "/api/v1/leads/1/messages",
        "application/json",
        "[5]",
        422,
        "body",
    ),
    (
        "POST",
        "/api/v1/leads/1/messages",
        "application/json",
        r#"{"increment":null}"#,
        422,
        "increment",
    ),
    (
        "PATCH",
        "/api/v1/sales/1/stage",
        "application/json",
        r#"["kyc"]"#,
        422,
        "body",
    ),
    (
        "PATCH",
        "/api/v1/sales/1/stage",
        "application/json",
        r#"{"stage":7}"#,
        422,
        "stage",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"["Olena"]"#,
        422,
        "body",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":null}"#,
        422,
        "name",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A","phones":"+380671234567"}"#,
        422,
        "phones",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A","phones":null}"#,
        422,
        "phones",
    ),
    (
        "POST",
        "/api/v1/contacts",
        "application/json",
        r#"{"name":"A","emails":[1]}"#,
        422,
        "emails[0]",
    ),
    (
        "PATCH",
        "/api/v1/contacts/1",
        "application/json",
        r#"{"name":null}"#,
        422,
        "name",
    ),
    (
        "PATCH",
        "/api/v1/contacts/1",
        "application/json",
        r#"{"phones":null}"#,
        422,
        "phones",
    ),
    (
        "PATCH",
        "/api/v1/contacts/1",
        "application/json",
        r#"{"emails":null}"#,
        422,
        "emails",
    ),
    (
        "PATCH",
        "/api/v1/contacts/1",
        "application/json",
        r#"{"company":7}"#,
        422,
        "company",
    ),
    (
        "POST",
        "/api/v1/undo",
        "application/json",
        r#"["0:1"]"#,
        422,
        "body",
    ),
    (
        "POST",
        "/api/v1/undo",
        "application/json",
        "{}",
        422,
        "position",
    ),
    (
        "POST",
        "/api/v1/undo",
        "application/json",
        r#"{"position":7}"#,
        422,
        "position",
    ),
    (
        "POST",
        "/api/v1/undo",
        "application/json",
        r#"{"correlation":"all"}"#,
        422,
        "correlation",
    ),
    (
        "PATCH",
        "/api/v1/automation/rules/analyze_after_messages",
        "application/json",
        "[true, 5]",
        422,
        "body",
    ),
    (
        "PATCH",
        "/api/v1/automation/rules/analyze_after_messages",
        "application/json",
        r#"{"enabled":null}"#,
        422,
        "enabled",
    ),
    (
        "PATCH",
        "/api/v1/automation/rules/analyze_after_messages",
        "application/json",
        r#"{"value":null}"#,
        422,
        "value",
    ),
    (
        "PATCH",
        "/api/v1/automation/rules/analyze_after_messages",
        "application/json",
        r#"{"enabled":"yes"}"#,
        422,
        "enabled",
    ),
    (
        "PATCH",
        "/api/v1/automation/rules/transfer_when_ready",
        "application/json",
        r#"{"value":1000000000001}"#,
        422,
        "value",
    ),
    (
        "POST",
        "/api/v1/webhooks",
        "application/json",
        r#"["https://example.com", ["*"]]"#,
        422,
        "body",
    ),
    (
        "POST",
        "/api/v1/webhooks",
        "application/json",
        r#"{"url":7,"events":["*"]}"#,
        422,
        "url",
    ),
    (
        "POST",
        "/api/v1/webhooks",
        "application/json",
        r#"{"url":"https://example.com","events":"*"}"#,
        422,
        "events",
    ),
    (
        "PATCH",
        "/api/v1/webhooks/1",
        "application/json",
        r#"{"url":null}"#,
        422,
        "url",
    ),
    (
        "PATCH",
        "/api/v1/webhooks/1",
        "application/json",
        r#"{"events":null}"#,
        422,
        "events",
    ),
    (
        "PATCH",
        "/api/v1/webhooks/1",
        "application/json",
        r#"{"enabled":null}"#,
        422,
        "enabled",
    ),
    (
        "POST",
        "/api/v1/webhooks/1/secret",
        "application/json",
        "[]",
        422,
        "body",
    ),
    (
        "POST",
        "/api/v1/webhooks/1/replay",
        "application/json",
        r#"["0:1"]"#,
        422,
        "body",
    ),
    (
        "POST",
        "/api/v1/leads/1/transfer?amount=1000000000000.01",
        "",
        "",
        422,
        "amount",
    ),
    (
        "POST",
        "/api/v1/leads/1/transfer?amount=5&amount=6",
        "",
        "",
        422,
        "amount",
    ),
    (
        "GET",
        "/api/v1/leads?stage=new&stage=lost",
        "",
        "",
        422,
        "stage",
    ),
    ("GET", "/api/v1/leads?limit=0", "", "", 422, "limit"),
    ("GET", "/api/v1/leads?limit=501", "", "", 422, "limit"),
    ("GET", "/api/v1/leads?limit=many", "", "", 422, "limit"),
    ("GET", "/api/v1/leads?stage=won", "", "", 422, "stage"),
    ("GET", "/api/v1/leads?cursor=next", "", "", 422, "cursor"),
    ("GET", "/api/v1/leads?colour=red", "", "", 422, "colour"),
    ("GET", "/api/v1/leads/99", "", "", 404, "id"),
    ("GET", "/api/v1/leads/99/timeline", "", "", 404, "id"),
    ("GET", "/api/v1/sales/99", "", "", 404, "id"),
    ("GET", "/api/v1/sales/99/timeline", "", "", 404, "id"),
    ("GET", "/api/v1/contacts/99/timeline", "", "", 404, "id"),
    ("GET", "/api/v1/contacts/99", "", "", 404, "id"),
    (
        "GET",
        "/api/v1/dashboard/conversion-funnel?from=soon",
        "",
        "",
        422,
        "from",
    ),
    (
        "GET",
        "/api/v1/dashboard/conversion-funnel?from=2026-02-01&to=2026-01-01",
        "",
        "",
        422,
        "from",
    ),
    (
        "GET",
        "/api/v1/dashboard/conversion-funnel?from=2026-11-21T08:30:00",
        "",
        "",
        422,
        "from",
    ),
    ("GET", "/api/v1/dashboard?to=yesterday", "", "", 422, "to"),
    (
        "GET",
        "/api/v1/dashboard?to=2026-11-21T08:30:00%2B02:00[Europe/Kyiv]",
        "",
        "",
        422,
        "to",
    ),
    (
        "GET",
        "/api/v1/dashboard?since=2026-11-21",
        "",
        "",
        422,
        "since",
    ),
    (
        "GET",
        "/api/v1/dashboard/leads-by-stage?from=20261121",
        "",
        "",
        422,
        "from",
    ),
    (
        "GET",
        "/api/v1/dashboard/sales-by-stage?from=2026-11-21T10:00:00Z&to=2026-11-21T09:00:00Z",
        "",
        "",
        422,
        "from",
    ),
    ("GET", "/api/v1/nowhere", "", "", 404, ""),
    ("PUT", "/api/v1/leads", "", "", 405, ""),
];

async fn whatever_is_wrong_is_named_and_nothing_changes(crm: Crm) {
    crm.given_a_lead_in(&["contacted"]).await;
    let before = everything(&crm);
    for (method, path, content_type, body, status, field) in WRONG {
        let method: Method = method.parse().unwrap();
        let request = crm.request(method.clone(), path).body(*body);
        let request = if content_type.is_empty() {
            request
        } else {
            request.header("Content-Type", *content_type)
        };
        let answer = crm.send(request).await;
        let asked = format!("{method} {path} {body}");
        assert_eq!(answer.status, *status, "{asked}: {}", answer.text);
        is_a_problem(&answer, field, &asked);
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

async fn null_clears_and_what_is_left_out_stays(crm: Crm) {
    let person = json!({ "name": "Olena", "company": "Acme", "note": "met in Lviv" });
    crm.post("/api/v1/contacts", person).await.good();
    let lead = json!({ "source": "partner", "business_domain": "first", "contact_id": 1 });
    crm.post("/api/v1/leads", lead).await.good();
    let hook = json!({ "url": "https://example.com/hook", "events": ["*"], "description": "CRM" });
    crm.post("/api/v1/webhooks", hook).await.good();
    for (path, field, left) in [
        ("/api/v1/leads/1", "contact_id", "business_domain"),
        ("/api/v1/leads/1", "business_domain", "source"),
        ("/api/v1/contacts/1", "company", "note"),
        ("/api/v1/contacts/1", "note", "name"),
        ("/api/v1/webhooks/1", "description", "url"),
    ] {
        let before = crm.get(path).await.good();
        assert!(!before[field].is_null(), "{path} {field}");
        let same = crm.patch(path, json!({})).await.good();
        // Other fields of a webhook move by themselves.
        for known in [field, left] {
            assert_eq!(
                same[known], before[known],
                "{path} {known}: nothing was said"
            );
        }
        let cleared = crm.patch(path, json!({ field: null })).await.good();
        assert!(cleared[field].is_null(), "{path} {field}: {cleared}");
        assert_eq!(cleared[left], before[left], "{path} {left}");
        assert!(
            crm.get(path).await.good()[field].is_null(),
            "{path} {field}"
        );
    }
    let many: Vec<_> = (0..21).map(|n| format!("a{n}@example.com")).collect();
    let many = crm
        .patch("/api/v1/contacts/1", json!({ "emails": many }))
        .await;
    assert_eq!((many.status, &many.body["field"]), (422, &json!("emails")));
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
