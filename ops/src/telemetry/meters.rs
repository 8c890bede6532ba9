//! Every metric that `/metrics` has, in one list, and what the process measures of itself.
//!
//! Invariant: what this list names is what is exported, what `ops/deploy/README.md` explains, and
//! all that dashboards and alerts ask for. Tests hold it so.

use journal::meters::{Kind, Meter};

/// Requests, by route and never by path: paths hold ids.
pub const HTTP_SECONDS: &str = "rapport_http_request_seconds";
const MEMORY: &str = "rapport_memory_bytes";

const METERS: &[Meter] = &[
    Meter::histogram(
        HTTP_SECONDS,
        &["method", "route", "status"],
        "From a request until its answer; its `_count` counts requests",
    ),
    Meter::gauge(MEMORY, &[], "Memory that the process has resident"),
];

/// Every metric of every crate.
pub fn all() -> impl Iterator<Item = &'static Meter> {
    METERS
        .iter()
        .chain(journal::meters::METERS)
        .chain(commands::meters::METERS)
        .chain(projections::meters::METERS)
}

/// Describes every metric, and makes the handles, once the recorder is there.
pub fn start() {
    for meter in all() {
        match meter.kind {
            Kind::Counter => metrics::describe_counter!(meter.name, meter.says),
            Kind::Gauge => metrics::describe_gauge!(meter.name, meter.says),
            Kind::Histogram => metrics::describe_histogram!(meter.name, meter.says),
        }
    }
    journal::meters::start();
    commands::meters::start();
    projections::meters::start();
}

/// Measures what nothing else would say.
pub fn measure() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| {
        let kilobytes = line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?;
        kilobytes.parse::<u32>().ok()
    });
    // Where there is no /proc, nobody can say.
    let bytes = resident.map_or(journal::meters::UNKNOWN, |kilobytes| {
        f64::from(kilobytes) * 1024.0
    });
    metrics::gauge!(MEMORY).set(bytes);
}
