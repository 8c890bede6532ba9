//! The write side.
//!
//! - [`desk`]: the one door for changes, in this process or through NATS in another
//! - [`origin`], [`clock`]: who asked, when, because of what; [`precondition`]: of which version
//! - [`phones`]: phones as people write them
//! - [`numbers`], [`contacts`], [`keys`], [`sales`], [`undo`]: what takes more than one aggregate
//! - [`forget`]: a person who was erased, and what was written of their leads
//! - [`idempotency`]: a request that is retried after any crash finds the same result
//! - [`policies`]: an event in, commands out; [`lease`]: which process runs them
//! - [`effects`]: what aggregates decided to cause outside, carried out by gateways
//! - [`meters`]: what of all this is counted
//! - [`http`]: the write routes, and the vocabulary that read routes share
//!
//! Invariant: nothing changes but through [`desk::Desk`].

pub mod clock;
pub mod contacts;
pub mod desk;
pub mod effects;
pub mod forget;
pub mod http;
pub mod idempotency;
pub mod keys;
pub mod lease;
pub mod meters;
pub mod numbers;
pub mod origin;
pub mod people;
pub mod phones;
pub mod pipelines;
pub mod policies;
pub mod precondition;
pub mod sales;
pub mod undo;
pub mod vault;
