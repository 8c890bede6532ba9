//! A contact is a person we can reach; every field is changed by an event of its own.
//!
//! Read in this order: `address` (phones and emails), `link`, `event`, `command`, `aggregate`.
//! Invariant: within a workspace a phone or an email belongs to one contact at most; the
//! [`crate::unique`] shards hold it, the contact only says which values it has.

pub mod address;
pub mod aggregate;
pub mod command;
pub mod event;
pub mod link;
