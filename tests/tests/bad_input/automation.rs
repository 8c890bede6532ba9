//! What may be asked wrongly of the rules of automation.

use crate::wrong::{Wrong, patch};

pub const WRONG: &[Wrong] = &[
    patch(
        "/api/v1/automation/rules/fly",
        r#"{"enabled":true}"#,
        404,
        "name",
    ),
    patch(
        "/api/v1/automation/rules/analyze_after_messages",
        r#"{"value":0}"#,
        422,
        "value",
    ),
    patch(
        "/api/v1/automation/rules/analyze_after_messages",
        "[true, 5]",
        422,
        "body",
    ),
    patch(
        "/api/v1/automation/rules/analyze_after_messages",
        r#"{"enabled":null}"#,
        422,
        "enabled",
    ),
    patch(
        "/api/v1/automation/rules/analyze_after_messages",
        r#"{"value":null}"#,
        422,
        "value",
    ),
    patch(
        "/api/v1/automation/rules/analyze_after_messages",
        r#"{"enabled":"yes"}"#,
        422,
        "enabled",
    ),
    patch(
        "/api/v1/automation/rules/transfer_when_ready",
        r#"{"value":1000000000001}"#,
        422,
        "value",
    ),
];
