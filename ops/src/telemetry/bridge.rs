//! What the `metrics` macros record, as OpenTelemetry instruments.

use std::sync::Arc;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

/// Records into a meter.
pub struct Bridge(Meter);

impl Bridge {
    /// Records into this meter.
    pub const fn new(meter: Meter) -> Self {
        Self(meter)
    }
}

/// An instrument with the labels of one key.
struct Labelled<I> {
    instrument: I,
    labels: Vec<KeyValue>,
}

impl<I> Labelled<I> {
    fn new(instrument: I, key: &Key) -> Arc<Self> {
        let labels = key
            .labels()
            .map(|label| KeyValue::new(label.key().to_owned(), label.value().to_owned()));
        Arc::new(Self {
            instrument,
            labels: labels.collect(),
        })
    }
}

impl CounterFn for Labelled<opentelemetry::metrics::Counter<u64>> {
    fn increment(&self, value: u64) {
        self.instrument.add(value, &self.labels);
    }

    // The SDK's counters only add; ours never use this.
    fn absolute(&self, _value: u64) {}
}

impl GaugeFn for Labelled<opentelemetry::metrics::Gauge<f64>> {
    // The SDK's gauges only set; ours never use these two.
    fn increment(&self, _value: f64) {}

    fn decrement(&self, _value: f64) {}

    fn set(&self, value: f64) {
        self.instrument.record(value, &self.labels);
    }
}

impl HistogramFn for Labelled<opentelemetry::metrics::Histogram<f64>> {
    fn record(&self, value: f64) {
        self.instrument.record(value, &self.labels);
    }
}

impl Recorder for Bridge {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(Labelled::new(
            self.0.u64_counter(key.name().to_owned()).build(),
            key,
        ))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Labelled::new(
            self.0.f64_gauge(key.name().to_owned()).build(),
            key,
        ))
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Labelled::new(
            self.0.f64_histogram(key.name().to_owned()).build(),
            key,
        ))
    }
}
