//! One record, now or as it was: the moment asked for, its card, and that there is none.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use commands::desk::{Desk, Handled};
use commands::http::problem::Problem;
use commands::http::version;
use jiff::Timestamp;
use jiff::civil::Date;
use journal::store::Loaded;
use serde::Deserialize;
use utoipa::IntoParams;

use super::page;
use crate::projection::Projection;
use crate::timeline::Happened;
use crate::views::Reader;

/// At which moment.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// As it was at this moment (RFC 3339), from the log; one in the future is now.
    #[param(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<String>,
}

impl AsOf {
    /// The moment, where one is asked for.
    pub fn moment(&self) -> Result<Option<Timestamp>, Problem> {
        self.as_of.as_deref().map(moment).transpose()
    }
}

pub(super) fn moment(text: &str) -> Result<Timestamp, Problem> {
    // In a query string, a plus sign that was not escaped is a space.
    let text = text.trim().replace(' ', "+");
    match text.parse() {
        Ok(moment) => Ok(moment),
        Err(_) if is_beyond_time(&text) => Ok(Timestamp::MAX),
        Err(_) => Err(Problem::invalid(
            "as_of",
            "as_of must be a moment such as 2026-11-21T08:30:00Z",
        )),
    }
}

/// A moment of the last year, which some use for "never": the last one that we know is days before its end.
fn is_beyond_time(text: &str) -> bool {
    let pieces = jiff::fmt::temporal::Pieces::parse(text);
    pieces.is_ok_and(|pieces| {
        pieces.date().year() == Date::MAX.year()
            && pieces.time().is_some()
            && pieces.offset().is_some()
    })
}

/// What a projection shows of a record: as it is kept, or as it was then, from the log. Who has this
/// version already is told so and no more.
pub async fn answer<P, A>(
    desk: &Desk,
    reader: &Reader,
    id: u64,
    ask: &AsOf,
    headers: &HeaderMap,
) -> Result<Response, Problem>
where
    P: Projection<Record = Loaded<A>>,
    A: Handled<Id: From<u64>>,
{
    tagged(body::<P, A>(desk, reader, id, ask).await?, headers)
}

/// The body of [`answer`].
pub(super) async fn body<P, A>(
    desk: &Desk,
    reader: &Reader,
    id: u64,
    ask: &AsOf,
) -> Result<String, Problem>
where
    P: Projection<Record = Loaded<A>>,
    A: Handled<Id: From<u64>>,
{
    let body = match ask.moment()? {
        Some(at) => {
            let workspace = reader.workspace();
            let record = desk.load_as_of::<A>(workspace, id.into(), at).await?;
            P::shown(id, &record).body
        }
        None => reader.card::<P>(id).await?,
    };
    body.ok_or_else(|| Problem::unknown(P::CATEGORY, id))
}

/// A card with its version as its tag.
pub(super) fn tagged(body: String, headers: &HeaderMap) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<u64>,
        #[serde(default)]
        contact_removed: bool,
    }
    let card: Versioned = serde_json::from_str(&body).map_err(|error| Problem::internal(&error))?;
    // A screen of an older program shows no version.
    let Some(number) = card.version else {
        return Ok(page::json(body));
    };
    let tag = if card.contact_removed {
        version::tag_beside(number)
    } else {
        version::tag(number)
    };
    let mut response = if version::is_known(headers, &tag)? {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        page::json(body)
    };
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// What happened to a record, or that there is none.
pub(super) fn known(
    happened: Vec<Happened>,
    what: &str,
    id: u64,
) -> Result<Json<Vec<Happened>>, Problem> {
    if happened.is_empty() {
        return Err(Problem::unknown(what, id));
    }
    Ok(Json(happened))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::moment;

    #[test]
    fn the_far_future_is_now() {
        for far in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999999Z",
            "9999-12-31T23:59:59-12:00",
        ] {
            assert_eq!(moment(far), Ok(Timestamp::MAX), "{far}");
        }
        assert!(moment("9998-12-31T23:59:59Z").is_ok());
        for wrong in [
            "9999-13-31T23:59:59Z",
            "9999-12-31",
            "9999-12-31T23:59:59",
            "never",
        ] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
