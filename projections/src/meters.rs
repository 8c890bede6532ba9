//! What the read side measures: how far each projection is, and how it is written.
//!
//! Invariant: lag and parked records are exported by the process that keeps the projection, and by
//! no other. A heartbeat stays: it says when this process kept it last, which remains true.

use std::sync::LazyLock;
use std::time::Instant;

use jiff::Timestamp;
use journal::meters::{Meter, UNKNOWN};
use metrics::Histogram;

use crate::projection::Screen;

const LAG_EVENTS: &str = "rapport_projection_lag_events";
const LAG_SECONDS: &str = "rapport_projection_lag_seconds";
const HEARTBEAT: &str = "rapport_projection_heartbeat_seconds";
const PARKED: &str = "rapport_projection_parked";
const BATCH_SIZE: &str = "rapport_follower_batch_size";
const BATCH_SECONDS: &str = "rapport_follower_batch_seconds";

/// The metrics of this crate.
pub const METERS: &[Meter] = &[
    Meter::gauge(
        LAG_EVENTS,
        &["projection"],
        "Commits that a projection does not show; from the process that keeps it",
    ),
    Meter::gauge(
        LAG_SECONDS,
        &["projection"],
        "Age of the last commit that a projection shows, 0 where there is no later one; from the process that keeps it",
    ),
    Meter::gauge(
        HEARTBEAT,
        &["projection"],
        "When a process last kept a projection, in Unix seconds",
    ),
    Meter::gauge(
        PARKED,
        &["projection"],
        "Records that a projection does not follow any more; from the process that keeps it",
    ),
    Meter::histogram(
        BATCH_SIZE,
        &[],
        "Commits in one batch of the followers; one batch is one SQL transaction",
    ),
    Meter::histogram(
        BATCH_SECONDS,
        &[],
        "From a batch at hand until its rows and checkpoints are written",
    ),
];

static SIZE: LazyLock<Histogram> = LazyLock::new(|| metrics::histogram!(BATCH_SIZE));
static SECONDS: LazyLock<Histogram> = LazyLock::new(|| metrics::histogram!(BATCH_SECONDS));

/// Makes the handles, so that what has not happened yet is exported as 0.
pub fn start() {
    LazyLock::force(&SIZE);
    LazyLock::force(&SECONDS);
}

/// A batch of so many commits, begun then, is written.
#[expect(clippy::cast_precision_loss, reason = "at most a few thousand")]
pub(crate) fn wrote(commits: usize, begun: Instant) {
    if commits == 0 {
        return;
    }
    SIZE.record(commits as f64);
    SECONDS.record(begun.elapsed().as_secs_f64());
}

/// How far a projection that we keep is.
pub(crate) struct Far<'a> {
    pub(crate) name: &'a str,
    pub(crate) events: f64,
    pub(crate) seconds: f64,
    pub(crate) parked: f64,
}

/// Says how far a projection is, now.
pub(crate) fn kept(far: &Far<'_>, now: Timestamp) {
    let Far {
        name,
        events,
        seconds,
        parked,
    } = *far;
    set(LAG_EVENTS, name, events);
    set(LAG_SECONDS, name, seconds);
    set(PARKED, name, parked);
    set(HEARTBEAT, name, now.as_duration().as_secs_f64());
}

/// How far any of these is, but for the kept ones, is another's to say.
pub(crate) fn kept_by_others<'a>(screens: &[Box<dyn Screen>], kept: impl Iterator<Item = &'a str>) {
    let kept: Vec<_> = kept.collect();
    let names = screens.iter().map(|screen| screen.name());
    for name in names.filter(|name| !kept.contains(name)) {
        for gauge in [LAG_EVENTS, LAG_SECONDS, PARKED] {
            set(gauge, name, UNKNOWN);
        }
    }
}

/// Once a second and projection: looking it up by name costs nothing that counts.
fn set(gauge: &'static str, projection: &str, value: f64) {
    metrics::gauge!(gauge, "projection" => projection.to_owned()).set(value);
}
