//! A log in three copies, of which one breaks: the program goes on, and says which.

use stories::process::{Environment, Rapport, run};
use stories::servers::{Folder, NatsCluster, Postgres, eventually};

/// What a path of the process says to whoever has this key.
async fn body(url: &str, key: &str, path: &str) -> (u16, String) {
    let asked = reqwest::Client::new().get(format!("{url}{path}"));
    let answer = asked.header("X-API-Key", key).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_dead_node_is_named_by_doctor_ready_and_metrics_and_stops_nothing() {
    stories::crm::choose_tls();
    let (mut cluster, postgres) = tokio::join!(NatsCluster::start(3), Postgres::start());
    let folder = Folder::new("copies");
    let set = [
        ("NATS_URL", cluster.url()),
        ("NATS_MONITOR_URL", cluster.monitor_url()),
        ("RAPPORT_REPLICAS", "3".to_owned()),
        ("DATABASE_URL", postgres.url()),
        ("RAPPORT_MASTER_KEY", "5a".repeat(32)),
    ];
    let environment: Environment = set.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let doctor = || {
        let done = run(folder.path(), &environment, &["doctor"]);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        (done.status.success(), said)
    };
    let roles = ["serve", "--role", "commands,projections"];
    let commands = Rapport::start("commands", folder.path(), &environment, &roles).await;
    let whole = eventually(async || doctor().0).await;
    let (_, said) = doctor();
    assert!(whole, "{said}");
    assert!(
        said.contains("12 copies of streams are there") && said.contains("node-0, node-1, node-2"),
        "{said}"
    );

    let made = run(
        folder.path(),
        &environment,
        &["keys", "create", "ops", "--role", "owner"],
    );
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();

    cluster.nodes()[2].kill_hard();

    let (mut status, mut ready) = (0, String::new());
    let named = eventually(async || {
        (status, ready) = body(commands.url(), &key, "/ready").await;
        status == 200 && ready.contains("the copy of RAPPORT_EVENTS_0 on node-2 is offline")
    });
    assert!(named.await, "{status}: {ready}");
    let (_, metrics) = body(commands.url(), &key, "/metrics").await;
    let broken = r#"rapport_log_copy_faults{stream="RAPPORT_EVENTS_0",node="node-2"} 1"#;
    assert!(metrics.contains(broken), "{metrics}");
    let (good, said) = doctor();
    assert!(!good && said.contains("on node-2 is offline"), "{said}");

    cluster.nodes()[2].restart().await;

    let (mut whole, mut said) = (false, String::new());
    let mended = eventually(async || {
        (whole, said) = doctor();
        let (_, ready) = body(commands.url(), &key, "/ready").await;
        whole && ready.contains(r#""log_copies":[]"#)
    });
    assert!(mended.await, "{said}");
}
