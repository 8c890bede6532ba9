//! Which servers we run on: new enough, large enough messages, and every write synced.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::monitor;
use super::nodes::Nodes;
use super::options::NatsOptions;
use super::patience::patiently;
use crate::JournalError;
use crate::envelope::MAX_BYTES;

/// From here on the sequence check of one subject is what we lean on.
const OLDEST: (u64, u64, u64) = (2, 12, 1);
/// What headers may take beside a commit of [`MAX_BYTES`].
const HEADERS: usize = 1024;
/// A node that leaves three of these unanswered is given up for another one.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How long a node may take until it has let us in. One that is frozen takes connections too.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// The services of the account that the user is in.
const OWN: &str = "$JS.API";
/// JetStream is not enabled for the account.
const NOT_THIS_ACCOUNT: u64 = 10039;

/// Why a log in NATS is not used, though a server answers.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Too old.
    #[error("NATS {found} is too old; {}.{}.{} or newer is needed", OLDEST.0, OLDEST.1, OLDEST.2)]
    Version {
        /// What it says it is.
        found: String,
    },
    /// Takes only smaller messages than ours.
    #[error("NATS takes messages of {found} bytes; max_payload must be at least {}", MAX_BYTES + HEADERS)]
    Payload {
        /// Its limit.
        found: usize,
    },
    /// Acknowledges before it syncs.
    #[error(
        "NATS at {monitor} acknowledges writes before they are on disk, and a power failure loses \
         them (Jepsen's analysis of NATS 2.12.1); set `sync_interval: always` in its `jetstream` \
         block, or allow lazy sync to take that risk"
    )]
    LazySync {
        /// Whose monitoring endpoint says so.
        monitor: String,
    },
    /// Nobody can tell whether it syncs.
    #[error(
        "whether NATS syncs every write to disk is unknown: {reason}. Only its monitoring endpoint \
         tells (name that of every node), and without `sync_interval: always` a power failure \
         loses acknowledged writes (Jepsen's analysis of NATS 2.12.1); or allow lazy sync to take \
         that risk"
    )]
    UnknownSync {
        /// What is missing.
        reason: String,
    },
    /// The log was made with another number of partitions.
    #[error(
        "this log has {found} partitions, not {asked}; their number is fixed when a log is made"
    )]
    Partitions {
        /// How many it has.
        found: String,
        /// How many were asked for.
        asked: u16,
    },
    /// There is no log, and this process makes none.
    #[error(
        "there is no log in NATS ({stream} is missing). A new one is made by `rapport serve --role commands` \
         or `rapport keys create`, where no vault of keys belongs to an earlier one; a lost one is brought \
         back by `rapport events restore` from the archive, or by `rapport restore` from a backup"
    )]
    NoLog {
        /// The stream that is not there.
        stream: String,
    },
    /// A stream that is not ours or not as we made it.
    #[error("the stream {stream} cannot hold this log: {reason}")]
    Stream {
        /// Its name.
        stream: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A wrong setting of ours.
    #[error("{0}")]
    Setting(String),
}

impl From<Refusal> for JournalError {
    fn from(refusal: Refusal) -> Self {
        Self::unavailable(refusal)
    }
}

/// Connects, and refuses a server that we must not run on.
pub(super) async fn connect(options: &NatsOptions) -> Result<(Client, Arc<Nodes>), JournalError> {
    let addresses = options
        .url
        .split(',')
        .map(|url| ServerAddr::from_str(url.trim()));
    let addresses: Vec<_> = addresses
        .collect::<Result<_, _>>()
        .map_err(|error| Refusal::Setting(format!("not an address of NATS: {error}")))?;
    let nodes = Nodes::new(addresses, super::fresh_id().as_u128());
    let client = connect_to_one(&nodes).await?;
    let info = client.server_info();
    if version(&info.version) < Some(OLDEST) {
        return Err(Refusal::Version {
            found: info.version,
        }
        .into());
    }
    if info.max_payload < MAX_BYTES + HEADERS {
        return Err(Refusal::Payload {
            found: info.max_payload,
        }
        .into());
    }
    if !options.allow_lazy_sync {
        require_sync(options, &info.server_id).await?;
    }
    Ok((client, nodes))
}

/// The first connection: to whichever node answers, each tried once.
async fn connect_to_one(nodes: &Arc<Nodes>) -> Result<Client, JournalError> {
    let addresses = nodes.addresses();
    let mut last = None;
    for _ in addresses {
        match settings(nodes).connect(addresses).await {
            Ok(client) => return Ok(client),
            Err(error) => {
                tracing::debug!(%error, "a NATS node does not take us");
                last = Some(error);
            }
        }
    }
    Err(last.map_or_else(
        || JournalError::unavailable("no address of NATS was named"),
        JournalError::unavailable,
    ))
}

/// How to connect, now and whenever a connection is lost.
fn settings(nodes: &Arc<Nodes>) -> ConnectOptions {
    // The client reads no credentials out of addresses by itself.
    let login = nodes.addresses().iter().find_map(|address| {
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Some((
            plain(address.username()?),
            plain(address.password().unwrap_or_default()),
        ))
    });
    let connecting = match login {
        Some((user, password)) => ConnectOptions::with_user_and_password(user, password),
        None => ConnectOptions::new(),
    };
    let nodes = Arc::clone(nodes);
    connecting
        .name("rapport")
        .request_timeout(Some(super::publish::ANSWER_WITHIN))
        .ping_interval(PING_EVERY)
        .connection_timeout(CONNECT_WITHIN)
        .reconnect_to_server_callback(move |pool, _| {
            let next = nodes.next(&pool);
            async move { next }
        })
        // Thousands of appends may be under way; each waits in this queue for its turn.
        .client_capacity(16 * 1024)
}

/// What the subjects of the server's services start with for this user: `$JS.API`, or, where the
/// streams are in another account, the name under which that account's services are imported.
pub(super) async fn api(
    client: &Client,
    imported: &str,
    stream: &str,
) -> Result<String, JournalError> {
    #[derive(Deserialize)]
    struct Told {
        error: Option<Failure>,
    }
    #[derive(Deserialize)]
    struct Failure {
        #[serde(default)]
        err_code: u64,
    }
    patiently(|| async {
        let asked = client.request(format!("{OWN}.STREAM.INFO.{stream}"), "".into());
        let answer = asked.await.map_err(JournalError::unavailable)?;
        let told: Told =
            serde_json::from_slice(&answer.payload).map_err(JournalError::unavailable)?;
        let code = told.error.map(|error| error.err_code);
        let api = if code == Some(NOT_THIS_ACCOUNT) {
            imported
        } else {
            OWN
        };
        Ok(api.to_owned())
    })
    .await
}

fn version(text: &str) -> Option<(u64, u64, u64)> {
    let plain = text.trim_start_matches('v').split(['-', '+']).next()?;
    let mut parts = plain.split('.').map(str::parse);
    let mut next = || parts.next()?.ok();
    Some((next()?, next()?, next()?))
}

/// Asks every monitoring endpoint that was named. One of those that answer must be of the server
/// that we are connected to, and there must be as many as hold a message.
async fn require_sync(options: &NatsOptions, connected: &str) -> Result<(), Refusal> {
    let unknown = |reason: String| Refusal::UnknownSync { reason };
    let monitors = monitor::endpoints(options.monitor_url.as_deref());
    if monitors.is_empty() {
        return Err(unknown("no monitoring endpoint was named".into()));
    }
    let (mut asked, mut silent) = (Vec::new(), Vec::new());
    for monitor in &monitors {
        let varz = match monitor::varz(monitor).await {
            Ok(varz) => varz,
            Err(reason) => {
                // A node that is down syncs nothing; the others go on without it.
                tracing::warn!(monitor, reason, "a NATS node was not asked how it syncs");
                silent.push(format!("{monitor}: {reason}"));
                continue;
            }
        };
        if !varz.syncs_always() {
            return Err(Refusal::LazySync {
                monitor: (*monitor).to_owned(),
            });
        }
        asked.push(varz.server_id);
    }
    asked.sort_unstable();
    asked.dedup();
    if asked.is_empty() {
        return Err(unknown(silent.join("; ")));
    }
    if !asked.iter().any(|id| id == connected) {
        return Err(unknown(
            "the monitoring endpoint belongs to another server".into(),
        ));
    }
    let named = asked.len() + silent.len();
    if named < options.replicas {
        let replicas = options.replicas;
        return Err(unknown(format!(
            "{replicas} nodes hold each message, {named} were named"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, version};

    #[test]
    fn versions_compare_as_numbers() {
        for new in ["2.12.1", "2.12.10", "v2.15.1", "3.0.0", "2.14.0-RC.1"] {
            assert!(version(new) >= Some(OLDEST), "{new}");
        }
        for old in ["2.9.10", "2.12.0", "1.4.1", "", "dev"] {
            assert!(version(old) < Some(OLDEST), "{old}");
        }
    }
}
