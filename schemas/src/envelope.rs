//! The JSON Schema of a message of the log: the envelope, and in it the events of every version that
//! was ever written.

use serde_json::{Value, json};

use crate::catalog;

const TOKEN: &str = "^[A-Za-z0-9_-]{1,64}$";
const HASH: &str = "^[0-9a-f]{64}$";

/// The schema, given every event that there is a schema of: its stored name and version.
#[must_use]
pub fn schema(events: &[(String, u16)]) -> Value {
    let token = json!({ "type": "string", "pattern": TOKEN });
    let id = json!({ "type": "string", "format": "uuid" });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "commit",
        "description": "One message of the log: one command's events of one stream, all or nothing. Written once, never changed.",
        "type": "object",
        "required": ["commit_id", "workspace", "category", "id", "first_version", "events", "actor", "command", "correlation", "at"],
        "additionalProperties": false,
        "properties": {
            "commit_id": with(&id, "Unique in the log; also the header Nats-Msg-Id, by which JetStream drops a repetition within two minutes."),
            "workspace": with(&token, "Whose it is."),
            "category": with(&token, "The aggregate's kind; with `id`, the end of the subject."),
            "id": with(&token, "The aggregate's id within its workspace and category."),
            "first_version": { "type": "integer", "minimum": 1, "description": "The version that the first event gives the aggregate; each further event gives the next. A stream has no gaps." },
            "events": { "type": "array", "minItems": 1, "items": { "oneOf": events.iter().map(event).collect::<Vec<_>>() } },
            "actor": { "type": "string", "description": "Who asked: key:3, policy:transfer, cli; never a name." },
            "command": { "type": "string" },
            "correlation": with(&id, "Shared by everything that one request caused."),
            "causation": with(&id, "The commit_id of the commit that caused this one, where one did."),
            "undoes": with(&id, "The commit_id of the commit of this stream that this one takes back, where it is an undo."),
            "traceparent": { "type": "string", "description": "W3C trace context of the request." },
            "at": { "type": "string", "format": "date-time", "description": "UTC; within a stream it never runs backwards." },
            "prev_hash": { "type": "string", "pattern": HASH, "description": "SHA-256, in hex, of the body of the stream's commit before this one, byte for byte as it is stored; absent of the first. What is not authentic is no commit: the chain passes it over." },
            "keys": { "type": "array", "items": { "type": "string" }, "description": "Whose keys personal fields are sealed with: contact-7." },
            "asked": { "type": "object", "required": ["claim", "fingerprint"], "additionalProperties": false, "description": "The request with an Idempotency-Key that this commit belongs to: its claim's key, and the beginning of a hash of what was asked.", "properties": { "claim": token, "fingerprint": { "type": "string" } } }
        }
    })
}

/// A field of a person, as it is stored: its key is destroyed when they are erased.
#[must_use]
pub fn sealed() -> Value {
    json!({
        "type": "object",
        "description": "As it is stored: XChaCha20-Poly1305 under a key of the person, in base64 without padding; a text or a list.",
        "required": ["sealed", "of"],
        "additionalProperties": false,
        "properties": {
            "sealed": { "type": "string" },
            "of": { "enum": ["text", "list"] },
            "subject": { "type": "string", "description": "Whose key opens it, where it is not the record's own: contact-7." },
        }
    })
}

fn with(schema: &Value, description: &str) -> Value {
    let mut schema = schema.clone();
    schema["description"] = json!(description);
    schema
}

fn event((name, version): &(String, u16)) -> Value {
    json!({
        "type": "object",
        "required": ["version", "type", "payload"],
        "additionalProperties": false,
        "properties": {
            "version": { "const": version },
            "type": { "const": name },
            "payload": { "$ref": format!("./events/{}.json", catalog::path(name, *version)) }
        }
    })
}
