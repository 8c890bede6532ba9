//! Three real nodes, of which some die, freeze or lose their disk while many write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use async_nats::jetstream;
use async_nats::jetstream::stream::{Compression, Config};
use futures::future::join_all;
use journal::entry::readable;
use journal::nats::replicas::{Ailment, Fault};
use journal::nats::{NatsJournal, NatsOptions};
use journal::token::StreamId;
use journal::{Backend, Journal, JournalError};
use stories::servers::{NatsCluster, NatsServer, eventually};
use tokio::task::JoinSet;

use crate::backend::fresh_stream;
use crate::sample::commit;

const WRITERS: usize = 48;
/// Commits of one partition, snapshots, claims, and how far policies are.
const STREAMS: usize = 4;

fn options(cluster: &NatsCluster) -> NatsOptions {
    NatsOptions {
        replicas: 3,
        monitor_url: Some(cluster.monitor_url()),
        ..NatsOptions::new(cluster.url())
    }
}

async fn opened(options: NatsOptions) -> (NatsJournal, Journal) {
    let nats = NatsJournal::connect(options).await.unwrap();
    (nats.clone(), Backend::Nats(nats).into())
}

/// What many write at once: each to a stream of its own, one commit behind the other, and the same
/// one again where nobody said what became of it.
struct Load {
    journal: Journal,
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    /// Each ends with its stream and the sequences that it was told.
    writers: JoinSet<(StreamId, Vec<u64>)>,
}

impl Load {
    fn begin(journal: &Journal) -> Self {
        let mut load = Self {
            journal: journal.clone(),
            acknowledged: Arc::default(),
            stop: Arc::default(),
            writers: JoinSet::new(),
        };
        for _ in 0..WRITERS {
            let (journal, stream) = (load.journal.clone(), fresh_stream());
            let (acknowledged, stop) = (Arc::clone(&load.acknowledged), Arc::clone(&load.stop));
            load.writers.spawn(async move {
                let mut told: Vec<u64> = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let next = commit(&stream, told.len() as u64 + 1);
                    let behind = told.last().copied().unwrap_or_default();
                    let position = loop {
                        match journal.append(next.clone(), behind).await {
                            Ok(position) => break position,
                            Err(JournalError::Unavailable(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    };
                    told.push(position.sequence);
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                (stream, told)
            });
        }
        load
    }

    /// Waits until so many more commits were acknowledged.
    async fn more(&self, commits: u64) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + commits;
        let reached = eventually(async || self.acknowledged.load(Ordering::Relaxed) >= goal);
        assert!(reached.await, "writes have stopped");
    }

    /// How many a second are acknowledged.
    async fn rate(&self) -> f64 {
        let (begun, before) = (Instant::now(), self.acknowledged.load(Ordering::Relaxed));
        self.more(500).await;
        let written = self.acknowledged.load(Ordering::Relaxed) - before;
        f64::from(u32::try_from(written).unwrap()) / begun.elapsed().as_secs_f64()
    }

    /// Ends it; every stream must hold exactly what its writer was told.
    async fn ends_whole(mut self, journal: &Journal) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(writer) = self.writers.join_next().await {
            let (stream, told) = writer.unwrap();
            let held = journal.load(&stream, 0).await.unwrap();
            let held = readable(&held).unwrap();
            let held: Vec<_> = held.iter().map(|held| held.position.sequence).collect();
            assert_eq!(held, told, "{stream}");
        }
    }
}

async fn faults(nats: &NatsJournal) -> Vec<Fault> {
    nats.look().await.faults
}

async fn is_whole(nats: &NatsJournal) {
    let mut found = Vec::new();
    let whole = eventually(async || {
        found = faults(nats).await;
        found.is_empty()
    });
    assert!(whole.await, "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_nodes_are_killed_under_load() {
    let mut cluster = NatsCluster::start(3).await;
    let (nats, journal) = opened(options(&cluster)).await;
    let load = Load::begin(&journal);
    for node in 0..3 {
        load.more(5000).await;
        cluster.nodes()[node].kill_hard();
        load.more(500).await;
        cluster.nodes()[node].restart().await;
    }
    load.more(5000).await;
    for _ in 0..2 {
        for node in cluster.nodes() {
            node.kill_hard();
        }
        join_all(cluster.nodes().iter_mut().map(NatsServer::restart)).await;
        load.more(1000).await;
    }
    load.ends_whole(&journal).await;
    is_whole(&nats).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_one_node_may_freeze_while_many_write() {
    let mut cluster = NatsCluster::start(3).await;
    let (nats, journal) = opened(options(&cluster)).await;
    let load = Load::begin(&journal);
    load.more(500).await;
    for node in 0..3 {
        let before = load.rate().await;
        cluster.nodes()[node].freeze();
        let frozen = Instant::now();
        load.more(WRITERS as u64).await;
        let again = frozen.elapsed();
        let after = load.rate().await;
        println!("node {node} frozen: {before:.0}/s, again after {again:.1?}, {after:.0}/s");
        let named = eventually(async || {
            let mut found = faults(&nats).await.into_iter();
            found.any(|fault| fault.ailment == Ailment::Offline)
        });
        assert!(named.await, "the frozen node is not named");
        cluster.nodes()[node].thaw();
        cluster.agreed().await;
        is_whole(&nats).await;
    }
    load.ends_whole(&journal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_gone_is_named_and_comes_back_on_an_empty_disk() {
    let mut cluster = NatsCluster::start(3).await;
    let (nats, journal) = opened(options(&cluster)).await;
    is_whole(&nats).await;
    let load = Load::begin(&journal);
    load.more(500).await;
    cluster.nodes()[1].kill_hard();
    let (mut offline, mut silent) = (BTreeSet::new(), 0);
    let named = eventually(async || {
        let found = faults(&nats).await;
        silent = found
            .iter()
            .filter(|fault| matches!(fault.ailment, Ailment::Silent(_)))
            .count();
        let gone = found
            .into_iter()
            .filter(|it| it.ailment == Ailment::Offline);
        offline = gone.map(|fault| (fault.stream, fault.node)).collect();
        offline.len() == STREAMS && silent == 1
    });
    assert!(named.await, "{offline:?} {silent}");
    assert!(
        offline
            .iter()
            .all(|(_, node)| node.as_deref() == Some("node-1")),
        "{offline:?}"
    );
    cluster.nodes()[1].lose_everything().await;
    load.more(500).await;
    is_whole(&nats).await;
    // Now it counts: what the others alone acknowledge with it must be there without them.
    cluster.nodes()[0].kill_hard();
    load.more(500).await;
    cluster.nodes()[0].restart().await;
    load.ends_whole(&journal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compression_is_turned_off_by_who_may_and_named_until_every_node_was_restarted() {
    let mut cluster = NatsCluster::start(3).await;
    let options = options(&cluster);
    let (nats, _) = opened(options.clone()).await;
    is_whole(&nats).await;
    // As it was made by earlier programs.
    let client = async_nats::connect(cluster.nodes()[0].url()).await.unwrap();
    let context = jetstream::new(client);
    let name = "RAPPORT_EVENTS_0";
    let made = context.get_stream(name).await.unwrap();
    let made = made.cached_info().config.clone();
    assert_eq!(made.compression, Some(Compression::None));
    let compressed = Config {
        compression: Some(Compression::S2),
        ..made
    };
    context.update_stream(&compressed).await.unwrap();

    let (looks, _) = opened(options.clone()).await;
    let found = faults(&looks).await;
    assert!(
        matches!(
            &found[..],
            [Fault {
                ailment: Ailment::Compressed,
                ..
            }]
        ),
        "{found:#?}"
    );
    let changing = NatsOptions {
        change_streams: true,
        ..options
    };
    let (changed, journal) = opened(changing).await;
    let found = faults(&changed).await;
    let all = found.len() == cluster.nodes().len();
    let restart = |fault: &Fault| fault.ailment == Ailment::RestartNeeded;
    assert!(all && found.iter().all(restart), "{found:#?}");
    let load = Load::begin(&journal);
    for node in 0..3 {
        cluster.nodes()[node].stop();
        cluster.nodes()[node].restart().await;
        load.more(100).await;
    }
    is_whole(&changed).await;
    load.ends_whole(&journal).await;
}
