//! A sale is what a transferred lead becomes: from first papers to paid or to lost.
//!
//! Read in this order: `event`, `command`, `aggregate`.
//! Invariant: one sale per transferred lead; a sale takes no step that its pipeline does not have.

pub mod aggregate;
pub mod command;
pub mod event;
