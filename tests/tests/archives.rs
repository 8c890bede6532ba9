//! The archive: the log is compared with it, and restored from it.

use serde_json::json;
use stories::crm::Crm;

const ROLES: [&str; 4] = ["commands", "projections,gateway-ai", "archive", "api"];

fn archived(crm: &Crm) -> bool {
    let verified = crm.cli(&["events", "verify", "--archive", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap_or_default();
    verified.status.success()
        && told["archived"].as_u64() > Some(5)
        && told["archived"] == told["commits"]
}

async fn given_a_history(crm: &Crm) {
    crm.post("/api/v1/contacts", json!({ "name": "Zinaida Quux" }))
        .await
        .good();
    let lead = crm.given_a_lead_in(&["contacted", "qualified"]).await;
    crm.post(&format!("/api/v1/leads/{lead}/analyze"), json!(null))
        .await
        .good();
    crm.post(
        &format!("/api/v1/leads/{lead}/transfer?amount=10"),
        json!(null),
    )
    .await
    .good();
    assert!(
        stories::servers::eventually(async || archived(crm)).await,
        "everything is archived"
    );
}

#[tokio::test]
async fn a_lost_stream_is_restored_and_the_read_models_go_on() {
    let mut crm = Crm::cluster_of(&ROLES, &[]).await;
    given_a_history(&crm).await;
    let before = (
        crm.get("/api/v1/leads/1").await.good(),
        crm.get("/api/v1/contacts/1").await.good(),
    );
    for process in crm.processes() {
        assert!(process.stop());
    }
    crm.nats().unwrap().lose_everything().await;
    let told = crm.cli_good(&["events", "restore"]);
    assert!(told.contains("commits stand where they stood"), "{told}");
    let told = crm.cli_good(&["events", "restore"]);
    assert!(
        told.contains("commits stand where they stood"),
        "begun again, it finds them: {told}"
    );
    for process in crm.processes() {
        process.restart().await;
    }
    assert_eq!(
        (
            crm.get("/api/v1/leads/1").await.good(),
            crm.get("/api/v1/contacts/1").await.good()
        ),
        before
    );
    assert_eq!(crm.given_a_lead().await, 2, "and it goes on");
    assert!(stories::servers::eventually(async || archived(&crm)).await);
    let list = crm.cli_good(&["projections", "list", "--json"]);
    assert!(
        !list.contains("\"generation\":2"),
        "nothing was rebuilt: {list}"
    );
}

#[tokio::test]
async fn the_first_difference_is_named() {
    let mut crm = Crm::cluster_of(&ROLES, &[]).await;
    given_a_history(&crm).await;
    let pool = sqlx::PgPool::connect(&crm.postgres().unwrap().url())
        .await
        .unwrap();
    let events: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM events WHERE event_type LIKE 'lead.%'")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(
        events, 5,
        "analysts find the events in the table of postgres-es"
    );
    let named: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM rapport_archive WHERE body LIKE '%Zinaida%'")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(named, 0, "the archive is sealed");
    let change = "UPDATE rapport_archive SET body = REPLACE(body, 'contacted', 'lost') WHERE sequence = \
         (SELECT MIN(sequence) FROM rapport_archive WHERE body LIKE '%contacted%') RETURNING sequence";
    let changed: i64 = sqlx::query_scalar(change).fetch_one(&pool).await.unwrap();
    let difference = |crm: &Crm| {
        String::from_utf8_lossy(&crm.cli(&["events", "verify", "--archive"]).stderr).into_owned()
    };
    let told = difference(&crm);
    let named = format!("0:{changed} was changed in the archive");
    assert!(told.contains(&named), "{told}");
    sqlx::query("DELETE FROM rapport_archive WHERE sequence = 4")
        .execute(&pool)
        .await
        .unwrap();
    let told = difference(&crm);
    assert!(told.contains("the archive lacks 0:4"), "{told}");
    crm.nats().unwrap().lose_everything().await;
    let told = difference(&crm);
    assert!(
        told.contains("the log was cut off") || told.contains("is a copy of"),
        "{told}"
    );
}
