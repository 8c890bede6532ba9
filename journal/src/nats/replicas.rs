//! Whether every copy of every stream is there, and every node that holds them healthy.
//!
//! The log goes on while a majority of the copies does, so a broken one shows nowhere else until a
//! second one breaks. Hence whoever watches asks here: the leader of each stream about its
//! followers, and each node about itself.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use async_nats::jetstream::Context;
use futures::future::{join, join_all};
use jiff::Timestamp;
use serde::Deserialize;

use super::monitor;
use super::streams::UNCOMPRESSED_SINCE;

/// A follower under load is behind for a moment, again and again. One that is behind at each of so
/// many looks does not keep up. The first look knows no nodes yet, so there are two at least.
const LOOKS: usize = 5;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Leaders and followers hear of each other every second. The server itself calls a follower offline
/// only much later, and one that has nothing to fetch current although it is gone.
const HEARD_WITHIN: Duration = Duration::from_secs(4);

/// Something that is wrong with a stream, one copy of it, or a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// None where it is about a node as a whole.
    pub stream: Option<String>,
    /// None where it is about a stream as a whole.
    pub node: Option<String>,
    /// What is wrong.
    pub ailment: Ailment,
}

/// What may be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ailment {
    /// The stream's leader does not answer, and why: nothing can be appended or read.
    Unanswered(String),
    /// The stream has so many copies, fewer than the settings ask for.
    Fewer(usize),
    /// So many copies of the stream have a node: one was removed from the cluster and not replaced.
    Missing(usize),
    /// The node that holds the copy is not in touch with the leader.
    Offline,
    /// The copy does not keep up with the leader: so many operations behind.
    Behind(u64),
    /// The stream's files are compressed, and do not survive the death of a node (ADR 21).
    Compressed,
    /// The node has run since before compression was turned off, and still compresses.
    RestartNeeded,
    /// The node says of itself that this is wrong.
    Unhealthy(String),
    /// The node's monitoring endpoint does not answer, and why.
    Silent(String),
}

impl Fault {
    fn of(stream: &str, node: Option<&str>, ailment: Ailment) -> Self {
        Self {
            stream: Some(stream.to_owned()),
            node: node.map(ToOwned::to_owned),
            ailment,
        }
    }

    /// Whether a copy is so now and then although nothing is wrong: under load, after an election.
    fn may_pass(&self) -> bool {
        matches!(self.ailment, Ailment::Behind(_) | Ailment::Offline)
    }

    fn is_where(&self, other: &Self) -> bool {
        self.stream == other.stream && self.node == other.node
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = self.stream.as_deref().unwrap_or("every stream");
        let node = self.node.as_deref().unwrap_or("every node");
        match &self.ailment {
            Ailment::Unanswered(reason) => {
                write!(f, "{stream} has no leader that answers ({reason})")
            }
            Ailment::Fewer(copies) => write!(
                f,
                "{stream} is kept in {copies} copies, fewer than RAPPORT_REPLICAS asks for"
            ),
            Ailment::Missing(found) => write!(
                f,
                "only {found} copies of {stream} have a node: one is missing from the cluster"
            ),
            Ailment::Offline => write!(f, "the copy of {stream} on {node} is offline"),
            Ailment::Behind(lag) => write!(
                f,
                "the copy of {stream} on {node} does not keep up: {lag} operations behind"
            ),
            Ailment::Compressed => write!(
                f,
                "{stream} is compressed, and its copies do not survive the death of their node: \
                 rapport doctor --fix, then restart the NATS nodes one after another"
            ),
            Ailment::RestartNeeded => write!(
                f,
                "{node} still compresses {stream}: restart it, one node after another"
            ),
            Ailment::Unhealthy(reason) => write!(f, "{node} is not healthy: {reason}"),
            Ailment::Silent(reason) => {
                write!(
                    f,
                    "the monitoring endpoint of {node} does not answer: {reason}"
                )
            }
        }
    }
}

/// What one look at a log found.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Every copy that should be there: its stream and its node.
    pub copies: BTreeSet<(String, String)>,
    /// Every node that was asked.
    pub nodes: BTreeSet<String>,
    /// What is wrong, if anything.
    pub faults: Vec<Fault>,
}

/// What is looked at.
pub(super) struct Watched<'a> {
    pub(super) context: &'a Context,
    pub(super) streams: Vec<&'a str>,
    pub(super) replicas: usize,
    pub(super) monitors: Vec<&'a str>,
}

impl Watched<'_> {
    /// Looks, and again where a copy seems late or gone, until that has passed or stays.
    pub(super) async fn look(&self) -> Look {
        let nodes = join_all(self.monitors.iter().map(|monitor| node(monitor)));
        let (nodes, mut look) = join(nodes, self.look_at_streams(&[])).await;
        for _ in 1..LOOKS {
            let may_pass = look.faults.iter().filter(|fault| fault.may_pass());
            let may_pass: Vec<_> = may_pass.cloned().collect();
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            look = self.look_at_streams(&nodes).await;
            let stays = |fault: &Fault| may_pass.iter().any(|passing| passing.is_where(fault));
            look.faults
                .retain(|fault| !fault.may_pass() || stays(fault));
            if !look.faults.iter().any(Fault::may_pass) {
                break;
            }
        }
        for node in nodes {
            look.faults.extend(node.fault);
            look.nodes.insert(node.name);
        }
        look
    }

    async fn look_at_streams(&self, nodes: &[Node]) -> Look {
        let streams = join_all(self.streams.iter().map(|stream| self.stream(stream))).await;
        let mut look = Look::default();
        for (name, asked) in self.streams.iter().zip(streams) {
            match asked {
                Ok(info) => info.judge(self.replicas, nodes, &mut look),
                Err(reason) => {
                    let unanswered = Fault::of(name, None, Ailment::Unanswered(reason));
                    look.faults.push(unanswered);
                }
            }
        }
        look
    }

    async fn stream(&self, name: &str) -> Result<StreamInfo, String> {
        let subject = format!("STREAM.INFO.{name}");
        let answer: Asked = self
            .context
            .request(subject, &())
            .await
            .map_err(|error| error.to_string())?;
        match answer {
            Asked::Info(info) => Ok(*info),
            Asked::Error { error } => Err(error.description),
        }
    }
}

/// A node, as its monitoring endpoint knows it.
struct Node {
    name: String,
    started: Option<Timestamp>,
    fault: Option<Fault>,
}

async fn node(endpoint: &str) -> Node {
    let (varz, ailment) = join(monitor::varz(endpoint), monitor::ailment(endpoint)).await;
    let (name, started) = match &varz {
        Ok(varz) => (varz.server_name.clone(), Some(varz.start)),
        Err(_) => (endpoint.to_owned(), None),
    };
    let ailment = match (varz, ailment) {
        (Err(reason), _) | (_, Err(reason)) => Some(Ailment::Silent(reason)),
        (Ok(_), Ok(said)) => said.map(Ailment::Unhealthy),
    };
    let fault = ailment.map(|ailment| Fault {
        stream: None,
        node: Some(name.clone()),
        ailment,
    });
    Node {
        name,
        started,
        fault,
    }
}

/// What the leader of a stream says, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Asked {
    Error { error: ApiError },
    Info(Box<StreamInfo>),
}

#[derive(Debug, Deserialize)]
struct ApiError {
    #[serde(default)]
    description: String,
}

#[derive(Debug, Deserialize)]
struct StreamInfo {
    config: StreamConfig,
    cluster: Option<Cluster>,
}

#[derive(Debug, Deserialize)]
struct StreamConfig {
    name: String,
    num_replicas: usize,
    #[serde(default)]
    compression: String,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Cluster {
    #[serde(default)]
    leader: String,
    #[serde(default)]
    replicas: Vec<Peer>,
}

#[derive(Debug, Deserialize)]
struct Peer {
    name: String,
    #[serde(default)]
    current: bool,
    #[serde(default)]
    offline: bool,
    #[serde(default)]
    lag: u64,
    /// Nanoseconds since the leader heard of it; 0 where it never has.
    #[serde(default)]
    active: u64,
}

impl Peer {
    fn ailment(&self) -> Option<Ailment> {
        let never_heard = self.active == 0 && !self.current;
        if self.offline || never_heard || Duration::from_nanos(self.active) > HEARD_WITHIN {
            return Some(Ailment::Offline);
        }
        (!self.current).then_some(Ailment::Behind(self.lag))
    }
}

impl StreamInfo {
    fn judge(&self, asked: usize, nodes: &[Node], look: &mut Look) {
        let stream = &self.config.name;
        let copies = self.config.num_replicas;
        let mut found = |node: Option<&str>, ailment| {
            look.faults.push(Fault::of(stream, node, ailment));
        };
        if copies < asked {
            found(None, Ailment::Fewer(copies));
        }
        if self.config.compression == "s2" {
            found(None, Ailment::Compressed);
        }
        // A server alone knows no cluster.
        let Some(cluster) = &self.cluster else { return };
        let mut holders = vec![&cluster.leader];
        holders.extend(cluster.replicas.iter().map(|peer| &peer.name));
        if holders.len() < copies {
            found(None, Ailment::Missing(holders.len()));
        }
        for peer in &cluster.replicas {
            if let Some(ailment) = peer.ailment() {
                found(Some(&peer.name), ailment);
            }
        }
        for holder in &holders {
            let node = nodes.iter().find(|node| node.name == **holder);
            if node.is_some_and(|node| self.wants_restart_of(node)) {
                found(Some(holder), Ailment::RestartNeeded);
            }
        }
        let copies = holders.into_iter().cloned();
        look.copies
            .extend(copies.map(|holder| (stream.clone(), holder)));
    }

    /// A node takes the setting when it opens its files, which it does when it starts.
    fn wants_restart_of(&self, node: &Node) -> bool {
        let since = self.config.metadata.get(UNCOMPRESSED_SINCE);
        let since = since.and_then(|since| since.parse::<Timestamp>().ok());
        since.is_some_and(|since| node.started.is_some_and(|started| started < since))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Ailment, Asked, Fault, Look, Node, StreamInfo};

    fn info(json: serde_json::Value) -> StreamInfo {
        match serde_json::from_value(json).unwrap() {
            Asked::Info(info) => *info,
            Asked::Error { error } => panic!("{}", error.description),
        }
    }

    fn judged(json: serde_json::Value, nodes: &[Node]) -> Vec<Fault> {
        let mut look = Look::default();
        info(json).judge(3, nodes, &mut look);
        look.faults
    }

    fn node(name: &str, started: &str) -> Node {
        Node {
            name: name.into(),
            started: Some(started.parse().unwrap()),
            fault: None,
        }
    }

    #[test]
    fn every_copy_that_is_not_there_or_not_current_is_named() {
        let faults = judged(
            json!({
                "config": { "name": "LOG", "num_replicas": 3, "compression": "none" },
                "cluster": { "leader": "a", "replicas": [
                    { "name": "b", "current": true, "active": 4_000_000_001_u64 },
                    { "name": "c", "current": false, "active": 1, "lag": 7 },
                ]},
            }),
            &[],
        );
        let of = |node, ailment| Fault::of("LOG", Some(node), ailment);
        assert_eq!(
            faults,
            [of("b", Ailment::Offline), of("c", Ailment::Behind(7))]
        );
    }

    #[test]
    fn a_stream_with_too_few_copies_is_named() {
        let faults = judged(
            json!({
                "config": { "name": "LOG", "num_replicas": 2, "compression": "none" },
                "cluster": { "leader": "a" },
            }),
            &[],
        );
        let said: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "LOG is kept in 2 copies, fewer than RAPPORT_REPLICAS asks for",
                "only 1 copies of LOG have a node: one is missing from the cluster",
            ]
        );
    }

    #[test]
    fn compression_is_named_until_it_is_off_and_every_node_has_started_since() {
        let stream = |compression: &str| {
            json!({
                "config": {
                    "name": "LOG", "num_replicas": 3, "compression": compression,
                    "metadata": { "rapport-uncompressed-since": "2026-11-25T08:00:00Z" },
                },
                "cluster": { "leader": "a", "replicas": [
                    { "name": "b", "current": true, "active": 1 },
                    { "name": "c", "current": true, "active": 1 },
                ]},
            })
        };
        let since = [
            node("a", "2026-11-25T08:00:01Z"),
            node("b", "2026-11-25T07:59:59Z"),
        ];
        let compressed = Fault::of("LOG", None, Ailment::Compressed);
        let to_restart = Fault::of("LOG", Some("b"), Ailment::RestartNeeded);
        assert_eq!(judged(stream("s2"), &[]), [compressed]);
        assert_eq!(judged(stream("none"), &since), [to_restart]);
        assert_eq!(judged(stream("none"), &since[..1]), []);
    }
}
