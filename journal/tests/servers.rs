//! Which NATS servers a log runs on, and how it logs in to them.

use journal::JournalError;
use journal::nats::{NatsJournal, NatsOptions};
use stories::servers::{NatsCluster, NatsServer};

fn options(url: String, monitor: String) -> NatsOptions {
    NatsOptions {
        monitor_url: Some(monitor),
        ..NatsOptions::new(url)
    }
}

fn reason(outcome: Result<NatsJournal, JournalError>) -> String {
    outcome
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

#[tokio::test]
async fn the_password_in_the_address_is_used() {
    let server = NatsServer::start_guarded().await;
    let with = |login: &str| server.url().replace("nats://", &format!("nats://{login}"));
    let refused = NatsJournal::connect(options(with(""), server.monitor_url())).await;
    assert!(
        reason(refused).contains("authorization"),
        "nobody comes in without one"
    );
    let refused = NatsJournal::connect(options(with("rapport:wrong@"), server.monitor_url())).await;
    assert!(refused.is_err());
    NatsJournal::connect(options(with("rapport:se%3Acret@"), server.monitor_url()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_may_forget_is_refused_unless_that_is_allowed() {
    let server = NatsServer::start_lazy().await;
    let lazy = options(server.url(), server.monitor_url());
    assert!(reason(NatsJournal::connect(lazy.clone()).await).contains("sync_interval"));
    let unknown = NatsOptions {
        monitor_url: None,
        ..lazy.clone()
    };
    assert!(reason(NatsJournal::connect(unknown).await).contains("no monitoring endpoint"));
    NatsJournal::connect(NatsOptions {
        allow_lazy_sync: true,
        ..lazy
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn one_node_that_is_down_keeps_nobody_from_starting() {
    let mut cluster = NatsCluster::start(3).await;
    let options = NatsOptions {
        replicas: 3,
        ..options(cluster.url(), cluster.monitor_url())
    };
    drop(NatsJournal::connect(options.clone()).await.unwrap());
    cluster.nodes()[0].kill_hard();
    let connected =
        stories::servers::eventually(async || NatsJournal::connect(options.clone()).await.is_ok());
    assert!(connected.await, "two of three go on");
}
