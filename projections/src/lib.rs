//! The read side: screens that follow the log, and the routes that answer from them.
//!
//! - [`projection`]: what a screen is made of; [`leads`], [`sales`], [`contacts`], [`funnel`]
//!   and [`webhooks`] are such screens, [`dashboard`] adds up their counts, [`timeline`] reads the log itself
//! - [`reports`]: leads, sales and money over time, now or as of a moment; [`histogram`]: medians
//! - [`period`], [`slots`]: when something came in, and how that is counted
//! - [`before`]: the versions before those of today
//! - [`columns`], [`question`]: by what a list is filtered and sorted, and the query that answers
//! - [`listing`]: a screen with a row for each small thing: [`due`], [`deliveries`], [`addresses`], [`pipelines`]
//! - [`ticker`]: turns what is due into commands; `timed`: of which aggregates
//! - [`follower`]: feeds them; rows and checkpoint move in one transaction
//! - [`registry`]: generations of tables, their checkpoints and keepers
//! - [`views`]: reads, from the generation that is active now
//! - [`backtest`]: history under another scoring rule
//! - [`http`]: the read routes
//! - `before`: screens as the version before today's kept them
//! - `older`: an older program, for the story of an upgrade
//! - [`db`], [`table`], [`change`], [`progress`]: what these are made of
//!
//! Invariant: a read model holds nothing that the log cannot give back, so it is rebuilt and
//! never migrated.

pub mod addresses;
pub mod backtest;
pub mod before;
pub mod change;
pub mod columns;
pub mod contacts;
pub mod dashboard;
pub mod db;
pub mod deliveries;
pub mod due;
pub mod follower;
pub mod funnel;
pub mod histogram;
pub mod http;
pub mod leads;
pub mod listing;
pub mod meters;
mod older;
pub mod period;
pub mod pipelines;
pub mod progress;
pub mod projection;
pub mod question;
pub mod registry;
pub mod reports;
pub mod sales;
pub mod slots;
pub mod status;
pub mod table;
pub mod ticker;
mod timed;
pub mod timeline;
pub mod total;
pub mod views;
pub mod webhooks;

use std::sync::Arc;

use listing::listing;
use projection::{Screen, screen, screen_as};

/// Every screen; of those whose version was raised, the one before too, so that it answers until
/// the new one is built.
#[must_use]
pub fn screens() -> Arc<[Box<dyn Screen>]> {
    let screens = [
        screen::<leads::Leads>(),
        screen::<before::LeadsWithoutLabels>(),
        screen::<before::Leads>(),
        screen_as::<before::Leads>(2),
        screen::<sales::Sales>(),
        screen_as::<sales::Sales>(3),
        screen::<before::Sales>(),
        screen::<contacts::Contacts>(),
        screen::<before::ContactsWithoutLabels>(),
        screen::<before::Contacts>(),
        screen::<funnel::Funnel>(),
        screen_as::<funnel::Funnel>(3),
        screen::<before::Funnel>(),
        Box::new(reports::screen::Reports),
        screen::<webhooks::Webhooks>(),
        screen_as::<webhooks::Webhooks>(1),
        listing::<deliveries::Deliveries>(),
        listing::<before::Deliveries>(),
        listing::<addresses::Addresses>(),
        listing::<pipelines::Declared>(),
        listing::<due::Due>(),
        listing::<before::Due>(),
    ];
    let here = screens.into_iter().filter(|screen| older::has(&**screen));
    here.collect()
}

#[cfg(test)]
mod tests {
    use domain::contact::event::ContactEvent;
    use domain::event::Stored;
    use domain::lead::event::LeadEvent;
    use domain::sale::event::SaleEvent;

    use super::contacts::Contacts;
    use super::funnel::Funnel;
    use super::leads::Leads;
    use super::projection::{Projection as _, Screen as _, newest};
    use super::reports::screen::Reports;
    use super::sales::Sales;
    use super::screens;

    #[test]
    fn of_a_screen_whose_version_was_raised_the_one_before_answers_until_it_is_built() {
        let all = screens();
        for screen in newest(&all).filter(|screen| screen.version() > 1) {
            let (name, before) = (screen.name(), screen.version() - 1);
            let kept = all
                .iter()
                .any(|other| (other.name(), other.version()) == (name, before));
            assert!(kept, "{name} {before} is kept by nobody: see screen_as");
        }
    }

    /// The sum of the versions of an aggregate's events.
    fn versions<E: Stored>() -> u16 {
        E::KINDS.iter().map(|kind| kind.version).sum()
    }

    /// An older program that keeps a screen parks records whose events it cannot read, for ever. Where this
    /// fails, raise `VERSION` of each screen that reads those events, and then the numbers here.
    #[test]
    fn a_screen_has_a_new_version_where_older_programs_cannot_read_its_events() {
        let (lead, sale) = (versions::<LeadEvent>(), versions::<SaleEvent>());
        let contact = versions::<ContactEvent>();
        assert_eq!((Leads::VERSION, Funnel::VERSION, lead), (5, 4, 24));
        assert_eq!((Sales::VERSION, sale), (4, 6));
        assert_eq!((Contacts::VERSION, contact), (4, 16));
        assert_eq!((Reports.version(), lead + sale), (1, 30));
    }
}
