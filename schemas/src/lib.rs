//! How events are stored.
//!
//! - [`codec`]: one event to JSON and back, whatever version it was written in
//! - [`upcast`]: old payloads to new, one function per step
//! - [`any`]: an event of any aggregate, for those who read the whole log
//! - [`envelope`]: the JSON Schema of a whole message
//! - [`catalog`]: the JSON Schema and a golden sample of every event and version
//!
//! `events/` holds the generated schemas and the samples that must load for ever.

pub mod any;
pub mod asyncapi;
pub mod catalog;
pub mod codec;
pub mod envelope;
pub mod upcast;
