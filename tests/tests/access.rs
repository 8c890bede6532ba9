//! Who may do what: keys, roles, limits, and walls between workspaces.

use reqwest::Method;
use serde_json::{Value, json};
use stories::crm::{Crm, with};

stories::on_both_profiles!(
    nobody_without_a_key_sees_anything,
    a_role_opens_its_routes_and_no_others,
    a_form_hands_in_leads_with_a_contact_and_nothing_else,
    one_workspace_can_read_nothing_of_another,
);

/// A text that only workspace `main` holds.
const SECRET: &str = "Zorro7f3a";

/// Every route of the API, as method and path, with numbers and names filled in.
async fn routes(crm: &Crm) -> Vec<(Method, String)> {
    let description = crm.get("/openapi.json").await.good();
    let paths = description["paths"].as_object().unwrap();
    let routes = paths.iter().flat_map(|(path, methods)| {
        let path = path
            .replace("{id}", "1")
            .replace("{name}", "analyze_after_messages")
            .replace("{delivery}", "msg_1")
            .replace("{phone}", "+380671234567")
            .replace("{email}", "o@example.com");
        let methods = methods.as_object().unwrap().keys();
        methods
            .map(move |method| (method.to_uppercase().parse().unwrap(), path.clone()))
            .collect::<Vec<_>>()
    });
    let routes: Vec<_> = routes.collect();
    assert!(routes.len() >= 20, "only {} routes", routes.len());
    routes
}

async fn nobody_without_a_key_sees_anything(crm: Crm) {
    crm.given_a_lead().await;
    let process = crm_last(&crm);
    for (method, path) in routes(&crm).await {
        for key in ["", "rk_main_1_wrong", "rubbish", "rk_main_99_00"] {
            let answer = crm
                .send(crm.request_as(process, key, method.clone(), &path))
                .await;
            assert_eq!(
                answer.status, 401,
                "{method} {path} with '{key}': {}",
                answer.text
            );
        }
    }
    for path in ["/health", "/ready", "/metrics", "/openapi.json", "/docs/"] {
        assert_eq!(
            crm.send(crm.request_as(process, "", Method::GET, path))
                .await
                .status,
            200,
            "{path}"
        );
    }
    let key = crm.new_key("main", "analyst");
    for (header, value) in [
        ("Authorization", format!("Bearer {key}")),
        ("Authorization", format!("Token {key}")),
        ("X-API-Key", key.clone()),
    ] {
        let request = crm
            .request_as(process, "", Method::GET, "/api/v1/leads")
            .header(header, value);
        assert_eq!(crm.send(request).await.status, 200, "{header}");
    }
    crm.cli_good(&["keys", "revoke", "2"]);
    let revoked = async || {
        crm.send(crm.request_as(process, &key, Method::GET, "/api/v1/leads"))
            .await
            .status
            == 401
    };
    assert!(
        stories::servers::eventually(revoked).await,
        "a revoked key opens nothing"
    );
}

async fn a_role_opens_its_routes_and_no_others(crm: Crm) {
    crm.given_a_lead().await;
    let process = crm_last(&crm);
    let roles = ["form", "analyst", "operator", "admin", "owner"];
    let keys = roles.map(|role| crm.new_key("main", role));
    for (method, path) in routes(&crm).await {
        let least = match (&method, path.as_str()) {
            (_, path) if path.starts_with("/api/v1/webhooks") => 3,
            (&Method::GET, _) => 1,
            (_, path) if path.starts_with("/api/v1/automation") => 3,
            (_, path) if path.starts_with("/api/v1/pipelines") => 3,
            _ => 2,
        };
        let open_to_forms = method == Method::POST && path == "/api/v1/leads";
        for (rank, key) in keys.iter().enumerate() {
            let answer = crm
                .send(with(
                    crm.request_as(process, key, method.clone(), &path),
                    &json!([]),
                ))
                .await;
            let shut = answer.status == 403;
            assert_eq!(
                shut,
                rank < least && !(rank == 0 && open_to_forms),
                "{method} {path} as {}: {}",
                roles[rank],
                answer.text
            );
        }
    }
}

async fn a_form_hands_in_leads_with_a_contact_and_nothing_else(crm: Crm) {
    let key = crm.new_key("main", "form");
    let hand_in = async |body: Value| {
        let request = crm.request_as(crm_last(&crm), &key, Method::POST, "/api/v1/leads");
        crm.send(with(request, &body)).await
    };
    let person = json!({ "name": "Olena", "phones": ["067 123 45 67"] });
    let lead = json!({ "source": "scanner", "contact": person });
    assert_eq!(hand_in(lead).await.good()["contact_id"], 1);
    for without in [
        json!({ "source": "scanner" }),
        json!({ "source": "scanner", "contact_id": 1 }),
    ] {
        let refused = hand_in(without).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!("contact"))
        );
    }
    let lead = crm.request_as(crm_last(&crm), &key, Method::GET, "/api/v1/leads/1");
    assert_eq!(crm.send(lead).await.status, 403, "it reads nothing");
}

async fn one_workspace_can_read_nothing_of_another(crm: Crm) {
    let person = json!({ "name": SECRET, "phones": ["+380671234567"], "note": SECRET });
    crm.post("/api/v1/contacts", person).await.good();
    crm.given_a_transferred_lead(777).await;
    let shown = async || {
        let paths = [
            "leads/1",
            "sales/1",
            "contacts/1",
            "dashboard",
            "dashboard/sales-by-stage",
            "leads/1/timeline",
            "sales/1/timeline",
            "contacts/1/timeline",
        ];
        let mut all = Vec::new();
        for path in paths {
            all.push(crm.get(&format!("/api/v1/{path}")).await.good());
        }
        all
    };
    let before = shown().await;
    let (process, stranger) = (crm_last(&crm), crm.new_key("other", "owner"));
    let bodies = [
        json!({ "stage": "lost" }),
        json!({ "increment": 5 }),
        json!({ "name": "x" }),
        json!({ "enabled": true }),
    ];
    for (method, path) in routes(&crm).await {
        let bodies = if method == Method::GET {
            &bodies[..1]
        } else {
            &bodies
        };
        for body in bodies {
            let answer = crm
                .send(with(
                    crm.request_as(process, &stranger, method.clone(), &path),
                    body,
                ))
                .await;
            assert!(
                !answer.text.contains(SECRET) && !answer.text.contains("777"),
                "{method} {path}: {}",
                answer.text
            );
            if path.contains("/1") {
                // The stranger's own contact 1 may be there by now: this very loop made it.
                assert!(
                    [404, 422, 204].contains(&answer.status) || answer.text.contains("\"x\""),
                    "{method} {path}: {} {}",
                    answer.status,
                    answer.text
                );
            }
        }
    }
    let free = json!({ "name": "Other", "phones": ["+380671234567"] });
    let own = crm
        .send(with(
            crm.request_as(process, &stranger, Method::POST, "/api/v1/contacts"),
            &free,
        ))
        .await;
    assert_eq!(
        own.status, 201,
        "a phone is taken within one workspace only: {}",
        own.text
    );
    assert_eq!(shown().await, before, "nothing of it was changed");
}

#[tokio::test]
async fn whoever_calls_too_often_is_told_when_to_come_back() {
    let crm = Crm::embedded_with(&[("RATE_LIMIT_KEY", "5"), ("RATE_LIMIT_ANONYMOUS", "3")]).await;
    let calls = async |key: Option<&str>| {
        let mut last = None;
        for _ in 0..7 {
            let request = match key {
                Some(key) => crm.request_as(0, key, Method::GET, "/api/v1/leads"),
                None => crm.request(Method::GET, "/api/v1/leads"),
            };
            last = Some(crm.send(request).await);
        }
        last.unwrap()
    };
    for key in [None, Some("")] {
        let refused = calls(key).await;
        assert_eq!(
            (refused.status, &refused.body["type"]),
            (429, &json!("/problems/rate-limit"))
        );
        assert!(refused.retry_after.unwrap().parse::<u64>().unwrap() <= 60);
    }
    assert_eq!(
        crm.get("/health").await.status,
        200,
        "probes are not counted"
    );
    let ready = crm.get("/ready").await.good();
    assert_eq!(
        ready["status"], "ready",
        "who asks too often is known still"
    );
}

#[tokio::test]
async fn the_demo_asks_nobody_for_a_key() {
    let crm = Crm::demo().await;
    let lead = crm
        .send(with(
            crm.request_as(0, "", Method::POST, "/api/v1/leads"),
            &json!({ "source": "manual" }),
        ))
        .await;
    assert_eq!((lead.status, &lead.body["id"]), (201, &Value::from(1)));
}

/// The process that answers HTTP is started last.
fn crm_last(crm: &Crm) -> usize {
    crm.count() - 1
}
