//! A program of somebody else, in Python, reads the log by what `schemas/` says, and agrees with the
//! dashboard.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use stories::crm::Crm;
use stories::servers::NatsServer;
use stories::servers::tools::python;

#[tokio::test]
async fn an_outside_reader_agrees_with_the_dashboard() {
    let nats = NatsServer::start_deployed().await;
    let roles = [
        ("commands", "commands"),
        ("projections", "projections"),
        ("api", "api"),
    ];
    let mut crm = Crm::cluster_of_users(nats, &roles).await;
    for stages in [
        &[][..],
        &["contacted"],
        &["contacted", "qualified"],
        &["lost"],
    ] {
        crm.given_a_lead_in(stages).await;
    }
    crm.given_a_transferred_lead(10_000).await;
    let contact =
        json!({ "name": "Олена", "phones": ["+380501234567"], "emails": ["o@example.com"] });
    crm.post("/api/v1/contacts", contact).await.good();
    let shown = crm.get("/api/v1/dashboard/leads-by-stage").await.good();
    let stages = shown.as_array().unwrap().iter();
    let stages = stages.filter(|stage| stage["count"] != 0);
    let shown: BTreeMap<_, _> = stages
        .map(|stage| (stage["stage"].as_str().unwrap(), &stage["count"]))
        .collect();
    assert_eq!(shown.len(), 5, "{shown:?}");
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    let read = Command::new(python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/reader.py"))
        .args(["rapport.js".as_ref(), schemas.as_os_str()])
        .env("NATS_URL", crm.nats().unwrap().url_as("reader"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{error}");
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(read["leads"], json!(shown));
    assert_eq!(
        (&read["signed"], &read["passed_over"]),
        (&json!(true), &json!(0))
    );
    let verified: Value =
        serde_json::from_str(&crm.cli_good(&["events", "verify", "--json"])).unwrap();
    assert_eq!(read["commits"], verified["commits"]);
}
