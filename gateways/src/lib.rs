//! What talks to the outside world.
//!
//! - [`ai`]: judges a lead, by documented rules or by a language model
//! - [`analysis`]: keeps what an analyst says of a lead, and asks again only when it must
//! - [`automation`]: analyses and transfers leads by the rules that a workspace switched on
//! - [`webhooks`]: tells others what happens, as signed HTTP calls
//! - [`http`]: the routes that need the outside world
//! - [`tls`]: the one TLS provider
//!
//! Invariant: no key, phone or text of a message ever reaches a log from here.

pub mod ai;
pub mod analysis;
pub mod automation;
pub mod http;
pub mod tls;
pub mod webhooks;
