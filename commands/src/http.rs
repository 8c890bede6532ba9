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
//! - [`leads`], [`sales`], [`contacts`], [`automation`]: the routes themselves

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

use domain::key::Role;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use access::{open_to, open_to_forms_and};
use api::Api;

/// Every route that changes something.
#[must_use]
pub fn router(api: Api) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(open_to_forms_and(Role::Operator, routes!(leads::open)))
        .routes(open_to(Role::Operator, routes!(leads::describe)))
        .routes(open_to(Role::Operator, routes!(leads::change_stage)))
        .routes(open_to(Role::Operator, routes!(leads::record_messages)))
        .routes(open_to(Role::Operator, routes!(leads::add_tag)))
        .routes(open_to(Role::Operator, routes!(leads::remove_tag)))
        .routes(open_to(Role::Operator, routes!(leads::add_note)))
        .routes(open_to(Role::Operator, routes!(leads::transfer)))
        .routes(open_to(Role::Operator, routes!(sales::change)))
        .routes(open_to(Role::Operator, routes!(sales::change_stage)))
        .routes(open_to(Role::Operator, routes!(contacts::create)))
        .routes(open_to(Role::Operator, routes!(contacts::upsert)))
        .routes(open_to(Role::Operator, routes!(batch::routes::of_contacts)))
        .routes(open_to(Role::Operator, routes!(batch::routes::of_leads)))
        .routes(open_to(
            Role::Operator,
            routes!(contacts::change, contacts::remove),
        ))
        .routes(open_to(Role::Operator, routes!(contacts::add_phone)))
        .routes(open_to(Role::Operator, routes!(contacts::remove_phone)))
        .routes(open_to(Role::Operator, routes!(contacts::add_email)))
        .routes(open_to(Role::Operator, routes!(contacts::remove_email)))
        .routes(open_to(Role::Operator, routes!(contacts::add_tag)))
        .routes(open_to(Role::Operator, routes!(contacts::remove_tag)))
        .routes(open_to(Role::Operator, routes!(contacts::add_note)))
        .routes(open_to(Role::Admin, routes!(pipelines::open)))
        .routes(open_to(Role::Admin, routes!(pipelines::change)))
        .routes(open_to(Role::Admin, routes!(pipelines::add_stage)))
        .routes(open_to(Role::Admin, routes!(pipelines::change_stage)))
        .routes(open_to(Role::Admin, routes!(pipelines::reorder)))
        .routes(open_to(Role::Operator, routes!(undo::undo)))
        .routes(open_to(Role::Analyst, routes!(automation::list_rules)))
        .routes(open_to(Role::Admin, routes!(automation::set_rule)))
        .with_state(api)
}
