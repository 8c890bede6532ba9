//! Reports: leads, sales and money over time, by whatever describes them, now or as of a moment.
//!
//! Read in this order:
//!
//! - [`facts`]: what is counted of a lead and its sale, and by which [`facts::Dimension`]s
//! - [`measures`]: the one table of what each figure means and which facts it is made of
//! - [`journey`]: what is remembered of a lead and the sales it became, and the facts that follow
//! - [`screen`]: keeps facts twice: as counts by [`crate::slots`], and as rows that say from when until
//!   when each was known
//! - [`sums`]: what facts add up to, and the figures that follow
//! - [`calendar`]: days, weeks and months of a zone
//! - [`read`]: answers a question from counts, or, as of a moment, from rows
//! - [`table`]: the answer as rows, and those as CSV
//!
//! Invariant: words that people wrote leave every table in the transaction that sees their person
//! forgotten, whether as a row's value or as a count's key.

pub mod calendar;
pub mod csv;
pub mod facts;
pub mod journey;
pub mod measures;
pub mod read;
pub mod screen;
pub mod sums;
pub mod table;
