//! One record, now or as it was: the moment asked for, its card, and that there is none.

use axum::Json;
use axum::response::Response;
use commands::desk::{Desk, Handled};
use commands::http::problem::Problem;
use jiff::Timestamp;
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
    /// As it was at this moment (RFC 3339), from the log.
    pub as_of: Option<String>,
}

impl AsOf {
    /// The moment, where one is asked for.
    pub fn moment(&self) -> Result<Option<Timestamp>, Problem> {
        // In a query string, a plus sign that was not escaped is a space.
        let parse = |text: &str| text.trim().replace(' ', "+").parse();
        self.as_of.as_deref().map(parse).transpose().map_err(|_| {
            Problem::invalid(
                "as_of",
                "as_of must be a moment such as 2026-11-21T08:30:00Z",
            )
        })
    }
}

/// What a projection shows of a record: as it is kept, or as it was then, from the log.
pub async fn answer<P, A>(
    desk: &Desk,
    reader: &Reader,
    id: u64,
    ask: &AsOf,
) -> Result<Response, Problem>
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
    body.map(page::json)
        .ok_or_else(|| Problem::unknown(P::CATEGORY, id))
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
