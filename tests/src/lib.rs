//! What stories across crates are told with.
//!
//! - [`crm`]: a whole Rapport of real processes, on either profile, and what may be asked of it
//! - [`answer`]: what it answers
//! - [`process`]: one `rapport` process
//! - [`servers`]: private NATS and PostgreSQL servers, started by a test and gone with it
//! - [`chaos`]: faults thrown at all of these while clients work
//! - [`history`]: what the clients saw, and whether it can be true
//! - [`dice`]: seeded randomness

pub mod answer;
pub mod chaos;
pub mod crm;
pub mod dice;
pub mod history;
pub mod process;
pub mod servers;

/// Tells each story on both profiles: embedded, and NATS with PostgreSQL.
///
/// A story is an `async fn(Crm)`; the macro makes a test of it in `mod embedded` and another in
/// `mod cluster`.
#[macro_export]
macro_rules! on_both_profiles {
    ($($story:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $story() {
                super::$story($crate::crm::Crm::embedded().await).await;
            })+
        }

        mod cluster {
            $(#[tokio::test]
            async fn $story() {
                super::$story($crate::crm::Crm::cluster().await).await;
            })+
        }
    };
}
