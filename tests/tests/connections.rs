//! Whoever opens connections and says nothing, or sends from another site's page, keeps nobody else out.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::json;
use stories::crm::{Crm, with};
use stories::servers::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far longer than anything below may take; a story that waits this long has failed.
const NEVER: Duration = Duration::from_mins(1);

/// What a connection hears until the other side closes it.
async fn hears_until_the_end(mut connection: TcpStream) -> String {
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(NEVER, connection.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "the connection is kept for ever");
    String::from_utf8_lossy(&heard).into_owned()
}

async fn connect(crm: &Crm) -> TcpStream {
    let address = crm.url(0).trim_start_matches("http://");
    TcpStream::connect(address).await.expect("a connection")
}

async fn says(crm: &Crm, words: &str) -> String {
    let mut connection = connect(crm).await;
    connection
        .write_all(words.as_bytes())
        .await
        .expect("it is heard");
    hears_until_the_end(connection).await
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let crm = Crm::embedded().await;
    let key = crm.key();
    let post = format!(
        "POST /api/v1/leads HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
    );
    let (silent, half, body) = tokio::join!(
        says(&crm, ""),
        says(&crm, "GET /health HTTP/1.1\r\nHost:"),
        says(&crm, &post),
    );
    assert_eq!((silent.as_str(), half.as_str()), ("", ""));
    assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
    assert!(body.contains("/problems/body-timeout"), "{body}");
}

#[tokio::test]
async fn who_holds_many_connections_leaves_places_for_others() {
    let mut crm = Crm::embedded().await;
    crm.last().limit_open_files(Some(200));
    crm.last().restart().await;
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(connect(&crm).await);
    }
    // The places of this address are taken …
    let refused = eventually(async || {
        let answer = Client::new()
            .get(format!("{}/health", crm.url(0)))
            .send()
            .await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE)
    });
    assert!(refused.await, "one address may hold every place");
    // … and another one has its own.
    let other = Client::builder().local_address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    let answer = other
        .build()
        .unwrap()
        .get(format!("{}/health", crm.url(0)))
        .send();
    assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    drop(held);
    let free = eventually(async || {
        let answer = Client::new()
            .get(format!("{}/health", crm.url(0)))
            .send()
            .await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    });
    assert!(free.await, "places are not given back");
}

#[tokio::test]
async fn a_stranger_with_a_large_body_hears_why() {
    let crm = Crm::embedded().await;
    let body = json!({ "name": "x".repeat(900_000) });
    for _ in 0..20 {
        let request = crm.request_as(
            0,
            "rk_main_9_wrong",
            reqwest::Method::POST,
            "/api/v1/contacts",
        );
        assert_eq!(crm.send(with(request, &body)).await.status, 401);
    }
}

#[tokio::test]
async fn pages_of_other_sites_do_not_use_the_demo() {
    let crm = Crm::demo().await;
    let port = crm.url(0).rsplit(':').next().unwrap_or_default().to_owned();
    let ask = |host: String, origin: Option<&'static str>| {
        let mut request = crm
            .request(reqwest::Method::POST, "/api/v1/leads")
            .header("Host", host);
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        crm.send(with(request, &json!({ "source": "partner" })))
    };
    let rebound = ask(format!("evil.example:{port}"), None).await;
    assert_eq!(
        (rebound.status, rebound.body["field"].as_str()),
        (421, Some("Host"))
    );
    let form = ask(format!("localhost:{port}"), Some("https://evil.example")).await;
    assert_eq!(
        (form.status, form.body["field"].as_str()),
        (403, Some("Origin"))
    );
    assert_eq!(ask(format!("localhost:{port}"), None).await.status, 201);
}
