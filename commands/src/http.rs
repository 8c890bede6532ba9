//! The write routes, and the vocabulary that all routes share.
//!
//! - [`problem`]: every error's one way out
//! - [`extract`], [`field`]: bodies, paths and queries that refuse with a field's name
//! - [`version`]: `ETag` and `If-Match`
//! - [`access`], [`caller`], [`limits`]: who calls, what they may do, how often
//! - `site`: no page of another site talks to the demo
//! - [`retry`]: the `Idempotency-Key` header
//! - [`views`], [`answer`]: what a lead, a sale, a contact looks like, and where it was written
//! - [`leads`], [`sales`], [`contacts`], [`automation`]: the routes themselves

pub mod access;
pub mod answer;
pub mod api;
pub mod automation;
pub mod caller;
pub mod contacts;
pub mod extract;
pub mod field;
pub mod leads;
pub mod limits;
pub mod problem;
mod refusals;
pub mod retry;
pub mod sales;
mod site;
pub mod undo;
pub mod version;
pub mod views;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use api::Api;

/// Every route that changes something.
#[must_use]
pub fn router(api: Api) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(leads::open))
        .routes(routes!(leads::describe))
        .routes(routes!(leads::change_stage))
        .routes(routes!(leads::record_messages))
        .routes(routes!(leads::add_tag))
        .routes(routes!(leads::remove_tag))
        .routes(routes!(leads::add_note))
        .routes(routes!(leads::transfer))
        .routes(routes!(sales::change))
        .routes(routes!(sales::change_stage))
        .routes(routes!(contacts::create))
        .routes(routes!(contacts::upsert))
        .routes(routes!(contacts::change, contacts::remove))
        .routes(routes!(contacts::add_phone))
        .routes(routes!(contacts::remove_phone))
        .routes(routes!(contacts::add_email))
        .routes(routes!(contacts::remove_email))
        .routes(routes!(undo::undo))
        .routes(routes!(automation::list_rules))
        .routes(routes!(automation::set_rule))
        .with_state(api)
}
