//! The archive: the log is compared with it, and restored from it.
//!
//! The stories about a KurrentDB need the feature `kurrent`, here and in the program beside them:
//! `ops/test` builds both.

use reqwest::Method;
use serde_json::json;
use stories::crm::{Crm, with};
#[cfg(feature = "kurrent")]
use stories::servers::Kurrent;

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
    crm.given_a_transferred_lead(10).await;
    assert!(
        stories::servers::eventually(async || archived(crm)).await,
        "everything is archived"
    );
}

#[tokio::test]
async fn a_lost_stream_is_restored_and_the_read_models_go_on() {
    its_stream_is_lost_and_restored(Crm::cluster_of(&ROLES, &[]).await).await;
}

#[cfg(feature = "kurrent")]
#[tokio::test]
async fn a_lost_stream_is_restored_from_kurrent_too() {
    let server = Kurrent::start();
    let crm = Crm::cluster_of(&ROLES, &[("ARCHIVE_URL", &server.url())]).await;
    its_stream_is_lost_and_restored(crm).await;
    let names = server.names();
    let mut events = names.iter().flat_map(|name| server.events(name));
    let tells_who = |data: &[u8]| data.windows(7).any(|window| window == b"Zinaida");
    assert!(
        events.all(|event| !tells_who(&event.data)),
        "the archive is sealed"
    );
}

async fn its_stream_is_lost_and_restored(mut crm: Crm) {
    let lead = json!({ "source": "partner" });
    let ask = |crm: &Crm| {
        with(crm.request(Method::POST, "/api/v1/leads"), &lead).header("Idempotency-Key", "once")
    };
    let asked = crm.send(ask(&crm)).await.good()["id"].clone();
    given_a_history(&crm).await;
    let before = (
        crm.get("/api/v1/leads/2").await.good(),
        crm.get("/api/v1/contacts/1").await.good(),
    );
    for process in crm.processes() {
        assert!(process.stop());
    }
    crm.nats().unwrap().lose_everything().await;
    // Nobody makes a new log in its place, be it a tool or a process that is started again.
    for tool in [&["doctor"][..], &["keys", "create", "x", "--role", "owner"]] {
        let refused = crm.cli(tool);
        let told = [refused.stdout, refused.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(
            !refused.status.success() && told.contains("there is no log in NATS"),
            "{told}"
        );
    }
    let commands = &mut crm.processes()[0];
    assert!(!commands.restarts().await, "it must not begin a new log");
    assert!(commands.said().contains("rapport events restore"));
    // One that knew nothing of the vault may have, and nothing has happened there.
    let known = ["VAULT_URL", "DATABASE_URL"].map(|name| (name, commands.value(name)));
    for (name, _) in &known {
        commands.set(name, Some(&format!("sqlite:///accident-{name}.db")));
    }
    commands.restart().await;
    assert!(commands.stop());
    for (name, value) in &known {
        commands.set(name, value.as_deref());
    }
    let died = crm.cli_with(
        &[("RAPPORT_FAILPOINT", "restore.commit=3")],
        &["events", "restore"],
    );
    assert!(!died.status.success());
    let refused = crm.cli(&["events", "verify"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        told.contains("go on with `rapport events restore`"),
        "{told}"
    );
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
            crm.get("/api/v1/leads/2").await.good(),
            crm.get("/api/v1/contacts/1").await.good()
        ),
        before
    );
    let again = crm.send(ask(&crm)).await.good();
    assert_eq!(again["id"], asked, "its request is remembered");
    assert!(crm.given_a_lead().await > 2, "and it goes on");
    assert!(stories::servers::eventually(async || archived(&crm)).await);
    let list = crm.cli_good(&["projections", "list", "--json"]);
    assert!(
        !list.contains("\"generation\":2"),
        "nothing was rebuilt: {list}"
    );
}

#[cfg(feature = "kurrent")]
#[tokio::test]
async fn the_first_difference_from_kurrent_is_named() {
    let server = Kurrent::start();
    let crm = Crm::cluster_of(&ROLES, &[("ARCHIVE_URL", &server.url())]).await;
    given_a_history(&crm).await;
    let names = server.names();
    let stream = names.iter().find(|name| name.ends_with("-0")).unwrap();
    server.tamper(stream, |events| events[3].data = "{}".into());
    let told = crm.cli(&["events", "verify", "--archive"]);
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("0:4 was changed in the archive"), "{told}");
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
    assert!(told.contains("there is no log in NATS"), "{told}");
}
