//! Pipelines as data: declared, changed, followed by leads and sales, counted, and taken back.

use reqwest::Method;
use serde_json::{Value, json};
use stories::answer::Answer;
use stories::crm::{Crm, with};

stories::on_both_profiles!(
    a_lead_follows_the_pipeline_that_it_was_opened_in,
    a_pipeline_gains_loses_and_moves_stages_while_leads_are_in_it,
    a_sale_follows_the_pipeline_that_its_transfer_named,
    a_change_of_a_pipeline_is_taken_back_and_remembered,
    what_makes_no_pipeline_is_refused_by_its_field,
);

async fn put(crm: &Crm, path: &str, body: Value) -> Answer {
    crm.send(with(crm.request(Method::PUT, path), &body)).await
}

async fn opened_in(crm: &Crm, pipeline: &str) -> u64 {
    let lead = json!({ "source": "partner", "business_domain": "first", "pipeline": pipeline });
    let lead = crm.post("/api/v1/leads", lead).await.good();
    assert_eq!(lead["pipeline"], pipeline);
    lead["id"].as_u64().unwrap()
}

async fn step(crm: &Crm, lead: u64, stage: &str) -> Answer {
    let path = format!("/api/v1/leads/{lead}/stage");
    crm.patch(&path, json!({ "stage": stage })).await
}

/// The ids of a list.
async fn listed(crm: &Crm, query: &str) -> Vec<u64> {
    let list = crm.get(&format!("/api/v1/{query}")).await.good();
    let ids = list.as_array().unwrap().iter();
    ids.map(|one| one["id"].as_u64().unwrap()).collect()
}

/// Stage and count of a board.
async fn board(crm: &Crm, path: &str) -> Vec<(String, u64)> {
    let board = crm.get(&format!("/api/v1/dashboard/{path}")).await.good();
    let stages = board.as_array().unwrap().iter();
    stages
        .map(|stage| {
            let name = stage["stage"].as_str().unwrap().to_owned();
            (name, stage["count"].as_u64().unwrap())
        })
        .collect()
}

async fn a_lead_follows_the_pipeline_that_it_was_opened_in(crm: Crm) {
    let usual = crm.given_a_lead().await;
    let buyer = opened_in(&crm, "programs").await;
    let other = opened_in(&crm, "programs").await;
    let refused = step(&crm, buyer, "contacted").await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (422, &json!("stage"))
    );
    let told = refused.body["detail"].as_str().unwrap();
    assert_eq!(
        told,
        "stage must be one of new, free_program, deciding, bought, lost"
    );
    step(&crm, buyer, "free_program").await.good();
    let path = format!("/api/v1/leads/{buyer}/transfer?amount=10");
    let refused = crm.post(&path, json!({})).await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (409, &json!("pipeline"))
    );
    let bought = step(&crm, buyer, "bought").await.good();
    assert_eq!(
        (&bought["stage"], &bought["sale_id"]),
        (&json!("bought"), &Value::Null)
    );
    step(&crm, other, "lost").await.good();

    assert_eq!(
        listed(&crm, "leads?pipeline=programs").await,
        [other, buyer]
    );
    assert_eq!(
        listed(&crm, "leads?pipeline=programs&stage=lost").await,
        [other]
    );
    assert_eq!(listed(&crm, "leads?stage=new").await, [usual]);
    assert_eq!(
        listed(&crm, "leads?source=partner&sort=created_at").await,
        [usual, buyer, other],
        "whatever they follow"
    );
    let path = "leads-by-stage?pipeline=programs";
    let counts: Vec<_> = board(&crm, path)
        .await
        .into_iter()
        .map(|(_, count)| count)
        .collect();
    assert_eq!(counts, [0, 0, 0, 1, 1]);
    let path = "/api/v1/dashboard/conversion-funnel?pipeline=programs";
    let funnel = crm.get(path).await.good();
    assert_eq!(
        (&funnel["total"], &funnel["transferred"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(funnel["stages"][0]["dropped"], 1);
    let all = crm.get("/api/v1/dashboard").await.good();
    assert_eq!(all["total_leads"], 3);
    assert_eq!(all["leads_by_stage"]["lost"], 1);
    for query in [
        "leads?pipeline=sales",
        "leads?stage=won",
        "dashboard/conversion-funnel?pipeline=nobody",
    ] {
        let refused = crm.get(&format!("/api/v1/{query}")).await;
        assert_eq!(refused.status, 422, "{query}");
    }
}

async fn a_pipeline_gains_loses_and_moves_stages_while_leads_are_in_it(crm: Crm) {
    let early = crm.given_a_lead_in(&["contacted"]).await;
    let stages = "/api/v1/pipelines/sales-team/stages";
    let demo = json!({
        "key": "demo", "name": "Demo shown", "next": ["qualified", "lost"], "from": ["contacted"],
        "before": "qualified",
    });
    let pipeline = crm.post(stages, demo).await.good();
    assert_eq!(pipeline["stages"][2]["key"], "demo");
    step(&crm, early, "demo").await.good();
    assert_eq!(listed(&crm, "leads?stage=demo").await, [early]);

    let retired = json!({ "retired": true, "name": "Shown" });
    crm.patch(&format!("{stages}/demo"), retired).await.good();
    let late = crm.given_a_lead_in(&["contacted"]).await;
    let refused = step(&crm, late, "demo").await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (422, &json!("stage"))
    );
    assert_eq!(
        board(&crm, "leads-by-stage").await[2],
        ("demo".to_owned(), 1),
        "whoever stands there is shown"
    );
    step(&crm, early, "qualified").await.good();
    let shown = board(&crm, "leads-by-stage").await;
    assert!(shown.iter().all(|(stage, _)| stage != "demo"), "{shown:?}");

    let order = [
        "contacted",
        "new",
        "qualified",
        "transferred",
        "lost",
        "demo",
    ];
    put(
        &crm,
        "/api/v1/pipelines/sales-team/order",
        json!({ "stages": order }),
    )
    .await
    .good();
    let lead = crm
        .post("/api/v1/leads", json!({ "source": "manual" }))
        .await
        .good();
    assert_eq!(
        lead["stage"], "contacted",
        "the first stage is where it begins"
    );
    let funnel = crm.get("/api/v1/dashboard/conversion-funnel").await.good();
    assert_eq!(funnel["total"], 3, "wherever they began");
}

async fn a_sale_follows_the_pipeline_that_its_transfer_named(crm: Crm) {
    let renewals = json!({
        "key": "renewals", "kind": "sale", "name": "Renewals",
        "stages": [
            { "key": "offer", "name": "Offer", "next": ["signed", "refused"] },
            { "key": "signed", "name": "Signed", "outcome": "won" },
            { "key": "refused", "name": "Refused", "outcome": "lost", "next": ["offer"] },
        ],
    });
    let made = crm.post("/api/v1/pipelines", renewals.clone()).await;
    assert_eq!(
        (made.status, made.location.as_deref()),
        (201, Some("/api/v1/pipelines/renewals"))
    );
    assert_eq!(crm.post("/api/v1/pipelines", renewals).await.status, 409);
    let lead = crm.given_a_lead_in(&["contacted", "qualified"]).await;
    let path = format!("/api/v1/leads/{lead}");
    crm.post(&format!("{path}/analyze"), json!({})).await.good();
    let wrong = json!({ "amount": 70, "pipeline": "programs" });
    let refused = crm.post(&format!("{path}/transfer"), wrong).await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (422, &json!("pipeline"))
    );
    let handover = json!({ "amount": 70, "pipeline": "renewals" });
    let sale = crm.post(&format!("{path}/transfer"), handover).await.good();
    assert_eq!(
        (&sale["pipeline"], &sale["stage"]),
        (&json!("renewals"), &json!("offer"))
    );
    let id = sale["id"].as_u64().unwrap();
    for stage in ["refused", "offer", "signed"] {
        let step = json!({ "stage": stage });
        crm.patch(&format!("/api/v1/sales/{id}/stage"), step)
            .await
            .good();
    }
    let amount = json!({ "amount": 80 });
    assert_eq!(
        crm.patch(&format!("/api/v1/sales/{id}"), amount)
            .await
            .status,
        409,
        "it is won"
    );
    let all = crm.get("/api/v1/dashboard").await.good();
    assert_eq!(all["paid"]["UAH"], 70);
    assert_eq!(
        listed(&crm, "sales?pipeline=renewals&stage=signed").await,
        [id]
    );
    let shown = board(&crm, "sales-by-stage?pipeline=renewals").await;
    assert_eq!(shown[1], ("signed".to_owned(), 1));
}

async fn a_change_of_a_pipeline_is_taken_back_and_remembered(crm: Crm) {
    let path = "/api/v1/pipelines/programs";
    let built_in = crm.get(path).await.good();
    assert_eq!(
        (&built_in["version"], &built_in["built_in"]),
        (&json!(0), &json!(true))
    );
    let renamed = crm.patch(path, json!({ "name": "Courses" })).await.good();
    assert_eq!(
        (&renamed["name"], &renamed["version"]),
        (&json!("Courses"), &json!(2))
    );
    let timeline = crm.get(&format!("{path}/timeline")).await.good();
    assert_eq!(timeline[1]["event"], "pipeline.renamed");
    let undo = json!({ "position": timeline[1]["position"] });
    let undone = crm.post("/api/v1/undo", undo).await.good();
    assert_eq!(undone["reversed"][0]["event"], "pipeline.renamed");
    assert_eq!(undone["kept"][0]["event"], "pipeline.opened");
    let now = crm.get(path).await.good();
    assert_eq!(now["name"], "Programs");
    let at = timeline[1]["at"].as_str().unwrap();
    let then = crm
        .get(&format!("/api/v1/pipelines?as_of={at}"))
        .await
        .good();
    let then = then
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "programs");
    assert_eq!(then.unwrap()["name"], "Courses", "as it was");
    let retired = crm.patch(path, json!({ "retired": true })).await.good();
    assert_eq!(retired["retired"], true);
    let lead = json!({ "source": "manual", "pipeline": "programs" });
    let refused = crm.post("/api/v1/leads", lead).await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (422, &json!("pipeline"))
    );
}

async fn what_makes_no_pipeline_is_refused_by_its_field(crm: Crm) {
    let stage = |key: &str, outcome: &str, next: &[&str]| json!({ "key": key, "name": key, "outcome": outcome, "next": next });
    let pipeline = |stages: &[Value]| json!({ "key": "ours", "kind": "lead", "name": "Ours", "stages": stages });
    let mut by_transfer = pipeline(&[stage("a", "open", &[])]);
    by_transfer["won_by"] = json!("transfer");
    let mut nameless = pipeline(&[stage("a", "open", &[])]);
    nameless["name"] = json!("  ");
    let mut shouting = pipeline(&[stage("a", "open", &[])]);
    shouting["key"] = json!("OURS");
    for (body, field) in [
        (pipeline(&[]), "stages"),
        (pipeline(&[stage("a", "lost", &[])]), "stages"),
        (pipeline(&[stage("a", "open", &["b"])]), "next"),
        (
            pipeline(&[stage("a", "open", &[]), stage("a", "won", &[])]),
            "stages",
        ),
        (by_transfer, "stages"),
        (nameless, "name"),
        (shouting, "key"),
    ] {
        let refused = crm.post("/api/v1/pipelines", body.clone()).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!(field)),
            "{body}"
        );
    }
    let path = "/api/v1/pipelines/sales-team";
    let first = json!({ "retired": true });
    let refused = crm
        .patch(&format!("{path}/stages/transferred"), first)
        .await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (422, &json!("stages"))
    );
    let part = json!({ "stages": ["new"] });
    assert_eq!(put(&crm, &format!("{path}/order"), part).await.status, 422);
    assert_eq!(crm.get("/api/v1/pipelines/nobody").await.status, 404);
    assert_eq!(
        crm.patch("/api/v1/pipelines/No", json!({})).await.status,
        404
    );
    let operator = crm.new_key("main", "operator");
    let asked = crm.request_as(crm.count() - 1, &operator, Method::PATCH, path);
    let refused = crm.send(with(asked, &json!({ "name": "Mine" }))).await;
    assert_eq!(refused.status, 403);
}
