//! What talks to the outside world.
//!
//! - [`ai`]: judges a lead, by documented rules or by a language model
//! - [`tls`]: the one TLS provider
//!
//! Invariant: no key, phone or text of a message ever reaches a log from here.

pub mod ai;
pub mod tls;
