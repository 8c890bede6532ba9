//! What the write side measures: commands and how they end, lost races, answers given again, and
//! how far policies are.
//!
//! Invariant: a policy's lag is exported by the process that holds its cursor, and by no other.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use cqrs_es::Aggregate as _;
use domain::effect::Outcome;
use domain::webhook::aggregate::Webhook;
use journal::meters::{Meter, UNKNOWN};
use metrics::{Counter, Histogram};

const COMMANDS: &str = "rapport_commands_total";
const CONFLICTS: &str = "rapport_command_conflicts_total";
const RETRIES: &str = "rapport_command_retries_total";
const REPLAYS: &str = "rapport_idempotent_replays_total";
const EFFECTS: &str = "rapport_effects_total";
const EFFECTS_UNKNOWN: &str = "rapport_effects_unknown_total";
const EFFECT_SECONDS: &str = "rapport_effect_seconds";
const POLICY_LAG: &str = "rapport_policy_lag_events";
const POLICY_PARKED: &str = "rapport_policy_parked";
const POLICY_HEARTBEAT: &str = "rapport_policy_heartbeat_seconds";

/// The metrics of this crate.
pub const METERS: &[Meter] = &[
    Meter::counter(
        COMMANDS,
        &["category", "outcome"],
        "Commands by how they ended: done (also where there was nothing to change), refused, conflict, failed",
    ),
    Meter::counter(
        CONFLICTS,
        &["category"],
        "Lost races: appends behind which the stream had moved on",
    ),
    Meter::counter(
        RETRIES,
        &["category"],
        "Commands decided again after a lost race",
    ),
    Meter::counter(
        REPLAYS,
        &["what"],
        "Requests sent again that changed nothing: the kept answer was given, or the commit was there",
    ),
    Meter::counter(
        EFFECTS,
        &["category", "outcome"],
        "Attempts at effects outside by how they ended: done, failed (another comes), gave_up",
    ),
    Meter::counter(
        EFFECTS_UNKNOWN,
        &["category"],
        "Attempts of which nobody saw the end: whoever made them died",
    ),
    Meter::histogram(
        EFFECT_SECONDS,
        &["category"],
        "How long a call to the outside took",
    ),
    Meter::gauge(
        POLICY_LAG,
        &["policy", "partition"],
        "Commits that a policy has not reacted to; from the process that holds its cursor",
    ),
    Meter::gauge(
        POLICY_PARKED,
        &["policy", "partition"],
        "Aggregates that a policy leaves aside and tries again later; from the process that holds its cursor",
    ),
    Meter::gauge(
        POLICY_HEARTBEAT,
        &["policy", "partition"],
        "When a policy last said how far it is, in Unix seconds",
    ),
];

static ANSWERS: LazyLock<Counter> =
    LazyLock::new(|| metrics::counter!(REPLAYS, "what" => "answer"));
static COMMITS: LazyLock<Counter> =
    LazyLock::new(|| metrics::counter!(REPLAYS, "what" => "commit"));

/// The meters of one category's effects.
struct Effects {
    done: Counter,
    failed: Counter,
    gave_up: Counter,
    unknown: Counter,
    seconds: Histogram,
}

impl Effects {
    fn of(category: &'static str) -> Self {
        let outcome =
            |outcome| metrics::counter!(EFFECTS, "category" => category, "outcome" => outcome);
        Self {
            done: outcome("done"),
            failed: outcome("failed"),
            gave_up: outcome("gave_up"),
            unknown: metrics::counter!(EFFECTS_UNKNOWN, "category" => category),
            seconds: metrics::histogram!(EFFECT_SECONDS, "category" => category),
        }
    }
}

/// Makes the handles, so that what has not happened yet is exported as 0.
pub fn start() {
    LazyLock::force(&ANSWERS);
    LazyLock::force(&COMMITS);
    Effects::of(Webhook::TYPE);
}

/// A kept answer was given again.
pub(crate) fn answered_again() {
    ANSWERS.increment(1);
}

/// What was asked had been appended before.
pub(crate) fn appended_before() {
    COMMITS.increment(1);
}

/// An attempt at an effect has ended.
pub(crate) fn attempted(category: &'static str, outcome: Outcome, took: Duration) {
    // Beside a call to the outside, looking them up costs nothing that counts.
    let effects = Effects::of(category);
    match outcome {
        Outcome::Done => effects.done.increment(1),
        Outcome::Failed { .. } => effects.failed.increment(1),
        Outcome::GaveUp => effects.gave_up.increment(1),
    }
    effects.seconds.record(took.as_secs_f64());
}

/// Nobody saw the end of an attempt.
pub(crate) fn unknown(category: &'static str) {
    Effects::of(category).unknown.increment(1);
}

/// The counters of commands, by category.
pub(crate) struct Commands(HashMap<&'static str, OfCategory>);

/// The counters of one category.
pub(crate) struct OfCategory {
    pub(crate) done: Counter,
    pub(crate) refused: Counter,
    pub(crate) conflict: Counter,
    pub(crate) failed: Counter,
    pub(crate) lost: Counter,
    pub(crate) again: Counter,
}

impl Commands {
    /// The counters of these categories.
    pub(crate) fn of(categories: &[&'static str]) -> Self {
        Self(
            categories
                .iter()
                .map(|category| (*category, OfCategory::of(category)))
                .collect(),
        )
    }

    /// The counters of one category.
    pub(crate) fn get(&self, category: &str) -> Option<&OfCategory> {
        self.0.get(category)
    }
}

impl OfCategory {
    fn of(category: &'static str) -> Self {
        let ended = |outcome: &'static str| metrics::counter!(COMMANDS, "category" => category, "outcome" => outcome);
        Self {
            done: ended("done"),
            refused: ended("refused"),
            conflict: ended("conflict"),
            failed: ended("failed"),
            lost: metrics::counter!(CONFLICTS, "category" => category),
            again: metrics::counter!(RETRIES, "category" => category),
        }
    }
}

/// How far a policy is in a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Far {
    /// Commits that it has not met.
    pub(crate) behind: u64,
    /// Aggregates that it leaves aside.
    pub(crate) parked: usize,
}

/// How far a policy is in a partition, said now.
#[expect(clippy::cast_precision_loss, reason = "a gauge")]
pub(crate) fn policy(policy: &'static str, partition: u16, far: Far, now: jiff::Timestamp) {
    let Far { behind, parked } = far;
    let partition = partition.to_string();
    metrics::gauge!(POLICY_PARKED, "policy" => policy, "partition" => partition.clone())
        .set(parked as f64);
    metrics::gauge!(POLICY_LAG, "policy" => policy, "partition" => partition.clone())
        .set(behind as f64);
    metrics::gauge!(POLICY_HEARTBEAT, "policy" => policy, "partition" => partition)
        .set(now.as_duration().as_secs_f64());
}

/// How far a policy is in a partition is another's to say.
pub(crate) fn policy_of_another(policy: &'static str, partition: u16) {
    for gauge in [POLICY_LAG, POLICY_PARKED] {
        metrics::gauge!(gauge, "policy" => policy, "partition" => partition.to_string())
            .set(UNKNOWN);
    }
}
