//! The write routes, and the vocabulary that all routes share.
//!
//! - [`problem`]: every error's one way out
//! - [`extract`], [`field`]: bodies, paths and queries that refuse with a field's name
//! - [`version`]: `ETag` and `If-Match`
//! - [`access`], [`caller`], [`limits`]: who calls, what they may do, how often
//! - `site`: no page of another site talks to the demo
//! - [`retry`]: the `Idempotency-Key` header
//! - [`views`], [`answer`]: what a lead, a sale, a contact looks like, and where it was written
//! - [`batch`]: many rows in one request
//! - [`leads`], [`sales`], [`contacts`], [`pipelines`], [`automation`]: the routes themselves, each with its refusals

pub mod access;
pub mod answer;
pub mod api;
pub mod automation;
pub mod batch;
pub mod caller;
pub mod contacts;
pub mod extract;
pub mod field;
pub mod leads;
pub mod limits;
pub mod pipelines;
pub mod problem;
mod refusals;
pub mod retry;
pub mod sales;
mod site;
pub mod undo;
pub mod version;
pub mod views;

use utoipa_axum::router::OpenApiRouter;

use api::Api;

/// Every route that changes something.
#[must_use]
pub fn router(api: Api) -> OpenApiRouter {
    OpenApiRouter::new()
        .merge(leads::routes())
        .merge(sales::routes())
        .merge(contacts::routes())
        .merge(batch::routes::routes())
        .merge(pipelines::routes())
        .merge(undo::routes())
        .merge(automation::routes())
        .with_state(api)
}
