//! What the system answers, in a form that stories compare.

use std::collections::BTreeMap;

use serde_json::Value;

/// The same with its keys in order: whether `serde_json` keeps their order depends on what else
/// is built beside it.
#[must_use]
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Content-Type`, or nothing.
    pub content_type: String,
    /// `Rapport-Position`, where the answer has one.
    pub position: Option<String>,
    /// `Link`, where the answer has one.
    pub link: Option<String>,
    /// `Retry-After`, where the answer has one.
    pub retry_after: Option<String>,
    /// `Location`, where the answer has one.
    pub location: Option<String>,
    /// `ETag`, where the answer has one.
    pub etag: Option<String>,
    /// Whether it was given before, to the same `Idempotency-Key`.
    pub replayed: bool,
    /// The body as JSON; null where it is none.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// Reads an answer to its end.
    ///
    /// # Errors
    ///
    /// Where the connection ends before the answer does.
    pub async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let header = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let (status, content_type) = (
            response.status().as_u16(),
            header("content-type").unwrap_or_default(),
        );
        let (position, link, retry_after) = (
            header("rapport-position"),
            header("link"),
            header("retry-after"),
        );
        let (location, etag) = (header("location"), header("etag"));
        let replayed = header("idempotency-replayed").is_some();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Self {
            status,
            content_type,
            position,
            link,
            retry_after,
            location,
            etag,
            replayed,
            body,
            text,
        })
    }

    /// The body, of an answer that is no refusal.
    ///
    /// # Panics
    ///
    /// Where it is one.
    #[expect(clippy::must_use_candidate, reason = "often all a story wants to know")]
    pub fn good(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{} {}",
            self.status,
            self.text
        );
        self.body
    }

    /// Status, content type and body, for a snapshot.
    #[must_use]
    pub fn shown(&self) -> String {
        let body = serde_json::to_string_pretty(&sorted(&self.body)).unwrap_or_default();
        format!("{} {}\n{body}", self.status, self.content_type)
    }
}
