//! Old payloads to new: one function per step from a version to the next.

use domain::event::Kind;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Turns a payload of one version into one of the next.
type Step = fn(Value) -> Value;

/// The step that leads on from this version of this event.
fn step(name: &str, from: u16) -> Option<Step> {
    match (name, from) {
        ("lead.stage_changed", 1) => Some(lead_stage_changed_1_to_2),
        ("unique.reserved", 1) => Some(unique_reserved_1_to_2),
        ("unique.released", 1) => Some(unique_released_1_to_2),
        ("lead.opened", 1) => Some(lead_opened_1_to_2),
        ("lead.transferred", 1) => Some(lead_transferred_1_to_2),
        ("sale.opened", 1) => Some(sale_opened_1_to_2),
        ("lead.stage_changed", 3) | ("sale.stage_changed", 2) => Some(stage_changed_with_outcome),
        // From these versions on a text is sealed when stored; opened, it reads as before.
        ("lead.stage_changed", 2) | ("lead.analyzed" | "sale.stage_changed" | "key.issued", 1) => {
            Some(as_it_was)
        }
        _ => None,
    }
}

const fn as_it_was(payload: Value) -> Value {
    payload
}

/// Version 2 says why; nobody asked before.
fn lead_stage_changed_1_to_2(mut payload: Value) -> Value {
    payload["reason"] = Value::Null;
    payload
}

/// Version 2 says for which version of its owner, and which attempt relies on it. What was reserved
/// before was for a contact that has begun since, or never will.
fn unique_reserved_1_to_2(mut payload: Value) -> Value {
    payload["seen"] = Value::from(0);
    payload["attempt"] = Value::Null;
    payload
}

/// Version 2 says which attempt gave it back; before, whoever released a value freed it.
fn unique_released_1_to_2(mut payload: Value) -> Value {
    payload["attempt"] = Value::Null;
    payload
}

/// Version 2 says what it follows; before, all leads followed `sales-team`.
fn lead_opened_1_to_2(mut payload: Value) -> Value {
    payload["pipeline"] = Value::from("sales-team");
    payload["stage"] = Value::from("new");
    payload
}

/// Version 2 says where the lead came to, and where its sale begins; there was one way for each.
fn lead_transferred_1_to_2(mut payload: Value) -> Value {
    payload["to"] = Value::from("transferred");
    payload["begins"] = json!({ "pipeline": "sales", "stage": "new" });
    payload
}

/// Version 2 says what it follows; before, all sales followed `sales`.
fn sale_opened_1_to_2(mut payload: Value) -> Value {
    payload["pipeline"] = Value::from("sales");
    payload["stage"] = Value::from("new");
    payload
}

/// From here on a step says what it meant to stand there; before, the stage alone told.
fn stage_changed_with_outcome(mut payload: Value) -> Value {
    let outcome = match payload["to"].as_str() {
        Some("lost") => "lost",
        Some("paid") => "won",
        Some(_) | None => "open",
    };
    payload["outcome"] = Value::from(outcome);
    payload
}

/// A version that nothing leads on from.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} has no way from version {version} to {newest}; a newer program wrote it, or an upcaster is missing"
)]
pub struct UpcastError {
    /// The stored name.
    pub name: &'static str,
    /// The version it was written in.
    pub version: u16,
    /// Today's version.
    pub newest: u16,
}

/// Why an old event cannot be brought to today's version.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is not the JSON it should be.
    Shape(serde_json::Error),
    /// No step leads on.
    Upcast(UpcastError),
}

/// The whole stored event in today's version.
pub(crate) fn to_newest(kind: &Kind, version: u16, raw: &RawValue) -> Result<Value, Failure> {
    let mut event: Value = serde_json::from_str(raw.get()).map_err(Failure::Shape)?;
    let mut payload = event["payload"].take();
    for at in version..kind.version.max(version + 1) {
        let step = step(kind.name, at).ok_or(Failure::Upcast(UpcastError {
            name: kind.name,
            version,
            newest: kind.version,
        }))?;
        payload = step(payload);
    }
    Ok(json!({ "type": kind.name, "version": kind.version, "payload": payload }))
}
