//! `/health`, `/ready` and `/metrics`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use journal::Journal;
use projections::registry::Registry;
use projections::status::{self, Status};
use serde_json::{Value, json};

use crate::cli::RoleOf;
use crate::system::System;
use crate::telemetry;

#[derive(Clone)]
struct Probed {
    journal: Journal,
    registry: Registry,
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

/// It can do its work: the log and the read models answer, and the screens it needs are there.
async fn ready(State(probed): State<Probed>) -> Response {
    match look(&probed).await {
        Ok(projections) => {
            let there = status::answer(&projections::screens(), &projections);
            let there = there || !probed.needs_screens;
            let status = if there {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            let word = if there { "ready" } else { "building" };
            (
                status,
                Json(json!({ "status": word, "projections": projections })),
            )
                .into_response()
        }
        Err(reason) => {
            let body = json!({ "status": "unavailable", "reason": reason });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
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

async fn metrics() -> Response {
    let plain = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (plain, telemetry::prometheus()).into_response()
}
