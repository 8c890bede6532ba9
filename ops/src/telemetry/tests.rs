//! The list of metrics is what people read of, and all that dashboards and alerts ask for.

use std::collections::BTreeSet;

use journal::meters::Kind;
use serde_json::Value;

use super::{meters, told};

const README: &str = include_str!("../../deploy/README.md");
const ALERTS: &str = include_str!("../../deploy/rapport-alerts.yml");
const DASHBOARD: &str = include_str!("../../deploy/grafana/dashboards/rapport.json");
const SOURCE: &str = include_str!("../../deploy/grafana/provisioning/datasources/prometheus.yml");

/// Every name that Prometheus knows a metric by.
fn exported() -> BTreeSet<String> {
    let names = meters::all().flat_map(|meter| {
        let endings: &[&str] = match meter.kind {
            Kind::Counter | Kind::Gauge => &[""],
            Kind::Histogram => &["_bucket", "_sum", "_count"],
        };
        endings
            .iter()
            .map(|ending| format!("{}{ending}", meter.name))
    });
    names.collect()
}

/// Every name in a text that begins like one of ours, `rapport_` or, of a rule, `rapport:`.
fn named(text: &str, begin: &str) -> BTreeSet<String> {
    let of_name = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
    text.split(|letter| !of_name(letter))
        .filter(|word| word.starts_with(begin))
        .map(ToOwned::to_owned)
        .collect()
}

/// What a rule file records under a name of its own.
fn recorded() -> BTreeSet<String> {
    let records = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "));
    records.map(ToOwned::to_owned).collect()
}

/// Every panel of the dashboard, with its place.
fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    dashboard["panels"].as_array().unwrap().clone()
}

#[test]
fn people_can_read_of_every_metric() {
    let rows = meters::all().map(|meter| {
        let kind = match meter.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = meter.labels.join(", ");
        format!("| `{}` | {kind} | {labels} | {} |", meter.name, meter.says)
    });
    let documented = README
        .lines()
        .filter(|line| line.starts_with("| `rapport_"));
    similar(rows, documented.map(ToOwned::to_owned));
}

fn similar(ours: impl Iterator<Item = String>, theirs: impl Iterator<Item = String>) {
    let (ours, theirs): (Vec<_>, Vec<_>) = (ours.collect(), theirs.collect());
    assert_eq!(ours, theirs, "the table is in ops/deploy/README.md");
}

#[test]
fn alerts_ask_for_what_is_exported() {
    let asked = named(ALERTS, "rapport_");
    let missing: Vec<_> = asked.difference(&exported()).cloned().collect();
    assert!(missing.is_empty(), "nobody exports {missing:?}");
    assert_eq!(
        named(ALERTS, "rapport:"),
        recorded(),
        "and nothing is recorded in vain"
    );
}

#[test]
fn the_dashboard_asks_for_what_is_exported() {
    let known: BTreeSet<_> = exported().union(&recorded()).cloned().collect();
    let asked = &named(DASHBOARD, "rapport_") | &named(DASHBOARD, "rapport:");
    let missing: Vec<_> = asked.difference(&known).cloned().collect();
    assert!(missing.is_empty(), "nobody exports {missing:?}");
}

#[test]
fn every_metric_is_seen_by_somebody() {
    let asked = &named(DASHBOARD, "rapport_") | &named(ALERTS, "rapport_");
    let unseen: Vec<_> = meters::all()
        .map(|meter| meter.name)
        .filter(|name| !asked.iter().any(|asked| asked.starts_with(name)))
        .collect();
    assert!(unseen.is_empty(), "no panel and no rule shows {unseen:?}");
}

#[test]
fn panels_have_queries_and_the_source_that_is_provisioned() {
    for panel in panels().iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        let uid = panel["datasource"]["uid"].as_str().unwrap();
        assert!(SOURCE.contains(&format!("uid: {uid}")), "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title} asks for nothing");
        for target in targets {
            let query = target["expr"].as_str().unwrap();
            let opened = query.matches(['(', '{', '[']).count();
            assert_eq!(
                opened,
                query.matches([')', '}', ']']).count(),
                "{title}: {query}"
            );
        }
    }
}

#[test]
fn no_panel_lies_over_another() {
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{panel}");
            }
        }
    }
}

#[test]
fn what_is_anothers_to_tell_is_not_told() {
    let all = "# TYPE lag gauge\nlag{projection=\"leads\"} NaN\nlag{projection=\"NaN\"} 1\n";
    assert_eq!(told(all), "# TYPE lag gauge\nlag{projection=\"NaN\"} 1\n");
}
