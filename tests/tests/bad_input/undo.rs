//! What may be asked wrongly of the undo.

use crate::wrong::{Wrong, post};

pub const WRONG: &[Wrong] = &[
    post("/api/v1/undo", r#"["0:1"]"#, 422, "body"),
    post("/api/v1/undo", "{}", 422, "position"),
    post("/api/v1/undo", r#"{"position":7}"#, 422, "position"),
    post(
        "/api/v1/undo",
        r#"{"correlation":"all"}"#,
        422,
        "correlation",
    ),
];
