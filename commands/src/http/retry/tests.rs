//! Which answers a second request with the same key hears again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::key::Role;
use journal::Journal;
use journal::memory::MemoryJournal;
use journal::token::Token;
use tower::ServiceExt as _;

use super::{REPLAYED, once};
use crate::clock::Clock;
use crate::desk::Desk;
use crate::http::api::{Api, Settings};
use crate::http::caller::Caller;
use crate::http::problem::Problem;

/// A route that answers so the first time, and that it is done from then on.
fn route(first: Problem) -> Router {
    let desk = Desk::local(Journal::from(MemoryJournal::new()), Clock::System);
    let api = Api::new(desk, Settings::default(), b"secret");
    let calls = Arc::new(AtomicU32::new(0));
    let answer = move || {
        let (call, first) = (calls.fetch_add(1, Ordering::Relaxed), first.clone());
        async move {
            match call {
                0 => first.into_response(),
                _ => StatusCode::OK.into_response(),
            }
        }
    };
    let keyed = async |State(api): State<Api>, request: Request, next: Next| {
        once(&api, request, next).await
    };
    Router::new()
        .route("/", post(answer))
        .layer(middleware::from_fn_with_state(api, keyed))
}

async fn ask(route: &Router) -> Response {
    let mut request = Request::post("/")
        .header("Idempotency-Key", "k1")
        .body(Body::empty())
        .unwrap();
    request.extensions_mut().insert(Caller {
        workspace: Token::try_new("main").unwrap(),
        actor: "test".into(),
        role: Role::Owner,
        claim: None,
        if_match: None,
        row: None,
    });
    route.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn what_says_when_to_come_back_is_carried_out_again() {
    let busy = Problem::conflict("/problems/busy", "In use right now", "wait").retry_after(1);
    for first in [busy, Problem::unavailable("the log does not answer")] {
        let route = route(first.clone());
        assert_eq!(ask(&route).await.status().as_u16(), first.status);
        let again = ask(&route).await;
        assert_eq!(again.status(), StatusCode::OK);
        assert!(!again.headers().contains_key(REPLAYED));
    }
}

#[tokio::test]
async fn a_refusal_is_heard_again() {
    let route = route(Problem::conflict(
        "/problems/closed",
        "Closed",
        "it is lost",
    ));
    for replayed in [false, true] {
        let answer = ask(&route).await;
        assert_eq!(answer.status(), StatusCode::CONFLICT);
        assert_eq!(answer.headers().contains_key(REPLAYED), replayed);
    }
}
