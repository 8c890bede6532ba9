//! Lists in parts: `limit`, `cursor`, and a `Link` to the next part.

use std::fmt::Display;

use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use commands::http::problem::Problem;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::db::Value;
use crate::projection::Projection;
use crate::question::Question;
use crate::views::{Reader, ScreenName};

pub(super) const DEFAULT: u16 = 50;
pub(super) const MOST: u16 = 500;

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Part {
    /// How many; 50 unless said.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u16>,
    /// Where to go on, from the `Link` header.
    #[param(pattern = "^[0-9]{1,19}$")]
    pub cursor: Option<String>,
}

impl Part {
    /// The id behind which the list goes on, and how many to list.
    pub fn bounds(&self) -> Result<(Option<u64>, u16), Problem> {
        let limit = limited(self.limit.unwrap_or(DEFAULT))?;
        let cursor = self.cursor.as_deref().map(str::parse).transpose();
        let before = cursor
            .map_err(|_| Problem::invalid("cursor", "cursor must come from a Link header"))?;
        Ok((before, limit))
    }
}

/// As many as may be listed at once.
pub(super) fn limited(limit: u16) -> Result<u16, Problem> {
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    let allowed = format!("limit must be from 1 to {MOST}");
    Err(Problem::invalid("limit", allowed))
}

/// A part of the list of a projection's records, the newest first.
pub async fn list<P: Projection>(
    reader: &Reader,
    part: &Part,
    uri: &Uri,
) -> Result<Response, Problem> {
    let (before, limit) = part.bounds()?;
    let question = Question {
        after: before.map(|id| (Value::Null, id)),
        limit: limit.into(),
        ..Question::default()
    };
    let page = reader.list::<P>(ScreenName::of::<P>(), &question).await?;
    let next = page.next.map(|(_, id)| id);
    Ok(linked(json_list(&page.bodies), next, uri))
}

/// A list of what is JSON already.
pub(super) fn json_list(bodies: &[String]) -> Response {
    json(format!("[{}]", bodies.join(",")))
}

/// A part of a list, and where the next one is.
#[must_use]
pub fn linked(mut response: Response, next: Option<impl Display>, uri: &Uri) -> Response {
    if let Some(next) = next
        && let Ok(link) = HeaderValue::try_from(format!("<{}>; rel=\"next\"", behind(uri, next)))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// A body that is JSON already.
#[must_use]
pub fn json(body: String) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        body,
    )
        .into_response()
}

/// The same list, behind this cursor.
fn behind(uri: &Uri, cursor: impl Display) -> String {
    let query = uri.query().unwrap_or_default().split('&');
    let kept = query.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let cursor = format!("cursor={cursor}");
    let query: Vec<_> = kept.chain([cursor.as_str()]).collect();
    format!("{}?{}", uri.path(), query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn the_next_part_keeps_the_question() {
        let next = |uri: &str| behind(&uri.parse().unwrap(), 7);
        assert_eq!(next("/api/v1/leads"), "/api/v1/leads?cursor=7");
        assert_eq!(
            next("/api/v1/leads?stage=new&cursor=9&limit=2"),
            "/api/v1/leads?stage=new&limit=2&cursor=7"
        );
    }
}
