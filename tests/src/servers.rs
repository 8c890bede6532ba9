//! Private servers for tests: on free ports, in temporary folders, gone with the test.
//!
//! - [`nats`]: one NATS node, or a cluster of them
//! - [`postgres`]: one PostgreSQL server
//! - `kurrent`: a KurrentDB inside this process (feature `kurrent`)
//! - [`proxy`]: a bad network before one of them
//! - [`folder`]: a temporary folder
//! - [`tools`]: where their programs are, and those of clients and readers outside
//! - `child`, `signal`: a process that dies with us, and what it is told
//!
//! Invariant: nothing that a test starts outlives the test process, however that ends.

pub(crate) mod child;
pub mod folder;
#[cfg(feature = "kurrent")]
pub mod kurrent;
pub mod nats;
pub mod postgres;
pub mod proxy;
pub(crate) mod signal;
pub mod tools;

use std::time::{Duration, Instant};

pub use folder::Folder;
#[cfg(feature = "kurrent")]
pub use kurrent::Kurrent;
pub use nats::{NatsCluster, NatsServer};
pub use postgres::Postgres;
pub use proxy::{Proxy, Weather};
pub use tools::promtool;

/// How long a server may take until it is ready; two cores may be busy with other tests.
const READY_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until the condition holds; tells whether it did before the deadline.
pub async fn eventually(mut holds: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + READY_WITHIN;
    while !holds().await {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}
