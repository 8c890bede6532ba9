//! What may be asked wrongly of webhooks.

use crate::wrong::{Wrong, patch, post};

pub const WRONG: &[Wrong] = &[
    post(
        "/api/v1/webhooks",
        r#"["https://example.com", ["*"]]"#,
        422,
        "body",
    ),
    post(
        "/api/v1/webhooks",
        r#"{"url":7,"events":["*"]}"#,
        422,
        "url",
    ),
    post(
        "/api/v1/webhooks",
        r#"{"url":"https://example.com","events":"*"}"#,
        422,
        "events",
    ),
    patch("/api/v1/webhooks/1", r#"{"url":null}"#, 422, "url"),
    patch("/api/v1/webhooks/1", r#"{"events":null}"#, 422, "events"),
    patch("/api/v1/webhooks/1", r#"{"enabled":null}"#, 422, "enabled"),
    post("/api/v1/webhooks/1/secret", "[]", 422, "body"),
    post("/api/v1/webhooks/1/replay", r#"["0:1"]"#, 422, "body"),
];
