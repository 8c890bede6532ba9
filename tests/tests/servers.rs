//! The private servers themselves: they start, keep what they were told, and leave nothing.

use stories::servers::{NatsCluster, NatsServer, Postgres};
use tokio::net::TcpStream;

fn address(url: &str) -> String {
    let address = url.split("://").nth(1).unwrap();
    let address = address.split('@').next_back().unwrap();
    address.split('/').next().unwrap().to_owned()
}

async fn answers(url: &str) -> bool {
    TcpStream::connect(address(url)).await.is_ok()
}

#[tokio::test]
async fn a_nats_server_comes_back_on_the_same_port() {
    let mut server = NatsServer::start().await;
    let url = server.url();
    assert!(answers(&url).await);
    server.kill_hard();
    assert!(!answers(&url).await);
    server.restart().await;
    assert_eq!(server.url(), url);
    assert!(answers(&url).await && answers(&server.monitor_url()).await);
    drop(server);
    assert!(!answers(&url).await);
}

#[tokio::test]
async fn three_nats_servers_agree_on_a_leader() {
    let mut cluster = NatsCluster::start(3).await;
    assert_eq!(cluster.url().split(',').count(), 3);
    cluster.nodes()[0].kill_hard();
    cluster.nodes()[0].restart().await;
    cluster.agreed().await;
}

#[tokio::test]
async fn a_postgres_server_comes_back_and_leaves_nothing() {
    let mut server = Postgres::start().await;
    let url = server.url();
    assert!(answers(&url).await);
    server.kill_hard();
    server.restart().await;
    assert_eq!(server.url(), url);
    assert!(answers(&url).await);
    drop(server);
    assert!(!answers(&url).await);
    let prefix = format!("rapport-postgres-{}-", std::process::id());
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    assert!(
        left.into_iter()
            .all(|entry| !entry.file_name().to_string_lossy().starts_with(&prefix))
    );
}
