//! Answers to changes: the new state, and the position from which reads show it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use journal::position::Position;
use serde::Serialize;

use super::version;

/// Where a change was written, and what a read may ask to be shown.
pub const POSITION: HeaderName = HeaderName::from_static("rapport-position");

/// A changed thing: its new state, and where that was written.
#[derive(Debug)]
pub struct Changed<T> {
    /// The new state.
    pub body: T,
    /// Where it was written.
    pub position: Position,
    /// The path of what was created, where something was.
    pub created: Option<String>,
    /// The record's version, which is its `ETag`, where the body is a whole record.
    pub version: Option<u64>,
    /// Whom the body names, where it names a person: `contact-7`.
    pub about: Option<About>,
}

/// Whom an answer names; what is kept of it for retries is sealed with that person's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About(pub String);

impl<T> Changed<T> {
    /// The same, naming this person.
    #[must_use]
    pub fn about(self, category: &str, id: impl std::fmt::Display) -> Self {
        Self {
            about: Some(About(format!("{category}-{id}"))),
            ..self
        }
    }

    /// The same, of a record at this version.
    #[must_use]
    pub fn version(self, version: u64) -> Self {
        Self {
            version: Some(version),
            ..self
        }
    }
}

impl<T: Serialize> IntoResponse for Changed<T> {
    fn into_response(self) -> Response {
        let status = if self.created.is_some() {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let mut response = (status, Json(self.body)).into_response();
        if let Ok(position) = HeaderValue::try_from(self.position.to_string()) {
            response.headers_mut().insert(POSITION, position);
        }
        if let Some(version) = self.version {
            let tag = version::tag(version);
            response.headers_mut().insert(header::ETAG, tag);
        }
        if let Some(about) = self.about {
            response.extensions_mut().insert(about);
        }
        if let Some(Ok(location)) = self.created.map(HeaderValue::try_from) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

/// Something is not shown any more; where that was written.
#[derive(Debug, Clone, Copy)]
pub struct Removed(pub Position);

impl IntoResponse for Removed {
    fn into_response(self) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        if let Ok(position) = HeaderValue::try_from(self.0.to_string()) {
            response.headers_mut().insert(POSITION, position);
        }
        response
    }
}

/// The last position of each partition that this process told a caller: reads through the same
/// process wait for it, so that a caller that knows nothing of positions reads its own writes.
#[derive(Debug, Clone)]
pub struct Acknowledged(Arc<[AtomicU64]>);

impl Acknowledged {
    /// Nothing was told yet.
    #[must_use]
    pub fn new(partitions: u16) -> Self {
        Self((0..partitions).map(|_| AtomicU64::new(0)).collect())
    }

    /// Remembers that a caller was told this position.
    pub fn tell(&self, position: Position) {
        if let Some(last) = self.0.get(usize::from(position.partition)) {
            last.fetch_max(position.sequence, Ordering::Relaxed);
        }
    }

    /// The last position that was told in a partition.
    #[must_use]
    pub fn last(&self, partition: u16) -> Position {
        let sequence = self
            .0
            .get(usize::from(partition))
            .map_or(0, |last| last.load(Ordering::Relaxed));
        Position {
            partition,
            sequence,
        }
    }
}
