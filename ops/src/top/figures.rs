//! What people want to know of an interval.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fetch::Shot;
use super::interval::Interval;
use crate::telemetry::meters::HTTP_SECONDS;

/// What people want to know.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// How long the interval was.
    pub seconds: f64,
    pub processes: Vec<Process>,
    pub categories: Vec<Category>,
    pub log: Log,
    pub http: Http,
    pub projections: Vec<Projection>,
    pub policies: Vec<Policy>,
    /// Commits that the archive has not copied, where there is one.
    pub archive_lag_events: Option<f64>,
}

/// A process.
#[derive(Debug, Serialize)]
pub struct Process {
    pub url: String,
    pub memory_bytes: Option<f64>,
    /// Why it says nothing.
    pub problem: Option<String>,
}

/// Commands to one kind of aggregate, per second.
#[derive(Debug, Serialize)]
pub struct Category {
    pub name: String,
    pub commands: f64,
    pub refused: f64,
    pub conflicts: f64,
    pub retries: f64,
    /// The part of reads that the cache answered; `None` where nothing was read.
    pub cache_hits: Option<f64>,
}

/// The log and who follows it.
#[derive(Debug, Serialize)]
pub struct Log {
    pub appends: f64,
    pub p50_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
    pub group: Option<f64>,
    pub batch: Option<f64>,
    pub batch_p99_seconds: Option<f64>,
    /// Since the processes began.
    pub feed_restarts: f64,
}

/// Requests, but for probes.
#[derive(Debug, Serialize)]
pub struct Http {
    pub requests: f64,
    pub failed: f64,
    pub replayed: f64,
    pub p99_seconds: Option<f64>,
}

/// A generation of a projection.
#[derive(Debug, Serialize)]
pub struct Projection {
    pub name: String,
    /// `active`, `building`, or `?` where no process could tell.
    pub state: String,
    pub lag_events: f64,
    /// `None` where no process that was asked keeps it.
    pub lag_seconds: Option<f64>,
    pub parked: f64,
}

/// A policy.
#[derive(Debug, Serialize)]
pub struct Policy {
    pub name: String,
    pub lag_events: f64,
}

/// Asked by machines all the time, us among them.
const PROBES: [&str; 3] = ["/metrics", "/ready", "/health"];

impl Figures {
    /// What happened between these answers.
    pub fn between(before: &[Shot], after: &[Shot]) -> Self {
        let interval = Interval::between(before, after);
        Self {
            seconds: interval.seconds,
            processes: after.iter().map(process).collect(),
            categories: categories(&interval),
            log: log(&interval),
            http: http(&interval),
            projections: projections(&interval, after),
            policies: interval
                .gauge("rapport_policy_lag_events", "policy", |one, other| {
                    one + other
                })
                .into_iter()
                .map(|(name, lag_events)| Policy { name, lag_events })
                .collect(),
            archive_lag_events: interval
                .gauge("rapport_archive_lag_events", "partition", f64::max)
                .into_values()
                .reduce(|one, other| one + other),
        }
    }
}

fn process(shot: &Shot) -> Process {
    let memory = shot
        .samples
        .iter()
        .find(|sample| sample.name == "rapport_memory_bytes");
    Process {
        url: shot.url.clone(),
        memory_bytes: memory.map(|sample| sample.value),
        problem: shot.problem.clone(),
    }
}

fn categories(interval: &Interval) -> Vec<Category> {
    let loads = "rapport_aggregate_loads_total";
    let of = |name: String| {
        let this = ("category", name.as_str());
        let read = interval.rate(loads, &[this]);
        let cached = interval.rate(loads, &[this, ("from", "cache")]);
        Category {
            commands: interval.rate("rapport_commands_total", &[this]),
            refused: interval.rate("rapport_commands_total", &[this, ("outcome", "refused")]),
            conflicts: interval.rate("rapport_command_conflicts_total", &[this]),
            retries: interval.rate("rapport_command_retries_total", &[this]),
            cache_hits: (read > 0.0).then(|| cached / read),
            name,
        }
    };
    let names = interval.values("rapport_commands_total", "category");
    names.into_iter().map(of).collect()
}

fn log(interval: &Interval) -> Log {
    let append = "rapport_append_seconds";
    Log {
        appends: interval.rate("rapport_append_seconds_count", &[]),
        p50_seconds: interval.quantile(append, 0.5, |_| true),
        p99_seconds: interval.quantile(append, 0.99, |_| true),
        group: interval.mean("rapport_append_group_size"),
        batch: interval.mean("rapport_follower_batch_size"),
        batch_p99_seconds: interval.quantile("rapport_follower_batch_seconds", 0.99, |_| true),
        feed_restarts: interval.total("rapport_feed_restarts_total"),
    }
}

fn http(interval: &Interval) -> Http {
    let counts = format!("{HTTP_SECONDS}_count");
    let asked = |sample: &super::scrape::Sample| !PROBES.contains(&sample.label("route"));
    let failed =
        |sample: &super::scrape::Sample| asked(sample) && sample.label("status").starts_with('5');
    Http {
        requests: interval.rose(&counts, asked) / interval.seconds,
        failed: interval.rose(&counts, failed) / interval.seconds,
        replayed: interval.rate("rapport_idempotent_replays_total", &[]),
        p99_seconds: interval.quantile(HTTP_SECONDS, 0.99, asked),
    }
}

/// As `/ready` of any process tells them all, or else as those who keep them do.
#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn projections(interval: &Interval, after: &[Shot]) -> Vec<Projection> {
    let gauge = |name: &str| interval.gauge(name, "projection", f64::min);
    let seconds = gauge("rapport_projection_lag_seconds");
    let told = after.iter().find(|shot| !shot.projections.is_empty());
    if let Some(told) = told {
        let known = told.projections.iter().map(|known| Projection {
            name: if known.active {
                known.name.clone()
            } else {
                format!("{} v{} #{}", known.name, known.version, known.generation)
            },
            state: if known.active { "active" } else { "building" }.to_owned(),
            lag_events: known.lag as f64,
            lag_seconds: seconds.get(&known.name).copied().filter(|_| known.active),
            parked: known.parked.len() as f64,
        });
        return known.collect();
    }
    let parked: BTreeMap<_, _> = gauge("rapport_projection_parked");
    let events = gauge("rapport_projection_lag_events").into_iter();
    let known = events.map(|(name, lag_events)| Projection {
        state: "?".to_owned(),
        lag_events,
        lag_seconds: seconds.get(&name).copied(),
        parked: parked.get(&name).copied().unwrap_or_default(),
        name,
    });
    known.collect()
}
