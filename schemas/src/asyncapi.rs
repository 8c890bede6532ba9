//! The AsyncAPI description of the subjects: what is published where, generated from the events.

use serde_json::{Value, json};

use crate::any::DomainEvent;
use crate::catalog;

/// The AsyncAPI 3.0 document.
#[must_use]
pub fn describe() -> Value {
    let mut messages = serde_json::Map::new();
    let mut references = serde_json::Map::new();
    for kind in DomainEvent::kinds() {
        let file = format!("./events/{}.json", catalog::path(kind.name, kind.version));
        messages.insert(
            kind.name.to_owned(),
            json!({ "name": kind.name, "payload": { "$ref": file } }),
        );
        references.insert(
            kind.name.to_owned(),
            json!({ "$ref": format!("#/components/messages/{}", kind.name) }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rapport",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One message is one commit: an envelope whose `events` hold one or more of these messages. \
                            A commit's subject names its stream; the last message of a subject is its newest commit.",
        },
        "channels": {
            "events": {
                "address": "rapport.ev.{partition}.{workspace}.{category}.{id}",
                "description": "Commits, in JetStream streams RAPPORT_EVENTS_<partition>. Only processes with the role commands publish.",
                "parameters": parameters(&["partition", "workspace", "category", "id"]),
                "messages": references,
            },
            "commands": {
                "address": "rapport.cmd.{category}",
                "description": "Requests to the processes with the role commands, shared by a queue group. Internal: both ends are the same program.",
                "parameters": parameters(&["category"]),
            },
        },
        "operations": {
            "followEvents": { "action": "receive", "channel": { "$ref": "#/channels/events" } },
            "askForAChange": { "action": "send", "channel": { "$ref": "#/channels/commands" } },
        },
        "components": { "messages": messages },
    })
}

fn parameters(names: &[&str]) -> Value {
    let parameter = |name: &&str| ((*name).to_owned(), json!({ "description": about(name) }));
    Value::Object(names.iter().map(parameter).collect())
}

fn about(parameter: &str) -> &'static str {
    match parameter {
        "partition" => "From 0; chosen by a hash of the workspace, fixed when the log is made.",
        "workspace" => "Whose data: 1 to 64 characters out of A-Z a-z 0-9 _ -",
        "category" => "The aggregate's kind: lead, sale, contact, …",
        _ => "The aggregate's id within its workspace and category; never personal data.",
    }
}
