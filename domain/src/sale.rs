//! A sale is what a transferred lead becomes: from first papers to paid or to lost.
//!
//! Read in this order: `stage`, `event`, `command`, `aggregate`.
//! Invariant: one sale per transferred lead; a paid or lost sale is never reopened.

pub mod aggregate;
pub mod command;
pub mod event;
pub mod stage;
