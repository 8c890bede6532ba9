//! What operators do with leads and sales, over HTTP, on both profiles.

use serde_json::json;
use stories::crm::Crm;

stories::on_both_profiles!(
    a_lead_becomes_a_paid_sale,
    skipping_a_stage_is_refused_with_a_reason,
    a_stale_screen_cannot_overwrite_a_colleague,
    a_transfer_passes_every_gate_or_says_which_not,
    lists_are_filtered_and_come_in_parts,
    a_card_can_be_seen_as_it_was,
    a_timeline_tells_who_and_when,
    the_funnel_counts_what_happened,
);

async fn a_lead_becomes_a_paid_sale(crm: Crm) {
    let lead = crm
        .post(
            "/api/v1/leads",
            json!({ "source": "partner", "business_domain": "first" }),
        )
        .await;
    assert_eq!(
        (lead.status, lead.location.as_deref()),
        (201, Some("/api/v1/leads/1"))
    );
    for stage in ["contacted", "qualified"] {
        crm.patch("/api/v1/leads/1/stage", json!({ "stage": stage }))
            .await
            .good();
    }
    crm.post("/api/v1/leads/1/messages", json!({ "increment": 5 }))
        .await
        .good();
    let analysis = crm
        .post("/api/v1/leads/1/analyze", json!(null))
        .await
        .good();
    assert_eq!(analysis["score"], 0.9);
    assert_eq!(analysis["recommendation"], "transfer_to_sales");
    let sale = crm
        .post("/api/v1/leads/1/transfer?amount=50000", json!(null))
        .await
        .good();
    assert_eq!(
        (&sale["id"], &sale["lead_id"], &sale["amount"]),
        (&json!(1), &json!(1), &json!(50000))
    );
    for stage in ["kyc", "agreement", "paid"] {
        crm.patch("/api/v1/sales/1/stage", json!({ "stage": stage }))
            .await
            .good();
    }
    let (lead, sale) = (
        crm.get("/api/v1/leads/1").await.good(),
        crm.get("/api/v1/sales/1").await.good(),
    );
    assert_eq!(
        (&lead["stage"], &lead["sale_id"], &lead["message_count"]),
        (&json!("transferred"), &json!(1), &json!(5))
    );
    assert_eq!(sale["stage"], "paid");
    let dashboard = crm.get("/api/v1/dashboard").await;
    insta::assert_snapshot!("dashboard", dashboard.shown());
}

async fn skipping_a_stage_is_refused_with_a_reason(crm: Crm) {
    let lead = crm.given_a_lead().await;
    let answer = crm
        .patch(
            &format!("/api/v1/leads/{lead}/stage"),
            json!({ "stage": "qualified" }),
        )
        .await;
    insta::assert_snapshot!("forbidden_transition", answer.shown());
}

async fn a_stale_screen_cannot_overwrite_a_colleague(crm: Crm) {
    let lead = crm.given_a_lead_in(&["contacted"]).await;
    let path = format!("/api/v1/leads/{lead}/stage");
    let answer = crm
        .patch(&path, json!({ "stage": "lost", "seen": "new" }))
        .await;
    assert_eq!(
        (answer.status, &answer.body["type"]),
        (409, &json!("/problems/stale"))
    );
    let answer = crm
        .patch(
            &path,
            json!({ "stage": "lost", "seen": "contacted", "reason": "no budget" }),
        )
        .await;
    assert_eq!(answer.good()["stage"], "lost");
    let again = crm.patch(&path, json!({ "stage": "contacted" })).await;
    assert_eq!(again.status, 409, "a lost lead is not reopened");
}

async fn a_transfer_passes_every_gate_or_says_which_not(crm: Crm) {
    let lead = crm
        .post("/api/v1/leads", json!({ "source": "scanner" }))
        .await
        .good()["id"]
        .clone();
    let transfer = format!("/api/v1/leads/{lead}/transfer?amount=100");
    let details = async || {
        crm.post(&transfer, json!(null)).await.body["detail"]
            .as_str()
            .unwrap_or("done")
            .to_owned()
    };
    let stage = async |stage: &str| {
        crm.patch(
            &format!("/api/v1/leads/{lead}/stage"),
            json!({ "stage": stage }),
        )
        .await
        .good();
    };
    let analyze = async |query: &str| {
        crm.post(&format!("/api/v1/leads/{lead}/analyze{query}"), json!(null))
            .await
            .good()["score"]
            .as_f64()
            .unwrap()
    };
    assert!(details().await.contains("from 'new' to 'transferred'"));
    stage("contacted").await;
    stage("qualified").await;
    assert!(details().await.contains("analy"), "an analysis is missing");
    assert!(analyze("").await < 0.6);
    assert!(details().await.contains("0.6"), "the score is too low");
    crm.post(
        &format!("/api/v1/leads/{lead}/messages"),
        json!({ "increment": 20 }),
    )
    .await
    .good();
    assert!(analyze("").await < 0.6, "a young analysis is given again");
    assert!(analyze("?force=true").await >= 0.6, "unless it is forced");
    assert!(details().await.contains("domain"), "the domain is missing");
    crm.patch(
        &format!("/api/v1/leads/{lead}"),
        json!({ "business_domain": "second" }),
    )
    .await
    .good();
    assert_eq!(details().await, "done");
    assert!(details().await.contains("already transferred"));
    assert_eq!(
        crm.get("/api/v1/sales")
            .await
            .good()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

async fn lists_are_filtered_and_come_in_parts(crm: Crm) {
    for _ in 0..3 {
        crm.given_a_lead().await;
    }
    crm.given_a_lead_in(&["contacted"]).await;
    crm.post("/api/v1/leads", json!({ "source": "manual" }))
        .await
        .good();
    let ids = async |path: &str| {
        let list = crm.get(path).await.good();
        list.as_array()
            .unwrap()
            .iter()
            .map(|lead| lead["id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let all = ids("/api/v1/leads").await;
    assert_eq!(all.len(), 5);
    assert!(
        all.windows(2).all(|pair| pair[0] > pair[1]),
        "the newest comes first: {all:?}"
    );
    assert_eq!(ids("/api/v1/leads?stage=contacted").await.len(), 1);
    assert_eq!(ids("/api/v1/leads?source=manual").await.len(), 1);
    assert_eq!(
        ids("/api/v1/leads?source=partner&business_domain=first&stage=new")
            .await
            .len(),
        3
    );
    let (mut path, mut seen) = ("/api/v1/leads?limit=2".to_owned(), Vec::new());
    loop {
        let part = crm.get(&path).await;
        let next = part.link.clone();
        seen.extend(
            part.good()
                .as_array()
                .unwrap()
                .iter()
                .map(|lead| lead["id"].as_u64().unwrap()),
        );
        let Some(link) = next else { break };
        assert!(link.ends_with(r#"; rel="next""#), "{link}");
        link.split(['<', '>']).nth(1).unwrap().clone_into(&mut path);
    }
    assert_eq!(seen, all);
}

async fn a_card_can_be_seen_as_it_was(crm: Crm) {
    let lead = crm.given_a_lead().await;
    let card = format!("/api/v1/leads/{lead}");
    let new = crm.get(&card).await.good();
    let moved = crm
        .patch(&format!("{card}/stage"), json!({ "stage": "contacted" }))
        .await
        .good();
    let as_of =
        |view: &serde_json::Value| format!("{card}?as_of={}", view["updated_at"].as_str().unwrap());
    assert_eq!(crm.get(&as_of(&new)).await.good(), new);
    assert_eq!(crm.get(&as_of(&moved)).await.good(), moved);
    assert_eq!(
        crm.get(&format!("{card}?as_of=2001-01-01T00:00:00Z"))
            .await
            .status,
        404,
        "it was not there yet"
    );
    let bad = crm.get(&format!("{card}?as_of=yesterday")).await;
    assert_eq!((bad.status, &bad.body["field"]), (422, &json!("as_of")));
}

async fn a_timeline_tells_who_and_when(crm: Crm) {
    let lead = crm.given_a_transferred_lead(1).await;
    let timeline = crm
        .get(&format!("/api/v1/leads/{lead}/timeline"))
        .await
        .good();
    let told: Vec<_> = timeline
        .as_array()
        .unwrap()
        .iter()
        .map(|happened| {
            format!(
                "{} by {}",
                happened["event"].as_str().unwrap(),
                happened["actor"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "lead.opened by key:1",
            "lead.stage_changed by key:1",
            "lead.stage_changed by key:1",
            "lead.analyzed by key:1",
            "lead.transferred by key:1",
            "sale.opened by policy:transfer",
        ]
    );
    assert_eq!(
        timeline[4]["correlation"], timeline[5]["correlation"],
        "one request caused both"
    );
}

async fn the_funnel_counts_what_happened(crm: Crm) {
    crm.given_a_lead().await;
    crm.given_a_lead_in(&["contacted"]).await;
    crm.given_a_lead_in(&["lost"]).await;
    crm.given_a_lead_in(&["contacted", "qualified", "lost"])
        .await;
    crm.post("/api/v1/leads", json!({ "source": "scanner" }))
        .await
        .good();
    let stages = async |query: &str| {
        let funnel = crm
            .get(&format!("/api/v1/dashboard/conversion-funnel{query}"))
            .await
            .good();
        let stages = funnel["stages"].as_array().unwrap().iter().map(|stage| {
            assert_eq!(
                stage["median_seconds"].is_null(),
                stage["reached"] == 0 && stage["dropped"] == 0
            );
            format!(
                "{} {} {} {} {}",
                stage["stage"],
                stage["entered"],
                stage["reached"],
                stage["dropped"],
                stage["conversion"]
            )
        });
        stages.collect::<Vec<_>>().join("; ").replace('"', "")
    };
    assert_eq!(
        stages("").await,
        "new 5 2 1 0.4; contacted 2 1 0 0.5; qualified 1 0 1 0.0; transferred 0 0 0 null"
    );
    assert_eq!(
        stages("?source=scanner").await,
        "new 1 0 0 0.0; contacted 0 0 0 null; qualified 0 0 0 null; transferred 0 0 0 null"
    );
    assert_eq!(
        stages("?business_domain=first").await,
        "new 4 2 1 0.5; contacted 2 1 0 0.5; qualified 1 0 1 0.0; transferred 0 0 0 null"
    );
    assert!(
        stages("?to=2001-01-01").await.starts_with("new 0"),
        "nobody came in then"
    );
    assert!(stages("?from=2001-01-01").await.starts_with("new 5"));
}
