//! What every request passes: access, idempotency, limits, CORS, a span and a count.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use commands::http::access::{self, Access};
use commands::http::answer::POSITION;
use commands::http::problem::Problem;
use commands::http::retry::{self, MAX_BODY};
use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::settings::Settings;
use crate::system::System;
use crate::telemetry::meters::HTTP_SECONDS;

/// How long a request may take.
const WITHIN: Duration = Duration::from_secs(30);

/// These routes behind every layer; the outermost is added last.
pub fn around(
    routes: Router,
    system: &System,
    settings: &Settings,
    access: Access,
) -> anyhow::Result<Router> {
    Ok(routes
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(
            system.api.clone(),
            retry::once,
        ))
        .layer(middleware::from_fn_with_state(access, access::guard))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(in_time))
        .layer(cors(&settings.cors_origins)?)
        .layer(middleware::from_fn(observed)))
}

async fn unknown(uri: Uri) -> Problem {
    Problem::not_found(format!(
        "There is no {}; /docs lists every route",
        uri.path()
    ))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "/problems/method",
        "Method not allowed",
    )
    .detail(format!(
        "{} does not take {method}; /docs lists every route and its methods",
        uri.path()
    ))
}

/// A change may have been made although nobody could say so in time.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "/problems/timeout",
            "No answer in time",
        )
        .detail("Read before you try again, or try again with the same Idempotency-Key")
        .into_response(),
    }
}

fn cors(origins: &[String]) -> anyhow::Result<CorsLayer> {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let parse = |origin: &String| {
            HeaderValue::from_str(origin)
                .with_context(|| format!("CORS_ORIGINS: '{origin}' is no origin"))
        };
        AllowOrigin::list(
            origins
                .iter()
                .map(parse)
                .collect::<anyhow::Result<Vec<_>>>()?,
        )
    };
    let key = [
        HeaderName::from_static("x-api-key"),
        HeaderName::from_static("idempotency-key"),
        POSITION,
    ];
    let headers = [header::CONTENT_TYPE, header::AUTHORIZATION]
        .into_iter()
        .chain(key);
    Ok(CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(headers.collect::<Vec<_>>())
        .expose_headers([
            POSITION,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
        ]))
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// A span in the caller's trace, a count and a duration, by route and never by path: paths
/// hold ids.
async fn observed(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", http.method = %method, http.route = route, http.status = tracing::field::Empty);
    if request.headers().contains_key("traceparent") {
        drop(span.set_parent(global::get_text_map_propagator(|traces| {
            traces.extract(&Headers(request.headers()))
        })));
    }
    let begun = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    span.record("http.status", status);
    // One lookup for both: the histogram counts what it records.
    let labels = [
        ("method", method.to_string()),
        ("route", route),
        ("status", status.to_string()),
    ];
    metrics::histogram!(HTTP_SECONDS, &labels).record(begun.elapsed().as_secs_f64());
    response
}
