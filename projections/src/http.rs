//! The read routes.
//!
//! Every read shows at least what this process told its callers was written; who was told so by
//! another process sends its `Rapport-Position` along.

pub mod card;
pub mod contacts;
pub mod dashboard;
mod expand;
pub mod leads;
pub mod list;
pub mod page;
pub mod pipelines;
mod removed;
pub mod reports;
pub mod sales;
pub mod since;

use axum::extract::FromRef;
use commands::desk::Desk;
use commands::http::answer::Acknowledged;
use commands::phones::PhoneRegion;
use commands::pipelines::Pipelines;
use jiff::tz::TimeZone;
use utoipa_axum::router::OpenApiRouter;

use crate::views::Views;

/// What the read routes work with. Cheap to clone.
#[derive(Clone)]
pub struct ReadApi {
    /// The views.
    pub views: Views,
    /// What callers of this process were told.
    pub acknowledged: Acknowledged,
    /// For reads of how it was.
    pub desk: Desk,
    /// How pipelines stand.
    pub pipelines: Pipelines,
    /// Whose days periods are made of.
    pub zone: TimeZone,
    /// The country of phones that name none.
    pub phone_region: PhoneRegion,
}

impl FromRef<ReadApi> for Desk {
    fn from_ref(api: &ReadApi) -> Self {
        api.desk.clone()
    }
}

/// Every route that only reads.
#[must_use]
pub fn router(api: ReadApi) -> OpenApiRouter {
    OpenApiRouter::new()
        .merge(leads::routes())
        .merge(sales::routes())
        .merge(contacts::routes())
        .merge(pipelines::routes())
        .merge(dashboard::routes())
        .merge(reports::routes())
        .with_state(api)
}
