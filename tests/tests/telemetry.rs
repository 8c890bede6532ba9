//! What can be seen of running processes: `/metrics`, and `rapport top`.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use stories::crm::{Crm, with};
use stories::servers::eventually;

const README: &str = include_str!("../../ops/deploy/README.md");

/// What a process exports.
async fn scraped(crm: &Crm, process: usize) -> String {
    let answer = crm
        .request_to(process, Method::GET, "/metrics")
        .send()
        .await;
    answer.unwrap().text().await.unwrap()
}

/// Whether a process exports a series of this gauge.
async fn says(crm: &Crm, process: usize, gauge: &str) -> bool {
    let all = scraped(crm, process).await;
    all.lines()
        .any(|line| line.starts_with(&format!("{gauge}{{")))
}

/// The metrics that people can read of.
fn documented() -> Vec<&'static str> {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split_once('`').map(|(name, _)| name));
    names.filter(|name| name.starts_with("rapport_")).collect()
}

#[tokio::test]
async fn every_metric_that_people_can_read_of_is_exported_and_described() {
    let roles = ["commands", "projections,gateway-ai", "archive", "api"];
    let crm = Crm::cluster_of(&roles, &[]).await;
    for _ in 0..2 {
        let lead = json!({ "source": "partner", "business_domain": "first" });
        let request = crm.request(Method::POST, "/api/v1/leads");
        crm.send(with(request, &lead).header("Idempotency-Key", "once"))
            .await
            .good();
    }
    crm.get("/api/v1/leads").await.good();
    let names = documented();
    assert!(names.len() > 15, "{names:?}");
    let mut missing = Vec::new();
    let complete = eventually(async || {
        let mut all = String::new();
        for process in 0..roles.len() {
            all.push_str(&scraped(&crm, process).await);
        }
        let told = |name: &&str| {
            let help = format!("# HELP {name} ");
            let series = |line: &str| line.starts_with(name) && !line.ends_with(" NaN");
            all.contains(&help) && all.lines().any(series)
        };
        let replayed = "rapport_idempotent_replays_total{what=\"answer\"} 1\n";
        missing = names.iter().filter(|name| !told(name)).copied().collect();
        missing.is_empty() && all.contains(replayed)
    });
    let complete = complete.await;
    assert!(complete, "not exported: {missing:?}");
}

#[tokio::test]
async fn who_lost_a_projection_says_nothing_of_its_lag() {
    let roles = ["commands", "projections", "projections", "api"];
    let mut crm = Crm::cluster_of(&roles, &[]).await;
    let lag = "rapport_projection_lag_events";
    assert!(eventually(async || says(&crm, 1, lag).await).await);
    assert!(!says(&crm, 2, lag).await, "one process keeps them all");

    let keeper = crm.processes()[1].id().to_string();
    let signal = |name: &str| Command::new("kill").args([name, &keeper]).status().unwrap();
    assert!(signal("-STOP").success());
    let taken = eventually(async || says(&crm, 2, lag).await).await;
    assert!(signal("-CONT").success());

    assert!(taken, "the other takes over");
    assert!(eventually(async || !says(&crm, 1, lag).await).await);
    for gauge in [
        "rapport_projection_lag_seconds",
        "rapport_projection_parked",
    ] {
        assert!(!says(&crm, 1, gauge).await, "{gauge}");
    }
    assert!(says(&crm, 1, "rapport_projection_heartbeat_seconds").await);
}

#[tokio::test]
async fn top_shows_a_running_demo() {
    let mut crm = Crm::demo().await;
    crm.given_a_lead_in(&["contacted"]).await;
    let url = crm.last().url().to_owned();
    let asked = ["top", "--url", &url, "--every", "200ms", "--json"];
    let caught_up = eventually(async || {
        let figures: Value = serde_json::from_str(&crm.cli_good(&asked)).unwrap();
        let none_behind = |known: &str| {
            let all = figures[known].as_array().unwrap();
            !all.is_empty() && all.iter().all(|one| one["lag_events"] == 0.0)
        };
        none_behind("projections") && none_behind("policies")
    });
    assert!(caught_up.await);

    // Its figures are those of the last second, when something may just have happened.
    let mut said = String::new();
    let idle = eventually(async || {
        said = crm.cli_good(&["top", "--url", &url, "--every", "200ms", "--once"]);
        ["contacts", "funnel", "leads", "sales"].iter().all(|name| {
            let mut lines = said.lines().map(|line| line.split_whitespace());
            lines.any(|words| words.eq([name, "active", "0", "0.0", "s", "0"]))
        })
    });
    assert!(idle.await, "{said}");
    assert!(said.contains(&url) && said.contains("MB"), "{said}");
}
