//! One store per kind of aggregate.

use journal::Journal;
use journal::store::{Storable, Store};

use super::Handled;
use super::local::Local;
use super::serve::{answer, unknown};

/// What aggregates of one kind may take in memory, in bytes; a lead takes about two kilobytes.
const CACHED_BYTES: u64 = 96 * 1024 * 1024;

macro_rules! stores {
    (@served [$($served:tt)*] $name:ident $variant:ident: $aggregate:ty, $event:ty, unserved; $($more:tt)*) => {
        stores! { @served [$($served)*] $($more)* }
    };
    (@served [$($served:tt)*] $name:ident $variant:ident: $aggregate:ty, $event:ty, $undo:ident; $($more:tt)*) => {
        stores! { @served [$($served)* $name: $aggregate,] $($more)* }
    };
    (@served [$($field:ident: $aggregate:ty,)+]) => {
        /// One store per kind of aggregate.
        #[derive(Debug)]
        pub struct Stores {
            journal: Journal,
            $($field: Store<$aggregate>),+
        }

        impl Stores {
            /// Every kind of aggregate, by its category.
            pub(super) const CATEGORIES: &[&'static str] =
                &[$(<$aggregate as cqrs_es::Aggregate>::TYPE),+];

            /// Stores over one log, with empty caches.
            #[must_use]
            pub fn new(journal: Journal) -> Self {
                Self { $($field: store(&journal)),+, journal }
            }
        }

        $(
            impl Handled for $aggregate {
                fn store(stores: &Stores) -> &Store<Self> {
                    &stores.$field
                }
            }
        )+

        /// Answers an ask on the wire with the aggregate of its category, in at most so many bytes.
        pub(super) async fn dispatch(local: &Local, category: &str, ask: &[u8], most: usize) -> Vec<u8> {
            match category {
                $(<$aggregate as cqrs_es::Aggregate>::TYPE => answer::<$aggregate>(local, ask, most).await,)+
                _ => unknown(category),
            }
        }
    };
    ($($aggregates:tt)+) => {
        stores! { @served [] $($aggregates)+ }
    };
}

domain::aggregates!(stores);

impl Stores {
    /// The log below.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }
}

#[expect(
    clippy::expect_used,
    reason = "an aggregate's TYPE is a constant that a test checks"
)]
fn store<A: Storable>(journal: &Journal) -> Store<A> {
    Store::try_new(journal.clone(), CACHED_BYTES).expect("an aggregate's TYPE is a token")
}
