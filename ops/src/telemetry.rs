//! Logs, traces and metrics, set up once.
//!
//! Logs go to standard error. Where an OTLP endpoint is set, every span goes there, and
//! commits carry the trace context, so that one trace runs from request to projection; metrics
//! go there too, beside `/metrics`.

mod bridge;
pub mod meters;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::layers::FanoutBuilder;
use opentelemetry::global;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::settings::{LogFormat, Settings};
use bridge::Bridge;

static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();
/// Seconds: a request of ours takes a few milliseconds, a language model's answer many seconds.
const BUCKETS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Commits in a batch, writes in a transaction.
const SIZES: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0,
];

/// Sends what is still to be sent when it is dropped.
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let traces = self.traces.take().map(|traces| traces.shutdown());
        let metrics = self.metrics.take().map(|metrics| metrics.shutdown());
        for error in [traces, metrics]
            .into_iter()
            .flatten()
            .filter_map(Result::err)
        {
            eprintln!("the last traces or metrics were not sent: {error}");
        }
    }
}

/// Starts logs and metrics; and their export, where an endpoint is set.
pub fn start(settings: &Settings) -> anyhow::Result<Telemetry> {
    gateways::tls::use_ring();
    let filter = filter()?;
    // Colours are for people: in a file or a pipe they are noise.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colours);
    let logs = match settings.log_format {
        LogFormat::Text => logs.boxed(),
        LogFormat::Json => logs.json().boxed(),
    };
    let endpoint = settings
        .otlp_endpoint
        .as_deref()
        .map(|endpoint| endpoint.trim_end_matches('/'));
    let traces = endpoint.map(traces).transpose()?;
    let spans = traces.as_ref().map(|traces| {
        global::set_text_map_propagator(TraceContextPropagator::new());
        // Our own spans; those of the libraries below would be a hundred times as many.
        let ours = EnvFilter::new(
            "off,rapport=info,journal=info,commands=info,projections=info,gateways=info",
        );
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer("rapport"))
            .with_filter(ours)
    });
    // Spans cost a sixth of a request: where none is exported, none is made.
    let logs = if spans.is_some() {
        logs.with_filter(filter).boxed()
    } else {
        // With a hint, or every event of every library would be asked about.
        let events = filter_fn(|about| !about.is_span()).with_max_level_hint(LevelFilter::TRACE);
        logs.with_filter(filter.and(events)).boxed()
    };
    tracing_subscriber::registry().with(logs).with(spans).init();
    let metrics = endpoint.map(metrics).transpose()?;
    record(metrics.as_ref())?;
    Ok(Telemetry { traces, metrics })
}

/// What is logged: `RUST_LOG`, or `info`.
pub fn filter() -> anyhow::Result<EnvFilter> {
    let set = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = if set.trim().is_empty() { "info" } else { &set };
    EnvFilter::try_new(filter).map_err(|_| {
        anyhow::anyhow!(
            "RUST_LOG must be levels such as info or warn,commands=debug; it is '{set}'"
        )
    })
}

/// The metrics as Prometheus reads them, without those that are not this process's to tell.
pub fn prometheus() -> String {
    meters::measure();
    let all = PROMETHEUS
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default();
    told(&all)
}

/// Without the series whose value is [`journal::meters::UNKNOWN`].
fn told(all: &str) -> String {
    let lines = all.lines().filter(|line| !line.ends_with(" NaN"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn record(exported: Option<&SdkMeterProvider>) -> anyhow::Result<()> {
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), BUCKETS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), SIZES))
        .context("the buckets of the metrics")?
        .build_recorder();
    let handle = PROMETHEUS.get_or_init(|| prometheus.handle()).clone();
    tokio::spawn(async move {
        // What it has collected since the last reading is folded, read or not.
        let mut tick = tokio::time::interval(std::time::Duration::from_secs(5));
        loop {
            tick.tick().await;
            handle.run_upkeep();
        }
    });
    let fanout = FanoutBuilder::default().add_recorder(prometheus);
    let fanout = match exported {
        Some(exported) => fanout.add_recorder(Bridge::new(exported.meter("rapport"))),
        None => fanout,
    };
    metrics::set_global_recorder(fanout.build())
        .map_err(|error| anyhow::anyhow!("metrics: {error}"))?;
    meters::start();
    Ok(())
}

fn resource() -> Resource {
    Resource::builder().with_service_name("rapport").build()
}

fn traces(endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let endpoint = format!("{endpoint}/v1/traces");
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(&endpoint)
        .build();
    let exporter = exporter
        .with_context(|| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {endpoint} cannot be used"))?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource())
        .build())
}

fn metrics(endpoint: &str) -> anyhow::Result<SdkMeterProvider> {
    let endpoint = format!("{endpoint}/v1/metrics");
    let exporter = MetricExporter::builder()
        .with_http()
        .with_endpoint(&endpoint)
        .build();
    let exporter = exporter
        .with_context(|| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {endpoint} cannot be used"))?;
    Ok(SdkMeterProvider::builder()
        .with_periodic_exporter(exporter)
        .with_resource(resource())
        .build())
}
