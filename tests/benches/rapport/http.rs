//! Commands and reads over HTTP, load generator included, on both profiles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stories::crm::Crm;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::load::{Measured, clients, head, row};
use crate::{FOR, limits};

const CLIENTS: [usize; 3] = [1, 32, 128];

/// Measures and prints.
pub async fn measure() {
    head("Over HTTP");
    let idle = limits::measure().await;
    let mut crm = Crm::demo().await;
    profile("embedded", &mut crm, idle).await;
    drop(crm);
    let mut crm = Crm::cluster_of(&["api,commands,projections,gateway-ai"], &[]).await;
    profile("NATS + PostgreSQL", &mut crm, idle).await;
    println!("ratio: to axum with nothing to do, 32 clients\n");
}

async fn profile(what: &str, crm: &mut Crm, idle: Measured) {
    let (key, address) = (
        crm.key().to_owned(),
        crm.last().url().replace("http://", ""),
    );
    for count in CLIENTS {
        let open = request(
            &key,
            "POST",
            "/api/v1/leads",
            r#"{"source":"partner","business_domain":"first"}"#,
        );
        let open: Arc<str> = open.into();
        let connections = connect(&address, count).await;
        let created = clients(count, FOR, move |client| {
            let (connections, open) = (Arc::clone(&connections), Arc::clone(&open));
            async move {
                let status = connections[client].lock().await.ask(open.as_bytes()).await;
                assert_eq!(status, 201);
            }
        })
        .await;
        row(
            &format!("{what}, create lead, {count} clients"),
            created,
            Some(idle),
        );
        let (connections, next) = (connect(&address, count).await, Arc::new(AtomicU64::new(0)));
        let (key, last) = (key.clone(), crm.given_a_lead().await);
        let moved = clients(count, FOR, move |client| {
            let connections = Arc::clone(&connections);
            let lead = next.fetch_add(1, Ordering::Relaxed) % last + 1;
            let path = format!("/api/v1/leads/{lead}/messages");
            let message = request(&key, "POST", &path, r#"{"increment":1}"#);
            async move {
                connections[client]
                    .lock()
                    .await
                    .ask(message.as_bytes())
                    .await;
            }
        })
        .await;
        row(
            &format!("{what}, change lead, {count} clients"),
            moved,
            Some(idle),
        );
    }
    let (connections, card) = (
        connect(&address, 32).await,
        request(&key, "GET", "/api/v1/leads/1", ""),
    );
    let card: Arc<str> = card.into();
    let read = clients(32, FOR, move |client| {
        let (connections, card) = (Arc::clone(&connections), Arc::clone(&card));
        async move {
            assert_eq!(
                connections[client].lock().await.ask(card.as_bytes()).await,
                200
            );
        }
    })
    .await;
    row(&format!("{what}, read card, 32 clients"), read, Some(idle));
}

/// A request as it goes over the wire.
pub fn request(key: &str, method: &str, path: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// So many connections.
pub async fn connect(address: &str, count: usize) -> Arc<Vec<Mutex<Connection>>> {
    let mut all = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        all.push(Mutex::new(Connection {
            stream,
            read: Vec::new(),
        }));
    }
    Arc::new(all)
}

/// A connection that is kept: as little work per request as a load generator can do.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Sends a request, reads the whole answer, and tells its status.
    pub async fn ask(&mut self, request: &[u8]) -> u16 {
        self.stream.write_all(request).await.expect("sent");
        self.read.clear();
        loop {
            let count = self
                .stream
                .read_buf(&mut self.read)
                .await
                .expect("an answer");
            assert!(count > 0, "the connection was closed");
            let Some(head) = self.read.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let text = String::from_utf8_lossy(&self.read[..head]);
            let length = text.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse::<usize>().expect("a length"))
            });
            if self.read.len() >= head + 4 + length.unwrap_or(0) {
                return text[9..12].parse().expect("a status");
            }
        }
    }
}
