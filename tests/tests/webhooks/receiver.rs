//! The other side of a webhook: a real HTTP server that checks signatures and remembers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use stories::crm::Crm;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How the receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes everything.
    Good,
    /// Takes nothing, and says this.
    Bad(u16),
    /// Takes nothing of this record, and everything of others.
    BadOf(&'static str),
    /// Takes everything, and never says so.
    Silent,
    /// Takes everything, and says so once it is in another mood.
    Held,
    /// Sends the caller to this port on loopback.
    Elsewhere(u16),
}

/// A call that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub path: String,
    pub id: String,
    pub signature: String,
    pub body: Value,
    pub mood: Mood,
}

impl Heard {
    pub fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    /// The record, as `lead-7`.
    pub fn record(&self) -> String {
        let data = &self.body["data"];
        format!(
            "{}-{}",
            data["record"].as_str().unwrap(),
            data["id"].as_str().unwrap()
        )
    }

    pub fn version(&self) -> u64 {
        self.body["data"]["version"].as_u64().unwrap()
    }
}

struct Inner {
    heard: Mutex<Vec<(Heard, HeaderMap, Bytes)>>,
    mood: Mutex<Mood>,
    moved: Notify,
}

/// The other side of a webhook, gone when dropped.
pub struct Receiver {
    inner: Arc<Inner>,
    address: SocketAddr,
    server: AbortHandle,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Receiver {
    pub async fn start() -> Self {
        let inner = Arc::new(Inner {
            heard: Mutex::default(),
            mood: Mutex::new(Mood::Good),
            moved: Notify::new(),
        });
        let router = Router::new().fallback(hear).with_state(Arc::clone(&inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            inner,
            address,
            server: server.abort_handle(),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn is(&self, mood: Mood) {
        *self.inner.mood.lock().unwrap() = mood;
        self.inner.moved.notify_waiters();
    }

    /// Everything that came in so far.
    pub fn heard(&self) -> Vec<Heard> {
        let heard = self.inner.heard.lock().unwrap();
        heard.iter().map(|(heard, _, _)| heard.clone()).collect()
    }

    /// What came in and was taken.
    pub fn taken(&self) -> Vec<Heard> {
        self.heard()
            .into_iter()
            .filter(|heard| heard.mood == Mood::Good)
            .collect()
    }

    /// Whether every call was signed with this secret.
    pub fn verifies(&self, secret: &str) -> bool {
        let signer = Webhook::new(secret).unwrap();
        let heard = self.inner.heard.lock().unwrap();
        heard
            .iter()
            .all(|(_, headers, body)| signer.verify(body, headers).is_ok())
    }

    pub async fn until(&self, holds: impl Fn(&[Heard]) -> bool) -> Vec<Heard> {
        let held = stories::servers::eventually(async || holds(&self.heard())).await;
        assert!(held, "heard only {:#?}", self.heard());
        self.heard()
    }

    /// Registers itself for these events; the webhook's number and secret.
    pub async fn registered(&self, crm: &Crm, events: &[&str]) -> (u64, String) {
        let ask = json!({ "url": self.url("/hook"), "events": events });
        let made = crm.post("/api/v1/webhooks", ask).await.good();
        (
            made["id"].as_u64().unwrap(),
            made["secret"].as_str().unwrap().to_owned(),
        )
    }
}

async fn hear(
    State(inner): State<Arc<Inner>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let mood = *inner.mood.lock().unwrap();
    let mut heard = Heard {
        path: uri.path().to_owned(),
        id: text("webhook-id"),
        signature: text("webhook-signature"),
        body: serde_json::from_slice(&body).unwrap(),
        mood,
    };
    if let Mood::BadOf(record) = mood
        && heard.record() != record
    {
        heard.mood = Mood::Good;
    }
    let mood = heard.mood;
    inner.heard.lock().unwrap().push((heard, headers, body));
    match mood {
        Mood::BadOf(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mood::Good => StatusCode::NO_CONTENT.into_response(),
        Mood::Bad(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Mood::Silent => std::future::pending().await,
        Mood::Held => {
            inner.moved.notified().await;
            StatusCode::NO_CONTENT.into_response()
        }
        Mood::Elsewhere(port) => {
            let location = format!("http://127.0.0.1:{port}/stolen");
            (
                StatusCode::TEMPORARY_REDIRECT,
                [(header::LOCATION, location)],
            )
                .into_response()
        }
    }
}
