//! The backends: how each is opened, crashed, and opened again.

use std::sync::atomic::{AtomicU32, Ordering};

use journal::Journal;
use journal::memory::MemoryJournal;
use journal::nats::{NatsJournal, NatsOptions};
use journal::sqlite::SqliteJournal;
use journal::token::{StreamId, Token};
use stories::servers::{Folder, NatsCluster, NatsServer};

static WORKSPACES: AtomicU32 = AtomicU32::new(0);

/// An opened log.
pub struct Backend {
    // Dropped in this order: first the log, then what it stands on.
    pub journal: Journal,
    ground: Ground,
}

enum Ground {
    Memory,
    Sqlite(Folder),
    Nats(NatsServer, NatsOptions),
    Cluster(NatsCluster, NatsOptions),
}

impl Backend {
    pub fn memory() -> Self {
        Self {
            journal: Journal::from(MemoryJournal::new()),
            ground: Ground::Memory,
        }
    }

    pub fn sqlite() -> Self {
        let folder = Folder::new("journal");
        Self {
            journal: sqlite(&folder, "log"),
            ground: Ground::Sqlite(folder),
        }
    }

    pub async fn nats(partitions: u16) -> Self {
        let server = NatsServer::start().await;
        let options = NatsOptions {
            partitions,
            monitor_url: Some(server.monitor_url()),
            ..NatsOptions::new(server.url())
        };
        Self {
            journal: nats(&options).await,
            ground: Ground::Nats(server, options),
        }
    }

    pub async fn cluster(partitions: u16) -> Self {
        let servers = NatsCluster::start(3).await;
        let options = NatsOptions {
            partitions,
            replicas: 3,
            monitor_url: Some(servers.monitor_url()),
            ..NatsOptions::new(servers.url())
        };
        Self {
            journal: nats(&options).await,
            ground: Ground::Cluster(servers, options),
        }
    }

    /// `kill -9` of whatever holds the log, and the log opened again.
    pub async fn crash(&mut self) {
        match &mut self.ground {
            // What is in memory is meant to be gone then; its case is a second handle.
            Ground::Memory => {}
            Ground::Sqlite(folder) => self.journal = sqlite(folder, "log"),
            Ground::Nats(server, options) => {
                server.kill_hard();
                server.restart().await;
                self.journal = nats(options).await;
            }
            Ground::Cluster(cluster, options) => {
                for node in cluster.nodes() {
                    node.kill_hard();
                }
                // None becomes ready without another, so they start together.
                futures::future::join_all(cluster.nodes().iter_mut().map(NatsServer::restart))
                    .await;
                cluster.agreed().await;
                self.journal = nats(options).await;
            }
        }
    }

    /// Another log of the same kind.
    pub async fn another(&self) -> Journal {
        match &self.ground {
            Ground::Memory => Journal::from(MemoryJournal::new()),
            Ground::Sqlite(folder) => sqlite(folder, "another"),
            Ground::Nats(_, options) | Ground::Cluster(_, options) => {
                nats(&NatsOptions {
                    prefix: "ANOTHER".into(),
                    ..options.clone()
                })
                .await
            }
        }
    }
}

/// A stream in a workspace that no other case uses.
pub fn fresh_stream() -> StreamId {
    let count = WORKSPACES.fetch_add(1, Ordering::Relaxed);
    StreamId::try_new(&format!("w{count}"), "lead", "1").unwrap()
}

/// Another stream of the same workspace, hence of the same partition.
pub fn beside(stream: &StreamId, id: u32) -> StreamId {
    StreamId {
        id: Token::try_new(&id.to_string()).unwrap(),
        ..stream.clone()
    }
}

fn sqlite(folder: &Folder, name: &str) -> Journal {
    journal::Backend::Sqlite(SqliteJournal::open(&folder.path().join(name)).unwrap()).into()
}

async fn nats(options: &NatsOptions) -> Journal {
    journal::Backend::Nats(NatsJournal::connect(options.clone()).await.unwrap()).into()
}
