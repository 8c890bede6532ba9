//! Bodies, paths and queries that refuse with a field's name and what is allowed.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::problem::Problem;

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A query string.
#[derive(Debug)]
pub struct Params<T>(pub T);

/// The `{id}` of a path: an integer from 1 up.
#[derive(Debug, Clone, Copy)]
pub struct Id(pub u64);

/// The `{id}` of a path, and the text of its last part.
#[derive(Debug)]
pub struct Within(pub u64, pub String);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = says_json(request.headers());
        let bytes = read(request, state).await?;
        if !is_json {
            return Err(unsupported());
        }
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out, or be `null`: everything in it has a default.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = says_json(request.headers());
        let bytes = read(request, state).await?;
        match bytes.trim_ascii() {
            b"" | b"null" => Ok(Self(T::default())),
            _ if !is_json => Err(unsupported()),
            body => parse(body).map(Self),
        }
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    let essence = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = essence.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let read = Bytes::from_request(request, state).await;
    read.map_err(|rejection| unread(&rejection))
}

fn unsupported() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "/problems/content-type",
        "Unsupported content type",
    )
    .detail("Send the header Content-Type: application/json")
    .field("Content-Type")
}

/// A body that could not be read: too large, or the caller went away.
pub(super) fn unread(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "/problems/too-large",
            "Too large",
        )
        .detail("A body has at most 1000000 bytes"),
        _ => Problem::new(
            StatusCode::BAD_REQUEST,
            "/problems/bad-body",
            "The body cannot be read",
        )
        .detail("The connection ended before the body did; send the request again"),
    }
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(no_object(bytes));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        shape(&path, error.inner())
    })?;
    json.end().map_err(|error| shape(".", &error))?;
    Ok(value)
}

/// serde would take an array for a struct, its values for the fields in their order.
fn no_object(bytes: &[u8]) -> Problem {
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => Problem::invalid("body", "the body must be a JSON object, with names: {…}"),
        Err(error) => no_json(&error),
    }
}

fn no_json(error: &serde_json::Error) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "/problems/bad-json",
        "The body is not JSON",
    )
    .detail(format!("{error}"))
}

fn shape(path: &str, error: &serde_json::Error) -> Problem {
    if !error.is_data() {
        return no_json(error);
    }
    let detail = error.to_string();
    match path {
        "." => Problem::invalid(named_in(&detail).unwrap_or("body"), without_place(&detail)),
        path => Problem::invalid(path, without_place(&detail)),
    }
}

/// serde names a missing, unknown or repeated field only in its message.
fn named_in(detail: &str) -> Option<&str> {
    let rest = detail
        .strip_prefix("missing field `")
        .or_else(|| detail.strip_prefix("unknown field `"))
        .or_else(|| detail.strip_prefix("duplicate field `"))?;
    rest.split('`').next()
}

fn without_place(detail: &str) -> &str {
    detail.split(" at line ").next().unwrap_or(detail)
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(pairs)
            .map(Self)
            .map_err(|error| {
                let (path, detail) = (error.path().to_string(), error.inner().to_string());
                let field = if path == "." {
                    named_in(&detail).unwrap_or("query").to_owned()
                } else {
                    path
                };
                Problem::invalid(field, detail)
            })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| bad_id())?;
        Self::parse(&text)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Within {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((id, text)) =
            path.map_err(|_| Problem::invalid("path", "path must be UTF-8, percent-encoded"))?;
        Ok(Self(Id::parse(&id)?.0, text))
    }
}

impl Id {
    /// The id that a part of a path is.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        match text.parse::<u64>() {
            Ok(id) if (1..=u64::MAX >> 1).contains(&id) && !text.starts_with('+') => Ok(Self(id)),
            _ => Err(bad_id()),
        }
    }
}

fn bad_id() -> Problem {
    Problem::invalid(
        "id",
        "id must be an integer from 1 up, as in /api/v1/leads/1",
    )
}
