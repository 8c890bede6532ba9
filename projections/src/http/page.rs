//! Lists in parts: `limit`, `cursor`, and a `Link` to the next part.

use axum::Json;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use commands::http::problem::Problem;

use crate::timeline::Happened;
use crate::views::Page;

const DEFAULT: u16 = 50;
const MOST: u16 = 500;

/// How many to list: 50 unless said, 1 to 500.
pub fn limit(asked: Option<u16>) -> Result<u16, Problem> {
    match asked {
        None => Ok(DEFAULT),
        Some(limit @ 1..=MOST) => Ok(limit),
        Some(_) => Err(Problem::invalid("limit", "limit must be from 1 to 500")),
    }
}

/// The id behind which a list goes on.
pub fn cursor(asked: Option<&str>) -> Result<Option<u64>, Problem> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| Problem::invalid("cursor", "cursor must come from a Link header"))
    };
    asked.map(parse).transpose()
}

/// A moment in the past, as RFC 3339.
pub fn moment(asked: Option<&str>) -> Result<Option<jiff::Timestamp>, Problem> {
    // In a query string, a plus sign that was not escaped is a space.
    let parse = |text: &str| {
        text.trim().replace(' ', "+").parse().map_err(|_| {
            Problem::invalid(
                "as_of",
                "as_of must be a moment such as 2026-11-21T08:30:00Z",
            )
        })
    };
    asked.map(parse).transpose()
}

/// What happened to a record, or that there is none.
pub(super) fn known(
    happened: Vec<Happened>,
    what: &str,
    id: u64,
) -> Result<Json<Vec<Happened>>, Problem> {
    if happened.is_empty() {
        return Err(Problem::not_found(format!("There is no {what} {id}")).field("id"));
    }
    Ok(Json(happened))
}

/// A JSON array, and where the next part is.
#[must_use]
pub fn answer(page: &Page, uri: &Uri) -> Response {
    linked(json(format!("[{}]", page.bodies.join(","))), page.next, uri)
}

/// A part of a list, and where the next one is.
#[must_use]
pub fn linked(mut response: Response, next: Option<u64>, uri: &Uri) -> Response {
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

/// The same list, behind this id.
fn behind(uri: &Uri, id: u64) -> String {
    let query = uri.query().unwrap_or_default().split('&');
    let kept = query.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let cursor = format!("cursor={id}");
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
