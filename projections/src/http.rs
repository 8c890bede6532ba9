//! The read routes.
//!
//! Every read shows at least what this process told its callers was written; who was told so by
//! another process sends its `Rapport-Position` along.

pub mod card;
pub mod contacts;
pub mod dashboard;
pub mod leads;
pub mod page;
mod removed;
pub mod sales;
pub mod since;

use axum::extract::FromRef;
use commands::desk::Desk;
use commands::http::answer::Acknowledged;
use jiff::tz::TimeZone;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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
    /// Whose days periods are made of.
    pub zone: TimeZone,
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
        .routes(routes!(leads::list))
        .routes(routes!(leads::card))
        .routes(routes!(leads::timeline))
        .routes(routes!(sales::list))
        .routes(routes!(sales::card))
        .routes(routes!(sales::timeline))
        .routes(routes!(contacts::list))
        .routes(routes!(contacts::card))
        .routes(routes!(contacts::timeline))
        .routes(routes!(dashboard::dashboard))
        .routes(routes!(dashboard::leads_by_stage))
        .routes(routes!(dashboard::sales_by_stage))
        .routes(routes!(dashboard::conversion_funnel))
        .with_state(api)
}
