//! What a connection to a log in NATS needs to know.

use std::fmt;

use super::signing::SigningKey;

/// How to reach the log, and how to make it where there is none.
#[derive(Clone)]
pub struct NatsOptions {
    /// `nats://host:4222`; several nodes of one cluster separated by commas.
    pub url: String,
    /// How many partitions a new log gets; what an existing log must have.
    pub partitions: u16,
    /// On how many nodes each message of a new log is kept: 1, 3 or 5.
    pub replicas: usize,
    /// Take a server that acknowledges writes before they are synced to disk.
    pub allow_lazy_sync: bool,
    /// `http://host:8222`: the monitoring endpoint, the only place that tells a client whether
    /// writes are synced; that of every node separated by commas.
    pub monitor_url: Option<String>,
    /// The identity that a new log gets: that of a lost one which is restored. A fresh one where
    /// none is named.
    pub identity: Option<String>,
    /// Whether streams that were made with settings that we do not use any more are changed. Only for
    /// processes whose NATS user may.
    pub change_streams: bool,
    /// Make the log where there is none.
    pub make: bool,
    /// What the names of our streams start with.
    pub prefix: String,
    /// What commits are signed with, of a process that appends; from then on readers refuse others.
    pub signing_key: Option<SigningKey>,
}

impl NatsOptions {
    /// A log of one partition and one replica at this address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            partitions: 1,
            replicas: 1,
            allow_lazy_sync: false,
            monitor_url: None,
            identity: None,
            change_streams: false,
            make: true,
            prefix: "RAPPORT".into(),
            signing_key: None,
        }
    }
}

/// Without the addresses: they may carry a password.
impl fmt::Debug for NatsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsOptions")
            .field("partitions", &self.partitions)
            .field("replicas", &self.replicas)
            .field("allow_lazy_sync", &self.allow_lazy_sync)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
