//! What acts by itself acts on news, and never twice: not after a restore, not after a quiet month.

use serde_json::{Value, json};
use stories::crm::Crm;
use stories::servers::eventually;

stories::on_both_profiles!(a_restore_and_lost_claims_make_nothing_act_again);

/// A lead that every gate would let pass, judged before any rule was on.
async fn given_a_judged_lead(crm: &Crm) -> u64 {
    let lead = crm.given_a_lead_in(&["contacted", "qualified"]).await;
    let path = |step: &str| format!("/api/v1/leads/{lead}/{step}");
    crm.post(&path("messages"), json!({ "increment": 200 }))
        .await
        .good();
    let judged = crm.post(&path("analyze"), Value::Null).await.good();
    assert_eq!(judged["recommendation"], "transfer_to_sales", "{judged}");
    lead
}

async fn switched_on(crm: &Crm) {
    let rule = json!({ "enabled": true, "value": 10 });
    let path = "/api/v1/automation/rules/transfer_when_ready";
    crm.patch(path, rule).await.good();
}

async fn sales(crm: &Crm) -> usize {
    let sales = crm.get("/api/v1/sales").await.good();
    sales.as_array().unwrap().len()
}

fn listed(crm: &Crm) -> Vec<Value> {
    serde_json::from_str(&crm.cli_good(&["policies", "list", "--json"])).unwrap()
}

/// Waits until every policy has met everything there is.
async fn all_have_met_everything(crm: &Crm) {
    let met = eventually(async || {
        let all = listed(crm);
        let follow = all.iter().filter(|one| one["standing"] == "follows");
        follow.clone().count() >= 3 && follow.clone().all(|one| one["behind"] == 0)
    });
    assert!(met.await, "{:?}", listed(crm));
}

async fn lose_claims(crm: &mut Crm) {
    if let Some(nats) = crm.nats() {
        let client = async_nats::connect(nats.url()).await.unwrap();
        let context = async_nats::jetstream::new(client);
        let claims = context.get_stream("RAPPORT_CLAIMS").await.unwrap();
        claims.purge().await.unwrap();
    } else {
        let log = rusqlite::Connection::open(crm.folder().join("data/log.db")).unwrap();
        log.execute("DELETE FROM claims", []).unwrap();
    }
}

async fn lose_cursors(crm: &mut Crm) {
    if let Some(nats) = crm.nats() {
        let client = async_nats::connect(nats.url()).await.unwrap();
        let context = async_nats::jetstream::new(client);
        let cursors = context.get_stream("RAPPORT_CURSORS").await.unwrap();
        cursors.purge().await.unwrap();
    } else {
        let log = rusqlite::Connection::open(crm.folder().join("data/log.db")).unwrap();
        log.execute("DELETE FROM cursors", []).unwrap();
    }
}

async fn restart(crm: &mut Crm) {
    for process in crm.processes() {
        process.restart().await;
    }
}

async fn a_restore_and_lost_claims_make_nothing_act_again(mut crm: Crm) {
    given_a_judged_lead(&crm).await;
    all_have_met_everything(&crm).await;
    switched_on(&crm).await;
    given_a_judged_lead(&crm).await;
    assert!(
        eventually(async || sales(&crm).await == 1).await,
        "the rule acts on news"
    );
    all_have_met_everything(&crm).await;
    crm.cli_good(&["backup", "backups"]);

    crm.lose_everything().await;
    crm.cli_good(&["restore", "backups"]);
    restart(&mut crm).await;
    all_have_met_everything(&crm).await;
    assert_eq!(sales(&crm).await, 1, "after a restore");

    // As after thirty quiet days.
    for process in crm.processes() {
        process.kill_hard();
    }
    lose_claims(&mut crm).await;
    restart(&mut crm).await;
    all_have_met_everything(&crm).await;
    assert_eq!(sales(&crm).await, 1, "without claims");
    given_a_judged_lead(&crm).await;
    assert!(
        eventually(async || sales(&crm).await == 2).await,
        "and it goes on"
    );

    a_lost_cursor_waits_for_a_person(crm).await;
}

async fn a_lost_cursor_waits_for_a_person(mut crm: Crm) {
    all_have_met_everything(&crm).await;
    for process in crm.processes() {
        process.kill_hard();
    }
    lose_cursors(&mut crm).await;
    for process in crm.processes() {
        process.starts().await;
    }
    for name in Crm::POLICIES {
        let is_named = async || {
            let mut said = String::new();
            for process in 0..crm.count() {
                let answer = crm.request_to(process, reqwest::Method::GET, "/ready");
                said.push_str(&answer.send().await.unwrap().text().await.unwrap());
            }
            said.contains(&format!("rapport policies start {name} --from"))
        };
        assert!(eventually(is_named).await, "{name} is not named");
    }
    let doctor = crm.cli(&["doctor"]);
    assert!(!doctor.status.success());
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("rapport policies start"), "{said}");
    assert_eq!(sales(&crm).await, 2, "history is not news");
    crm.policies_start_now();
    all_have_met_everything(&crm).await;
    given_a_judged_lead(&crm).await;
    assert!(eventually(async || sales(&crm).await == 3).await);
}

#[tokio::test]
async fn a_log_restored_from_its_archive_makes_nothing_act_again() {
    let roles = ["commands", "projections,gateway-ai", "archive", "api"];
    let mut crm = Crm::cluster_of(&roles, &[]).await;
    given_a_judged_lead(&crm).await;
    all_have_met_everything(&crm).await;
    switched_on(&crm).await;
    given_a_judged_lead(&crm).await;
    assert!(eventually(async || sales(&crm).await == 1).await);
    all_have_met_everything(&crm).await;
    let archived = async || crm.cli(&["events", "verify", "--archive"]).status.success();
    assert!(eventually(archived).await);
    // The cursors are copied every two seconds.
    let url = crm.postgres().unwrap().url();
    let copied = async || {
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        let kept: Vec<String> = sqlx::query_scalar("SELECT body FROM rapport_archive_cursors")
            .fetch_all(&pool)
            .await
            .unwrap();
        let head = listed(&crm)
            .iter()
            .filter_map(|one| one["sequence"].as_u64())
            .max();
        let at = format!("\"sequence\":{},", head.unwrap_or_default());
        kept.len() >= 3 && kept.iter().all(|body| body.contains(&at))
    };
    assert!(eventually(copied).await, "{:?}", listed(&crm));
    for process in crm.processes() {
        assert!(process.stop());
    }
    crm.nats().unwrap().lose_everything().await;
    crm.cli_good(&["events", "restore"]);
    restart(&mut crm).await;
    all_have_met_everything(&crm).await;
    assert_eq!(sales(&crm).await, 1);
    given_a_judged_lead(&crm).await;
    assert!(eventually(async || sales(&crm).await == 2).await);
}
