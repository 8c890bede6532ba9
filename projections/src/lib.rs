//! The read side: screens that follow the log, and the routes that answer from them.
//!
//! - [`projection`]: what a screen is made of; [`leads`], [`sales`], [`contacts`], [`funnel`]
//!   and [`webhooks`] are such screens, [`dashboard`] adds up their counts, [`timeline`] reads the log itself
//! - [`listing`]: a screen with a row for each small thing: [`due`], [`deliveries`]
//! - [`ticker`]: turns what is due into commands
//! - [`follower`]: feeds them; rows and checkpoint move in one transaction
//! - [`registry`]: generations of tables, their checkpoints and keepers
//! - [`views`]: reads, from the generation that is active now
//! - [`backtest`]: history under another scoring rule
//! - [`http`]: the read routes
//! - [`db`], [`table`], [`change`], [`progress`]: what these are made of
//!
//! Invariant: a read model holds nothing that the log cannot give back, so it is rebuilt and
//! never migrated.

pub mod backtest;
pub mod change;
pub mod contacts;
pub mod dashboard;
pub mod db;
pub mod deliveries;
pub mod due;
pub mod follower;
pub mod funnel;
pub mod http;
pub mod leads;
pub mod listing;
pub mod meters;
pub mod progress;
pub mod projection;
pub mod registry;
pub mod sales;
pub mod status;
pub mod table;
pub mod ticker;
pub mod timeline;
pub mod views;
pub mod webhooks;

use std::sync::Arc;

use listing::listing;
use projection::{Screen, screen};

/// Every screen.
#[must_use]
pub fn screens() -> Arc<[Box<dyn Screen>]> {
    Arc::new([
        screen::<leads::Leads>(),
        screen::<sales::Sales>(),
        screen::<contacts::Contacts>(),
        screen::<funnel::Funnel>(),
        screen::<webhooks::Webhooks>(),
        listing::<deliveries::Deliveries>(),
        listing::<due::Due>(),
    ])
}
