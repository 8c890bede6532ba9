//! What the monitoring endpoints of the nodes say: whether writes are synced, since when a node
//! runs, and whether it is healthy.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an endpoint may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// The part of `/varz` that matters.
#[derive(Debug, Deserialize)]
pub(super) struct Varz {
    pub(super) server_id: String,
    #[serde(default)]
    pub(super) server_name: String,
    /// When the process was started.
    pub(super) start: Timestamp,
    jetstream: Option<JetStream>,
}

#[derive(Debug, Deserialize)]
struct JetStream {
    config: Option<JetStreamConfig>,
}

#[derive(Debug, Deserialize)]
struct JetStreamConfig {
    #[serde(default)]
    sync_always: bool,
}

impl Varz {
    /// Whether what it acknowledges is on disk.
    pub(super) fn syncs_always(&self) -> bool {
        let config = self.jetstream.as_ref().and_then(|it| it.config.as_ref());
        config.is_some_and(|config| config.sync_always)
    }
}

/// What `/healthz` says.
#[derive(Debug, Deserialize)]
struct Healthz {
    status: String,
    #[serde(default)]
    error: Option<String>,
}

/// The endpoints in a setting: `http://host:8222`, several separated by commas.
pub(super) fn endpoints(setting: Option<&str>) -> Vec<&str> {
    let named = setting.unwrap_or_default().split(',').map(str::trim);
    named.filter(|endpoint| !endpoint.is_empty()).collect()
}

/// What a node says of itself.
pub(super) async fn varz(endpoint: &str) -> Result<Varz, String> {
    get(endpoint, "varz").await
}

/// Why a node is not healthy, if it is not.
pub(super) async fn ailment(endpoint: &str) -> Result<Option<String>, String> {
    let said: Healthz = get(endpoint, "healthz").await?;
    if said.status == "ok" {
        return Ok(None);
    }
    Ok(Some(said.error.unwrap_or(said.status)))
}

async fn get<T: DeserializeOwned>(endpoint: &str, path: &str) -> Result<T, String> {
    let body = tokio::time::timeout(ANSWERS_WITHIN, body(endpoint, path)).await;
    let body = body.unwrap_or_else(|_| Err("it does not answer in time".into()))?;
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

/// One small GET; not worth an HTTP client.
async fn body(endpoint: &str, path: &str) -> Result<Vec<u8>, String> {
    let authority = endpoint
        .strip_prefix("http://")
        .ok_or("it must start with http://")?;
    let authority = authority.split('/').next().unwrap_or_default();
    let address = if authority.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:8222")
    };
    let answer = async {
        let mut socket = TcpStream::connect(&address).await?;
        let request = format!("GET /{path} HTTP/1.0\r\nHost: {authority}\r\n\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.map(|_| answer)
    };
    let mut answer = answer
        .await
        .map_err(|error: std::io::Error| error.to_string())?;
    let end = answer
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .ok_or("it does not speak HTTP")?;
    Ok(answer.split_off(end + 4))
}
