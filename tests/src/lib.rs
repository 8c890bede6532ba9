//! What stories across crates are told with.
//!
//! - [`servers`]: private NATS and PostgreSQL servers, started by a test and gone with it

pub mod servers;
