//! One trace runs from the HTTP request through the append to the projection.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use reqwest::Method;
use serde_json::json;
use stories::crm::{Crm, with};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Names of the spans of [`TRACE`] that were received.
type Received = Arc<Mutex<Vec<String>>>;

async fn receive(State(received): State<Received>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let spans = request
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans);
    let ours = spans.filter(|span| hex::encode(&span.trace_id) == TRACE);
    received.lock().unwrap().extend(ours.map(|span| span.name));
}

async fn collector() -> (String, Received) {
    let received = Received::default();
    let router = Router::new()
        .route("/v1/traces", post(receive))
        .route("/v1/metrics", post(|| async {}))
        .with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), received)
}

#[tokio::test]
async fn one_trace_runs_from_request_to_projection_through_three_processes() {
    let (endpoint, received) = collector().await;
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let crm = Crm::cluster_of(&["commands", "projections,gateway-ai", "api"], &settings).await;
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let request = crm
        .request(Method::POST, "/api/v1/leads")
        .header("traceparent", traceparent);
    crm.send(with(request, &json!({ "source": "manual" })))
        .await
        .good();
    let all = async || {
        let received = received.lock().unwrap();
        ["request", "ask", "command", "append", "project"]
            .iter()
            .all(|name| received.iter().any(|seen| seen == name))
    };
    assert!(
        stories::servers::eventually(all).await,
        "only {:?}",
        received.lock().unwrap()
    );
}
