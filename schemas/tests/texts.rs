//! Every text of every event is either sealed, or known to be no words of a person's.

use std::collections::BTreeSet;

use schemas::any::DomainEvent;
use schemas::catalog;
use serde_json::Value;

/// Texts that stand in the log as they are, and why nobody is named in them.
const MACHINES: &[(&str, &str)] = &[
    ("key.issued hash", "SHA-256 of a random secret"),
    (
        "lead.analyzed analyst",
        "`rules`, or the name of a model from the settings",
    ),
    ("lead.analyzed at", "a moment"),
    ("lead.opened pipeline", "a key"),
    ("lead.opened stage", "a key"),
    ("lead.stage_changed from", "a key"),
    ("lead.stage_changed to", "a key"),
    ("lead.transferred begins.pipeline", "a key"),
    ("lead.transferred begins.stage", "a key"),
    ("lead.transferred from", "a key"),
    ("lead.transferred to", "a key"),
    ("pipeline.opened key", "a key"),
    (
        "pipeline.opened name",
        "what an admin calls a pipeline, not a person",
    ),
    ("pipeline.opened stages[].key", "a key"),
    (
        "pipeline.opened stages[].name",
        "what an admin calls a stage",
    ),
    ("pipeline.opened stages[].next[]", "a key"),
    ("pipeline.renamed from", "what an admin calls a pipeline"),
    ("pipeline.renamed to", "what an admin calls a pipeline"),
    ("pipeline.reordered from[]", "a key"),
    ("pipeline.reordered to[]", "a key"),
    ("pipeline.stage_added from[]", "a key"),
    ("pipeline.stage_added stage.key", "a key"),
    (
        "pipeline.stage_added stage.name",
        "what an admin calls a stage",
    ),
    ("pipeline.stage_added stage.next[]", "a key"),
    ("pipeline.stage_renamed from", "what an admin calls a stage"),
    ("pipeline.stage_renamed stage", "a key"),
    ("pipeline.stage_renamed to", "what an admin calls a stage"),
    ("pipeline.stage_restored stage", "a key"),
    ("pipeline.stage_retired stage", "a key"),
    ("pipeline.steps_changed from[]", "a key"),
    ("pipeline.steps_changed stage", "a key"),
    ("pipeline.steps_changed to[]", "a key"),
    ("sale.opened pipeline", "a key"),
    ("sale.opened stage", "a key"),
    ("sale.stage_changed from", "a key"),
    ("sale.stage_changed to", "a key"),
    (
        "quarantine.position_passed_over position",
        "a place in the log",
    ),
    (
        "quarantine.position_passed_over reason",
        "our words for what cannot be read there",
    ),
    ("unique.released value", "an HMAC"),
    ("unique.reserved at", "a moment"),
    ("unique.reserved value", "an HMAC"),
    ("vault.bound vault", "the identity of a vault"),
    ("webhook.changed events[]", "names of events"),
    ("webhook.deliveries_claimed until", "a moment"),
    (
        "webhook.deliveries_queued deliveries[].event",
        "the name of an event",
    ),
    (
        "webhook.deliveries_queued deliveries[].record",
        "a kind and a number",
    ),
    (
        "webhook.lane_queued deliveries[].event",
        "the name of an event",
    ),
    (
        "webhook.lane_queued deliveries[].record",
        "a kind and a number",
    ),
    ("webhook.lane_queued record", "a kind and a number"),
    ("webhook.lanes_held lanes[].record", "a kind and a number"),
    ("webhook.tested delivery.event", "the name of an event"),
    ("webhook.tested delivery.record", "a kind and a number"),
    (
        "webhook.delivery_resent delivery.event",
        "the name of an event",
    ),
    (
        "webhook.delivery_resent delivery.record",
        "a kind and a number",
    ),
    ("webhook.delivery_settled at", "a moment"),
    ("webhook.delivery_settled outcome.retry_at", "a moment"),
    (
        "webhook.delivery_settled report.detail",
        "our words for a status or a failed connection",
    ),
    ("webhook.registered events[]", "names of events"),
    ("webhook.secret_rotated old_until", "a moment"),
    ("webhook.switched_off reason", "our words for why"),
];

/// The places of a schema where any text may stand.
fn texts(schema: &Value, place: &str, found: &mut BTreeSet<String>) {
    if schema["x-personal"] == true {
        return;
    }
    let is_text = match &schema["type"] {
        Value::String(name) => name == "string",
        Value::Array(names) => names.iter().any(|name| name == "string"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    let is_closed = ["enum", "const", "format"]
        .iter()
        .any(|word| schema.get(*word).is_some());
    if is_text && !is_closed {
        found.insert(place.trim_start_matches('.').replace(" .", " "));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        texts(property, &format!("{place}.{name}"), found);
    }
    if schema["items"].is_object() {
        texts(&schema["items"], &format!("{place}[]"), found);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        for schema in schema[choice].as_array().into_iter().flatten() {
            texts(schema, place, found);
        }
    }
}

#[test]
fn every_text_that_is_not_sealed_is_known_to_name_nobody() {
    let mut found = BTreeSet::new();
    for kind in DomainEvent::kinds() {
        let schema = catalog::schema(kind.name).unwrap();
        texts(&schema, &format!("{} ", kind.name), &mut found);
    }
    let known: BTreeSet<String> = MACHINES
        .iter()
        .map(|(place, _)| (*place).to_owned())
        .collect();
    assert_eq!(
        found, known,
        "a text that people type is `personal {{ … }}` in the event's `stored!` table (ADR 30)"
    );
}
