//! Every error's one way out: problem+json (RFC 9457).

use std::fmt;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::id::ContactId;
use serde::Serialize;
use utoipa::ToSchema;

use super::version;

/// An error as every caller sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Tells kinds of problems apart; stable.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind, in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub detail: Option<Box<str>>,
    /// The field at fault, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The contacts that have what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<u64>>)]
    pub contact_ids: Option<Box<[u64]>>,
    /// Seconds to wait before the next try, where waiting helps.
    #[serde(skip)]
    pub retry_after: Option<u32>,
    /// The record's version, where the caller decided on another one.
    #[serde(skip)]
    pub version: Option<u64>,
}

impl Problem {
    /// A problem of this kind.
    #[must_use]
    pub const fn new(status: StatusCode, kind: &'static str, title: &'static str) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: None,
            field: None,
            contact_ids: None,
            retry_after: None,
            version: None,
        }
    }

    /// What happened here, and what to do next.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into());
        self
    }

    /// The field at fault.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The contacts that have what was asked for.
    #[must_use]
    pub fn contacts(mut self, ids: impl IntoIterator<Item = ContactId>) -> Self {
        self.contact_ids = Some(ids.into_iter().map(|ContactId(id)| id).collect());
        self
    }

    /// The same of an object in the body: `contact.phones[0]`.
    #[must_use]
    pub fn within(mut self, object: &str) -> Self {
        self.field = self.field.map(|field| format!("{object}.{field}"));
        self
    }

    /// Seconds to wait before the next try.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A value that cannot be taken: which field, and what is allowed.
    #[must_use]
    pub fn invalid(field: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "/problems/invalid",
            "Invalid value",
        )
        .detail(allowed)
        .field(field)
    }

    /// There is no such thing here.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "/problems/not-found", "Not found").detail(detail)
    }

    /// There is no lead, sale or whatever it is of this number.
    #[must_use]
    pub fn unknown(what: &str, id: impl fmt::Display) -> Self {
        Self::not_found(format!("There is no {what} {id}")).field("id")
    }

    /// The state does not allow it.
    #[must_use]
    pub fn conflict(kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, kind, title).detail(detail)
    }

    /// The record is at another version than the request's `If-Match` names.
    #[must_use]
    pub fn precondition_failed(current: u64) -> Self {
        Self {
            version: Some(current),
            ..Self::new(
                StatusCode::PRECONDITION_FAILED,
                "/problems/precondition-failed",
                "It was changed meanwhile",
            )
            .detail(format!(
                "The record is at version {current} by now, and If-Match names another; read it again and decide again"
            ))
            .field("If-Match")
        }
    }

    /// Something of ours does not answer; trying again is safe.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "/problems/unavailable",
            "Temporarily unavailable",
        )
        .detail(detail)
        .retry_after(1)
    }

    /// A fault of ours: logged here, and told without its inside.
    #[must_use]
    pub fn internal(error: &dyn fmt::Display) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "about:blank", "Internal error")
            .detail("The error was logged. Try again; if it stays, give the operator the time of this answer.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let json = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, json)], body).into_response();
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so nothing else can come over this connection.
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(version) = self.version {
            response
                .headers_mut()
                .insert(header::ETAG, version::tag(version));
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"rapport\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
