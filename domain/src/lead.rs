//! A lead travels from first message to sales or to lost; every step is an event.
//!
//! Read in this order: `source`, `details`, `event`, `command`, `aggregate`, then `scoring`.
//! Invariant: a lead takes no step that its pipeline does not have. In `sales-team` a transferred or lost
//! lead is never reopened; a new one is opened instead. Only the undo of the very step takes it back.

pub mod aggregate;
pub mod command;
pub mod details;
pub mod event;
pub mod scoring;
pub mod source;
