//! What may be asked wrongly of sales.

use crate::wrong::{Wrong, get, patch};

pub const WRONG: &[Wrong] = &[
    patch("/api/v1/sales/99/stage", r#"{"stage":"kyc"}"#, 404, "id"),
    patch("/api/v1/sales/1/stage", r#"["kyc"]"#, 422, "body"),
    patch("/api/v1/sales/1/stage", r#"{"stage":7}"#, 422, "stage"),
    patch("/api/v1/sales/99", r#"{"amount":7}"#, 404, "id"),
    patch("/api/v1/sales/1", r#"{"amount":0}"#, 422, "amount"),
    patch("/api/v1/sales/1", r#"{"amount":"7"}"#, 422, "amount"),
    patch("/api/v1/sales/1", "{}", 422, "amount"),
    get("/api/v1/sales/99", 404, "id"),
    get("/api/v1/sales/99/timeline", 404, "id"),
];
