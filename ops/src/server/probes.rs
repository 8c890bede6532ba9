//! `/health`, `/ready` and `/metrics`.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use commands::http::caller::Caller;
use journal::Journal;
use projections::registry::Registry;
use projections::status::{self, Status};
use serde_json::{Value, json};

use crate::cli::RoleOf;
use crate::system::System;
use crate::system::copies::Copies;
use crate::telemetry;

/// Whoever probes waits no longer than this; a pool of connections may wait much longer for one.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Probed {
    journal: Journal,
    registry: Registry,
    copies: Copies,
    /// Whether this process answers from the screens, or keeps them.
    needs_screens: bool,
}

/// The probes of a process.
pub fn router(system: &System) -> Router {
    let needs_screens = system.plays(RoleOf::Api) || system.plays(RoleOf::Projections);
    let probed = Probed {
        needs_screens,
        journal: system.journal.clone(),
        registry: system.views.registry().clone(),
        copies: system.copies.clone(),
    };
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(probed)
}

/// It lives.
async fn health() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// It can do its work, and does: the log and the read models answer, the screens it needs are there,
/// and none of its background tasks stands still. What is wrong with copies of the log is named, and
/// stops nobody while most of them are whole. Strangers are told whether it can, and no more.
async fn ready(State(probed): State<Probed>, known: Option<Extension<Caller>>) -> Response {
    let (status, body) = readiness(&probed).await;
    let body = match known {
        Some(_) => body,
        None => json!({ "ready": status.is_success() }),
    };
    (status, Json(body)).into_response()
}

async fn readiness(probed: &Probed) -> (StatusCode, Value) {
    let tasks = probed.journal.health().standing_still();
    let looked = tokio::time::timeout(LOOK_WITHIN, look(probed)).await;
    let silent = |_| Err("the log or the read models do not answer in time".to_owned());
    let projections = match looked.unwrap_or_else(silent) {
        Ok(projections) => projections,
        Err(reason) => {
            let body = json!({
                "status": "unavailable",
                "reason": reason,
                "standing_still": tasks,
                "log_copies": probed.copies.faults(),
            });
            return (StatusCode::SERVICE_UNAVAILABLE, body);
        }
    };
    let word = if probed.needs_screens && !status::answer(&projections::screens(), &projections) {
        "building"
    } else if !tasks.is_empty() {
        "standing still"
    } else {
        "ready"
    };
    let status = if word == "ready" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let (parked, unreadable) = (
        probed.journal.health().parked(),
        probed.journal.faults().all(),
    );
    let body = json!({
        "status": word,
        "standing_still": tasks,
        "parked": parked,
        "log_copies": probed.copies.faults(),
        "projections": projections,
        "unreadable": unreadable,
    });
    (status, body)
}

async fn look(probed: &Probed) -> Result<Vec<Status>, String> {
    let heads = probed
        .journal
        .heads()
        .await
        .map_err(|error| error.to_string())?;
    status::read(&probed.registry, &heads)
        .await
        .map_err(|error| error.to_string())
}

async fn metrics(State(probed): State<Probed>) -> Response {
    probed.journal.health().measure();
    let plain = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (plain, telemetry::prometheus()).into_response()
}
