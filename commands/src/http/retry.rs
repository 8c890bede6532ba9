//! The `Idempotency-Key` header: a request that changes something is carried out once per key.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::answer::{About, POSITION};
use super::api::Api;
use super::caller::Caller;
use super::extract::unread;
use super::problem::Problem;
use hmac::{Hmac, KeyInit as _, Mac as _};
use journal::token::Token;
use journal::vault::{DataKey, Subject};
use journal::{JournalError, failpoint};
use sha2::Sha256;

use crate::idempotency::{Claimed, Claiming, KeptAnswer, claim, digest};
use crate::meters;

/// What a request is carried out once under.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// What a kept answer's ciphertext is bound to.
const CONTEXT: &str = "kept answer";
/// The largest body; as the body limit of the server.
pub const MAX_BODY: usize = 1_000_000;

/// Claims the request's key, where it has one, and keeps its answer.
pub async fn once(api: &Api, request: Request, next: Next) -> Result<Response, Problem> {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    match request.headers().get(KEY).cloned() {
        // Boxed: the requests without a key need not carry its state about.
        Some(key) if !reads => Box::pin(carry_out(api, &key, request, next)).await,
        _ => Ok(next.run(request).await),
    }
}

async fn carry_out(
    api: &Api,
    key: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = key
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()) && !key.contains('\t'))
        .ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "/problems/idempotency-key",
                "Bad Idempotency-Key",
            )
            .detail("Idempotency-Key has 1 to 255 printable ASCII characters, for example a UUID")
            .field("Idempotency-Key")
        })?;
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return Ok(next.run(request).await);
    };
    let (mut parts, body) = request.into_parts();
    let body = Bytes::from_request(Request::new(body), &())
        .await
        .map_err(|rejection| unread(&rejection))?;
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let scope: [&[u8]; 4] = [
        caller.actor.as_bytes(),
        parts.method.as_str().as_bytes(),
        parts.uri.path().as_bytes(),
        key.as_bytes(),
    ];
    let seal = RequestKey::of(api, &caller.workspace, &scope).await?;
    let mut asked = vec![target.as_bytes(), &body];
    // Only where it is there, so that claims from before it was known are found.
    asked.extend(
        parts
            .headers
            .get(header::IF_MATCH)
            .map(HeaderValue::as_bytes),
    );
    let fingerprint = digest(&asked);
    let journal = api.desk.journal();
    match claim(
        journal,
        api.desk.clock(),
        &caller.workspace,
        &scope,
        fingerprint,
    )
    .await?
    {
        Claiming::Answered(answer) => {
            meters::answered_again();
            Ok(replay(opened(api, &caller, answer, &seal).await?))
        }
        Claiming::Reused => Err(reused()),
        Claiming::Go(claimed) => {
            failpoint::reach("request.claimed");
            let workspace = caller.workspace.clone();
            parts.extensions.insert(Caller {
                claim: Some(Arc::clone(&claimed)),
                ..caller
            });
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            keep(api, &workspace, &claimed, response, &seal).await
        }
    }
}

fn reused() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "/problems/idempotency-key-reused",
        "Idempotency-Key was used before",
    )
    .detail("This key was sent with another request; send a new key with a new request")
    .field("Idempotency-Key")
}

/// Whether the same request may well be carried out in a moment: a failure, or a refusal that says
/// when to come back.
fn is_transient(response: &Response) -> bool {
    let status = response.status();
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || response.headers().contains_key(header::RETRY_AFTER)
}

/// Keeps what a second try should hear; a failure that may pass is not kept.
async fn keep(
    api: &Api,
    workspace: &Token,
    claimed: &Claimed,
    response: Response,
    seal: &RequestKey,
) -> Result<Response, Problem> {
    if is_transient(&response) {
        return Ok(response);
    }
    let status = response.status();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let header = |name: &HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    };
    let about = parts
        .extensions
        .get::<About>()
        .map(|About(about)| about.clone());
    let plain = String::from_utf8_lossy(&bytes).into_owned();
    let body = match &about {
        Some(about) => sealed(api, workspace, about, &plain).await?,
        None => plain,
    };
    let answer = KeptAnswer {
        status: status.as_u16(),
        headers: [
            header::CONTENT_TYPE,
            header::LOCATION,
            header::ETAG,
            POSITION,
        ]
        .iter()
        .filter_map(header)
        .collect(),
        body: seal.0.seal(CONTEXT, body.as_bytes()),
        sealed: true,
        about,
    };
    // Not kept: a retry carries the request out under the same ids, to the same result.
    if let Err(error) = claimed.answered(answer).await {
        tracing::warn!(%error, "an answer was not kept for its Idempotency-Key");
    }
    failpoint::reach("request.kept");
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn replay(answer: KeptAnswer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Seals what is kept of a request: an answer may repeat what was typed, also where it was refused and
/// therefore names nobody whom we know. It is made of a secret of ours and of the `Idempotency-Key` itself, of
/// which only a hash is kept: who has log and vault, but not the request, reads nothing.
struct RequestKey(DataKey);

impl RequestKey {
    async fn of(api: &Api, workspace: &Token, scope: &[&[u8]]) -> Result<Self, Problem> {
        let vault = api.desk.journal().vault();
        let secret = api
            .answers
            .get_or_try_init(|| vault.secret("answers"))
            .await;
        let secret = secret.map_err(JournalError::from)?;
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key");
        for part in [workspace.as_str().as_bytes()].iter().chain(scope) {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        Ok(Self(DataKey::new(&mac.finalize().into_bytes().into())))
    }
}

/// What is kept of an answer that names a person is erased with that person.
async fn sealed(api: &Api, workspace: &Token, about: &str, plain: &str) -> Result<String, Problem> {
    let subject = Subject::named(workspace.clone(), about);
    let key = api
        .desk
        .journal()
        .vault()
        .key(&subject)
        .await
        .map_err(JournalError::from)?;
    Ok(key.seal(CONTEXT, plain.as_bytes()))
}

async fn opened(
    api: &Api,
    caller: &Caller,
    mut answer: KeptAnswer,
    seal: &RequestKey,
) -> Result<KeptAnswer, Problem> {
    if answer.sealed {
        let opened = seal.0.open(CONTEXT, &answer.body).map(String::from_utf8);
        let Some(Ok(opened)) = opened else {
            return Err(Problem::internal(&"a kept answer does not open"));
        };
        answer.body = opened;
    }
    let Some(about) = &answer.about else {
        return Ok(answer);
    };
    let subject = Subject::named(caller.workspace.clone(), about);
    let key = api
        .desk
        .journal()
        .vault()
        .find(&subject)
        .await
        .map_err(JournalError::from)?;
    let plain = key
        .kept()
        .and_then(|key| key.open(CONTEXT, &answer.body))
        .ok_or_else(|| {
            Problem::new(StatusCode::GONE, "/problems/erased", "Erased")
                .detail("The request was carried out, and the person it names was erased since")
        })?;
    Ok(KeptAnswer {
        body: String::from_utf8_lossy(&plain).into_owned(),
        ..answer
    })
}

#[cfg(test)]
mod tests;
