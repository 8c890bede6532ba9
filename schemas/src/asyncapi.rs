//! The AsyncAPI description of the subjects: what is published where, generated from the events.

use serde_json::{Value, json};

/// The AsyncAPI 3.0 document.
#[must_use]
pub fn describe() -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rapport",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One message is one commit: an envelope that holds one or more events of one stream. \
                            README.md beside this file says how a program of somebody else reads it.",
        },
        "channels": {
            "events": {
                "address": "rapport.ev.{partition}.{workspace}.{category}.{id}",
                "description": "Commits, in JetStream streams RAPPORT_EVENTS_<partition>. A subject is a stream; its last \
                                message is the newest commit. Only processes with the role commands publish.",
                "parameters": parameters(&["partition", "workspace", "category", "id"]),
                "messages": { "commit": { "$ref": "#/components/messages/commit" } },
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
        "components": { "messages": { "commit": {
            "name": "commit",
            "contentType": "application/json",
            "headers": headers(),
            "payload": { "$ref": "./commit.json" },
        } } },
    })
}

fn headers() -> Value {
    let text = |says: &str| json!({ "type": "string", "description": says });
    json!({
        "type": "object",
        "required": ["Nats-Msg-Id", "Nats-Expected-Stream", "Nats-Expected-Last-Subject-Sequence"],
        "properties": {
            "Nats-Msg-Id": text("The commit_id: JetStream drops a repetition within two minutes."),
            "Nats-Expected-Stream": text("RAPPORT_EVENTS_<partition>."),
            "Nats-Expected-Last-Subject-Sequence": text(
                "The sequence of the subject's message before this one, 0 of the first: the server refuses any other."),
            "Rapport-Signature": text(
                "<key id>.<base64 of an Ed25519 signature>, of every message behind `rapport-signed-after` in the \
                 stream's metadata. What has none, or a wrong one, is no commit: pass it over."),
        },
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
