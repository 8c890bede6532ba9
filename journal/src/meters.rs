//! What the log measures of itself: how long appends take, how many share a write, where states
//! are read from, how often a feed begins anew.
//!
//! [`Meter`] says of a metric what people must know of it. Every crate lists its own in `METERS`,
//! and `rapport` describes them all at its start.
//!
//! Invariant: on the way of a command nothing is looked up by name. Handles are made once, after
//! the recorder is installed; before it they record nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use metrics::{Counter, Histogram};

use crate::nats::replicas::Look;
use crate::position::Position;

/// The value of a gauge that this process cannot tell, or that is another's to tell: such a series
/// is not exported.
pub const UNKNOWN: f64 = f64::NAN;

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// A metric, as people must know it.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    /// Its name.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What tells its series apart.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub says: &'static str,
}

impl Meter {
    /// A counter.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        says: &'static str,
    ) -> Self {
        let kind = Kind::Counter;
        Self {
            name,
            kind,
            labels,
            says,
        }
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        says: &'static str,
    ) -> Self {
        let kind = Kind::Gauge;
        Self {
            name,
            kind,
            labels,
            says,
        }
    }

    /// A histogram.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        says: &'static str,
    ) -> Self {
        let kind = Kind::Histogram;
        Self {
            name,
            kind,
            labels,
            says,
        }
    }
}

const APPEND_SECONDS: &str = "rapport_append_seconds";
const GROUP_SIZE: &str = "rapport_append_group_size";
const LOADS: &str = "rapport_aggregate_loads_total";
const FEED_RESTARTS: &str = "rapport_feed_restarts_total";
const ARCHIVE_LAG: &str = "rapport_archive_lag_events";
const COPY_FAULTS: &str = "rapport_log_copy_faults";
const TASK_STALLED: &str = "rapport_task_stalled";
const TASK_RESTARTS: &str = "rapport_task_restarts_total";
const UNREADABLE: &str = "rapport_log_unreadable_total";

/// The metrics of this crate.
pub const METERS: &[Meter] = &[
    Meter::histogram(
        APPEND_SECONDS,
        &[],
        "From the start of an append until it is durable",
    ),
    Meter::histogram(
        GROUP_SIZE,
        &["log"],
        "Writes that share one SQLite transaction, or appends in flight to NATS when one is sent",
    ),
    Meter::counter(
        LOADS,
        &["category", "from"],
        "Aggregates read to decide on: from the cache, from a snapshot, or from their first commit on (log)",
    ),
    Meter::counter(
        FEED_RESTARTS,
        &[],
        "Times that a feed from NATS was begun again behind the last commit delivered",
    ),
    Meter::gauge(
        ARCHIVE_LAG,
        &["partition"],
        "Commits that the archive has not copied (role archive)",
    ),
    Meter::gauge(
        COPY_FAULTS,
        &["stream", "node"],
        "What is wrong with a copy of a stream in NATS; without a stream, with a node",
    ),
    Meter::gauge(
        TASK_STALLED,
        &["task"],
        "Whether a background task of this process stands still (1) or works (0); `/ready` says which and why",
    ),
    Meter::counter(
        TASK_RESTARTS,
        &["task"],
        "Times that a background task panicked or ended, and was begun again",
    ),
    Meter::counter(
        UNREADABLE,
        &["kind"],
        "Commits that this process could not read, or that commands did not write, by what is wrong with them",
    ),
];

static APPEND: LazyLock<Histogram> = LazyLock::new(|| metrics::histogram!(APPEND_SECONDS));
static GROUP_OF_SQLITE: LazyLock<Histogram> =
    LazyLock::new(|| metrics::histogram!(GROUP_SIZE, "log" => "sqlite"));
static GROUP_OF_NATS: LazyLock<Histogram> =
    LazyLock::new(|| metrics::histogram!(GROUP_SIZE, "log" => "nats"));
static RESTARTS: LazyLock<Counter> = LazyLock::new(|| metrics::counter!(FEED_RESTARTS));
static IN_FLIGHT: AtomicU32 = AtomicU32::new(0);

/// Makes the handles, so that what has not happened yet is exported as 0.
pub fn start() {
    for handle in [&APPEND, &GROUP_OF_SQLITE, &GROUP_OF_NATS] {
        LazyLock::force(handle);
    }
    LazyLock::force(&RESTARTS);
}

/// An append that began then is durable now.
pub(crate) fn appended(begun: Instant) {
    APPEND.record(begun.elapsed().as_secs_f64());
}

/// So many writes were committed together.
#[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
pub(crate) fn committed_together(writes: usize) {
    GROUP_OF_SQLITE.record(writes as f64);
}

/// A feed begins again.
pub(crate) fn feed_restarted() {
    RESTARTS.increment(1);
}

/// Nothing was unreadable yet, for whatever reason.
pub(crate) fn all_readable() {
    for kind in crate::entry::Fault::KINDS {
        metrics::counter!(UNREADABLE, "kind" => *kind).increment(0);
    }
}

/// A commit cannot be read, for a reason of this kind.
pub(crate) fn unreadable(kind: &'static str) {
    metrics::counter!(UNREADABLE, "kind" => kind).increment(1);
}

/// An append on its way to NATS, until it is dropped.
pub(crate) struct InFlight;

impl InFlight {
    /// One more is on its way.
    pub(crate) fn begin() -> Self {
        GROUP_OF_NATS.record(IN_FLIGHT.fetch_add(1, Ordering::Relaxed) + 1);
        Self
    }
}

/// How many appends are on their way to NATS.
pub(crate) fn appends_in_flight() -> u32 {
    IN_FLIGHT.load(Ordering::Relaxed)
}

impl Drop for InFlight {
    fn drop(&mut self) {
        IN_FLIGHT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where the aggregates of one category were read from.
#[derive(Debug, Clone)]
pub(crate) struct Loads {
    /// From the cache.
    pub(crate) cache: Counter,
    /// From a snapshot and what came after.
    pub(crate) snapshot: Counter,
    /// From the first commit on.
    pub(crate) log: Counter,
}

impl Loads {
    /// The counters of a category.
    pub(crate) fn of(category: &'static str) -> Self {
        let from =
            |from: &'static str| metrics::counter!(LOADS, "category" => category, "from" => from);
        Self {
            cache: from("cache"),
            snapshot: from("snapshot"),
            log: from("log"),
        }
    }
}

/// How far the archive is behind the log in a partition; `None` where nobody can say.
#[expect(clippy::cast_precision_loss, reason = "a gauge")]
pub(crate) fn archived(partition: u16, seen: Option<(Position, Position)>) {
    let lag = seen.map(|(head, copied)| head.sequence.saturating_sub(copied.sequence) as f64);
    let gauge = metrics::gauge!(ARCHIVE_LAG, "partition" => partition.to_string());
    gauge.set(lag.unwrap_or(UNKNOWN));
}

/// Whether a background task stands still; `None` where there is none of this kind any more.
pub(crate) fn task_stalled(task: &str, still: Option<bool>) {
    let value = still.map_or(UNKNOWN, |still| f64::from(u8::from(still)));
    metrics::gauge!(TASK_STALLED, "task" => task.to_owned()).set(value);
}

/// A background task was begun again so many times more.
pub(crate) fn task_restarts(task: &str, times: u64) {
    metrics::counter!(TASK_RESTARTS, "task" => task.to_owned()).increment(times);
}

/// Says how many faults every copy and every node has; takes and answers the stream and node of each
/// series that was said, so that one that is gone is not said any more.
#[must_use]
pub fn copies(look: &Look, known: &BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    let named = |name: &Option<String>| name.clone().unwrap_or_default();
    let nodes = look.nodes.iter().map(|node| (String::new(), node.clone()));
    let mut faults: BTreeMap<_, u32> = look
        .copies
        .iter()
        .cloned()
        .chain(nodes)
        .map(|at| (at, 0))
        .collect();
    for fault in &look.faults {
        *faults
            .entry((named(&fault.stream), named(&fault.node)))
            .or_default() += 1;
    }
    let gauge = |(stream, node): &(String, String)| metrics::gauge!(COPY_FAULTS, "stream" => stream.clone(), "node" => node.clone());
    for gone in known.iter().filter(|at| !faults.contains_key(*at)) {
        gauge(gone).set(UNKNOWN);
    }
    for (at, count) in &faults {
        gauge(at).set(*count);
    }
    faults.into_keys().collect()
}
