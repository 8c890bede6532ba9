//! What happened between two answers of the same processes, all of them together.
//!
//! Invariant: a counter that fell belongs to a process that began anew; what it shows now has
//! happened since.

use std::collections::{BTreeMap, HashMap};

use super::fetch::Shot;
use super::scrape::Sample;

/// A series now, and by how much it rose.
struct Series {
    sample: Sample,
    rose: f64,
}

/// What happened between two answers.
pub struct Interval {
    series: Vec<Series>,
    /// How long it was.
    pub seconds: f64,
}

impl Interval {
    /// Between these answers, process by process.
    pub fn between(before: &[Shot], after: &[Shot]) -> Self {
        let (mut series, mut seconds) = (Vec::new(), 0.0_f64);
        for (before, after) in before.iter().zip(after) {
            seconds = seconds.max(after.at.duration_since(before.at).as_secs_f64());
            let known: HashMap<_, _> = before
                .samples
                .iter()
                .map(|sample| ((&sample.name, &sample.labels), sample.value))
                .collect();
            // A process that said nothing before has no "since".
            let silent = before.problem.is_some();
            series.extend(after.samples.iter().map(|sample| {
                let seen = known.get(&(&sample.name, &sample.labels)).copied();
                let rose = sample.value - seen.unwrap_or_default();
                let rose = if rose < 0.0 { sample.value } else { rose };
                Series {
                    sample: sample.clone(),
                    rose: if silent { 0.0 } else { rose },
                }
            }));
        }
        Self {
            series,
            seconds: seconds.max(0.001),
        }
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Series> {
        self.series
            .iter()
            .filter(move |series| series.sample.name == name)
    }

    /// By how much a counter rose in a second, where the labels are these.
    pub fn rate(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.rose(name, |sample| {
            labels
                .iter()
                .all(|(label, value)| sample.label(label) == *value)
        }) / self.seconds
    }

    /// By how much a counter rose.
    pub fn rose(&self, name: &str, which: impl Fn(&Sample) -> bool) -> f64 {
        let which = self.of(name).filter(|series| which(&series.sample));
        which.fold(0.0, |sum, series| sum + series.rose)
    }

    /// What a counter has come to since the processes began.
    pub fn total(&self, name: &str) -> f64 {
        self.of(name)
            .fold(0.0, |sum, series| sum + series.sample.value)
    }

    /// Every value that a label has.
    pub fn values(&self, name: &str, label: &str) -> Vec<String> {
        let mut values: Vec<_> = self
            .of(name)
            .map(|series| series.sample.label(label).to_owned())
            .collect();
        values.sort();
        values.dedup();
        values
    }

    /// A gauge by one label; `fold` joins several series of a value.
    pub fn gauge(
        &self,
        name: &str,
        label: &str,
        fold: impl Fn(f64, f64) -> f64,
    ) -> BTreeMap<String, f64> {
        let mut all = BTreeMap::new();
        for Series { sample, .. } in self.of(name) {
            all.entry(sample.label(label).to_owned())
                .and_modify(|known| *known = fold(*known, sample.value))
                .or_insert(sample.value);
        }
        all
    }

    /// The mean of what a histogram saw; `None` where it saw nothing.
    pub fn mean(&self, histogram: &str) -> Option<f64> {
        let count = self.rose(&format!("{histogram}_count"), |_| true);
        let sum = self.rose(&format!("{histogram}_sum"), |_| true);
        (count > 0.0).then(|| sum / count)
    }

    /// Below which value this part of what a histogram saw lies, within its bucket as Prometheus
    /// reckons it; `None` where it saw nothing.
    pub fn quantile(
        &self,
        histogram: &str,
        part: f64,
        which: impl Fn(&Sample) -> bool,
    ) -> Option<f64> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for series in self.of(&format!("{histogram}_bucket")) {
            let Ok(edge) = series.sample.label("le").parse::<f64>() else {
                continue;
            };
            if !which(&series.sample) {
                continue;
            }
            match buckets
                .iter_mut()
                .find(|(known, _)| known.total_cmp(&edge).is_eq())
            {
                Some((_, count)) => *count += series.rose,
                None => buckets.push((edge, series.rose)),
            }
        }
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let all = buckets.last().map_or(0.0, |(_, count)| *count);
        if all <= 0.0 {
            return None;
        }
        let rank = part * all;
        let (mut from, mut below) = (0.0, 0.0);
        for (edge, count) in buckets {
            if count >= rank && count > below {
                let within = (rank - below) / (count - below);
                // Beyond the last edge nothing is known but that.
                return Some(if edge.is_finite() {
                    from + (edge - from) * within
                } else {
                    from
                });
            }
            (from, below) = (edge, count);
        }
        None
    }
}
