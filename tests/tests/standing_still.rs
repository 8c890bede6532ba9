//! Whatever stands still in the background is seen: by name in `/ready`, as a gauge, and by an alert.

use std::fs;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use stories::crm::Crm;
use stories::servers::{Folder, eventually, promtool};

/// The process that keeps the read models and the copy, of a cluster of three.
const KEEPER: usize = 1;

async fn ready(crm: &Crm, process: usize) -> (u16, Value) {
    let answer = crm.request_to(process, Method::GET, "/ready").send().await;
    let answer = answer.unwrap();
    let status = answer.status().as_u16();
    let body = answer.text().await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

async fn metrics(crm: &Crm, process: usize) -> String {
    let answer = crm
        .request_to(process, Method::GET, "/metrics")
        .send()
        .await;
    answer.unwrap().text().await.unwrap()
}

/// The tasks that `/ready` of a process names.
fn named(ready: &Value) -> Vec<String> {
    let tasks = ready["standing_still"].as_array().unwrap().iter();
    tasks
        .map(|task| task["task"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn who_has_lost_its_database_is_named_until_it_is_back() {
    let roles = ["commands", "projections,archive", "api"];
    let mut crm = Crm::cluster_of(&roles, &[]).await;
    crm.given_a_lead_in(&["contacted"]).await;
    let well = metrics(&crm, KEEPER).await;
    for task in ["follower", "archive"] {
        let works = format!("rapport_task_stalled{{task=\"{task}\"}} 0\n");
        assert!(
            well.contains(&works),
            "{task} is known before anything happens: {well}"
        );
    }

    crm.postgres().unwrap().stop_at_once();
    let both_named = eventually(async || {
        let (status, body) = ready(&crm, KEEPER).await;
        let named = named(&body);
        status == 503
            && ["follower", "archive report"]
                .iter()
                .all(|task| named.iter().any(|one| one == task))
    });
    assert!(both_named.await, "{:?}", ready(&crm, KEEPER).await);
    let recorded = metrics(&crm, KEEPER).await;
    for task in ["follower", "archive"] {
        assert_eq!(
            fires(&recorded, "RapportTaskStalled", task),
            Ok(()),
            "{recorded}"
        );
        assert!(
            fires(&well, "RapportTaskStalled", task).is_err(),
            "it works"
        );
    }

    crm.postgres().unwrap().restart().await;
    let all_well = eventually(async || ready(&crm, KEEPER).await.0 == 200);
    assert!(all_well.await, "{:?}", ready(&crm, KEEPER).await);
}

#[tokio::test]
async fn a_commit_that_nobody_can_read_is_seen() {
    let crm = Crm::embedded().await;
    crm.given_a_lead_in(&["contacted"]).await;
    let file = crm.folder().join("data/log.db");
    let log = rusqlite::Connection::open(file).unwrap();
    let junk = "INSERT INTO commits (stream, first_version, commit_id, body) VALUES \
                ('main.lead.900', 1, randomblob(16), CAST('{\"junk\": true}' AS BLOB))";
    log.execute(junk, []).unwrap();
    drop(log);
    crm.given_a_lead_in(&["contacted"]).await;
    let seen = eventually(async || {
        let (status, body) = ready(&crm, 0).await;
        let mut parked = body["projections"].as_array().unwrap().iter();
        let parked = parked.any(|one| one["parked"].as_array().is_some_and(|all| !all.is_empty()));
        parked || (status == 503 && named(&body).iter().any(|task| task == "follower"))
    });
    assert!(seen.await, "{:?}", ready(&crm, 0).await);
}

/// Whether this alert fires for this task where a process goes on exporting these metrics; or what
/// `promtool` says instead.
fn fires(recorded: &str, alert: &str, task: &str) -> Result<(), String> {
    let series = recorded.lines().filter_map(|line| {
        let labels = line.strip_prefix("rapport_task_stalled{")?;
        let (labels, value) = labels.split_once("} ")?;
        let series = format!("rapport_task_stalled{{instance=\"a\",{labels}}}");
        Some(json!({ "series": series, "values": format!("{value}x20") }))
    });
    let folder = Folder::new("rules");
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/deploy/rapport-alerts.yml");
    fs::copy(rules, folder.path().join("rules.yml")).unwrap();
    let test = json!({
        "rule_files": ["rules.yml"],
        "tests": [{
            "interval": "15s",
            "input_series": series.collect::<Vec<_>>(),
            "promql_expr_test": [{
                "expr": format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\",task=\"{task}\"}}"),
                "eval_time": "4m",
                "exp_samples": [{
                    "labels": format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\",severity=\"page\",instance=\"a\",task=\"{task}\"}}"),
                    "value": 1
                }]
            }]
        }]
    });
    // Every JSON text is YAML.
    fs::write(folder.path().join("test.yml"), test.to_string()).unwrap();
    let mut command = Command::new(promtool());
    let done = command
        .current_dir(folder.path())
        .args(["test", "rules", "test.yml"]);
    let done = done.output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    if done.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&said).into_owned())
    }
}
