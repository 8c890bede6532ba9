//! Bodies of requests: one that stops coming is given up, and one that nobody will read is taken off the
//! wire before the answer, so that the caller hears the answer instead of a broken connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use commands::http::problem::Problem;
use commands::http::retry::MAX_BODY;
use futures::StreamExt as _;

/// How long nothing of a body may come.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// How long a body is read that nobody wants.
const DISCARDED_WITHIN: Duration = Duration::from_secs(1);

/// Whether a body has stopped coming.
#[derive(Debug, Clone, Default)]
pub struct Stalled(Arc<AtomicBool>);

impl Stalled {
    /// The body, which ends with an error once nothing has come for [`STALLED_AFTER`].
    pub fn watch(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let (stalled, data) = (self.clone(), body.into_data_stream());
        Body::from_stream(futures::stream::unfold(Some(data), move |data| {
            let stalled = stalled.clone();
            async move {
                let mut data = data?;
                match tokio::time::timeout(STALLED_AFTER, data.next()).await {
                    Ok(next) => next.map(|next| (next.map_err(axum::BoxError::from), Some(data))),
                    Err(elapsed) => {
                        stalled.0.store(true, Ordering::Relaxed);
                        Some((Err(elapsed.into()), None))
                    }
                }
            }
        }))
    }

    /// The answer, unless the body stopped coming: then that is the answer.
    pub fn or(&self, answer: Result<Response, Problem>) -> Response {
        if self.0.load(Ordering::Relaxed) {
            return closing(stalled().into_response());
        }
        answer.unwrap_or_else(Problem::into_response)
    }
}

fn stalled() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "/problems/body-timeout",
        "The body stopped coming",
    )
    .detail("Nothing of the body came for 5 seconds; send the whole request again")
}

/// Refuses a request whose body was not read.
pub async fn refuse(problem: Problem, body: Body) -> Response {
    let answer = problem.into_response();
    if body.is_end_stream() || discard(body).await {
        answer
    } else {
        closing(answer)
    }
}

/// Reads a body to its end, within bounds; tells whether it came to its end.
async fn discard(body: Body) -> bool {
    let mut data = body.into_data_stream();
    let all = async {
        let mut left = MAX_BODY;
        while let Some(Ok(some)) = data.next().await {
            left = left.checked_sub(some.len())?;
        }
        Some(())
    };
    matches!(
        tokio::time::timeout(DISCARDED_WITHIN, all).await,
        Ok(Some(()))
    )
}

fn closing(mut answer: Response) -> Response {
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    answer
}
