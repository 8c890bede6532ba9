//! What stories across crates are told with.
//!
//! - [`crm`]: a whole Rapport of real processes, on either profile, and what may be asked of it
//! - [`answer`]: what it answers
//! - [`forgotten`]: whether anything names somebody who was erased
//! - [`process`]: one `rapport` process
//! - [`servers`]: private NATS and PostgreSQL servers, started by a test and gone with it
//! - [`chaos`]: faults thrown at all of these while clients work
//! - [`history`]: what the clients saw, and whether it can be true
//! - [`dice`]: seeded randomness

pub mod answer;
pub mod chaos;
pub mod crm;
pub mod dice;
pub mod forgotten;
pub mod history;
pub mod process;
pub mod servers;

/// Tells each story on both profiles: embedded, and NATS with PostgreSQL.
///
/// A story is an `async fn(Crm)`, after the settings of its Rapport where it needs any; the macro makes a test of it in `mod embedded` and another in
/// `mod cluster`.
#[macro_export]
macro_rules! on_both_profiles {
    ($settings:expr; $($story:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $story() {
                super::$story($crate::crm::Crm::embedded_with($settings).await).await;
            })+
        }

        mod cluster {
            $(#[tokio::test]
            async fn $story() {
                super::$story($crate::crm::Crm::cluster_with($settings).await).await;
            })+
        }
    };
    ($($story:ident),+ $(,)?) => {
        $crate::on_both_profiles!(&[]; $($story),+);
    };
}
