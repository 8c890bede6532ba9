//! What every request passes: CORS, limits, a span and a count, access and idempotency.
//!
//! One layer holds all that is ours: each layer more boxes and clones the ones below it again,
//! for every request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use commands::http::access::{Access, Table};
use commands::http::answer::POSITION;
use commands::http::api::Api;
use commands::http::problem::Problem;
use commands::http::retry::{self, MAX_BODY};
use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use projections::http::list::COUNT;
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::bodies::{self, Stalled};
use super::public::PublicUrl;
use crate::settings::Settings;
use crate::system::System;
use crate::telemetry::meters::HTTP_SECONDS;

/// What requests count under that no route takes.
const NO_ROUTE: &str = "none";
/// How long a request may take.
const WITHIN: Duration = Duration::from_secs(30);

/// How long a browser may hold what it was told of another origin; the most that one of them takes.
const PREFLIGHT_HOLDS: Duration = Duration::from_hours(2);
/// Shorter answers fit into one packet as they are.
const WORTH_COMPRESSING: u64 = 1024;

/// Who may call, and what remembers that he did.
struct Gate {
    access: Access,
    /// Who may call which route.
    table: Table,
    api: Api,
    public: Option<PublicUrl>,
}

/// These routes behind every layer.
pub fn around(
    routes: Router,
    system: &System,
    settings: &Settings,
    access: Access,
    table: Table,
) -> anyhow::Result<Router> {
    let gate = Gate {
        access,
        table,
        api: system.api.clone(),
        public: settings.public_url.clone(),
    };
    Ok(routes
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(
            ServiceBuilder::new()
                .layer(compressed())
                .layer(cors(&settings.cors_origins)?)
                .layer(DefaultBodyLimit::max(MAX_BODY))
                .layer(middleware::from_fn_with_state(Arc::new(gate), pass)),
        ))
}

/// A span in the caller's trace, a count and a duration around the answer.
async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let observed = Observed::begin(&request);
    let answer = in_time(gate.answer(request, next));
    let mut response = answer.instrument(observed.span.clone()).await;
    if let Some(public) = &gate.public {
        public.complete(response.headers_mut());
    }
    observed.end(&response);
    response
}

impl Gate {
    async fn answer(&self, request: Request, next: Next) -> Response {
        let (mut parts, body) = request.into_parts();
        if let Err(problem) = self.access.admit(&self.table, &mut parts).await {
            return bodies::refuse(problem, body).await;
        }
        let stalled = Stalled::default();
        let request = Request::from_parts(parts, stalled.watch(body));
        stalled.or(retry::once(&self.api, request, next).await)
    }
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
async fn in_time(answer: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(WITHIN, answer).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "/problems/timeout",
            "No answer in time",
        )
        .detail("Read before you try again, or try again with the same Idempotency-Key")
        .retry_after(1)
        .into_response(),
    }
}

fn cors(origins: &[String]) -> anyhow::Result<CorsLayer> {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let parse = |origin: &String| {
            // Browsers send an origin without the slash that addresses often end with.
            HeaderValue::from_str(origin.trim_end_matches('/'))
                .with_context(|| format!("CORS_ORIGINS: '{origin}' is no origin"))
        };
        AllowOrigin::list(
            origins
                .iter()
                .map(parse)
                .collect::<anyhow::Result<Vec<_>>>()?,
        )
    };
    Ok(CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("x-api-key"),
            retry::KEY,
            POSITION,
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("tracestate"),
        ])
        .expose_headers([
            POSITION,
            COUNT,
            retry::REPLAYED,
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
        ])
        .max_age(PREFLIGHT_HOLDS))
}

/// Answers that are worth it, in gzip or brotli, at the level that costs least: most are made anew for
/// each request.
fn compressed() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(DefaultPredicate::new().and(SizeAbove::new(WORTH_COMPRESSING)))
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

/// A request as traces and metrics see it: by route and never by path, since paths hold ids.
struct Observed {
    method: Method,
    route: Option<MatchedPath>,
    span: Span,
    begun: Instant,
}

impl Observed {
    fn begin(request: &Request) -> Self {
        let method = request.method().clone();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let named = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let span = tracing::info_span!("request", http.method = %method, http.route = named, http.status = tracing::field::Empty);
        if request.headers().contains_key("traceparent") {
            drop(span.set_parent(global::get_text_map_propagator(|traces| {
                traces.extract(&Headers(request.headers()))
            })));
        }
        Self {
            method,
            route,
            span,
            begun: Instant::now(),
        }
    }

    fn end(self, response: &Response) {
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        self.span.record("http.status", response.status().as_u16());
        if response.status().is_server_error() {
            let status = response.status().as_u16();
            tracing::warn!(method = %self.method, route, status, "a request failed");
        }
        // One lookup for both: the histogram counts what it records.
        let labels = [
            ("method", self.method.to_string()),
            ("route", route.to_owned()),
            ("status", response.status().as_str().to_owned()),
        ];
        metrics::histogram!(HTTP_SECONDS, &labels).record(self.begun.elapsed().as_secs_f64());
    }
}
