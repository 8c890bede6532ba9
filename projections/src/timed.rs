//! The aggregates that have timers, each with one line of [`TIMED`]: `due` lists what their events set, and
//! the ticker tells them the time.

use std::marker::PhantomData;

use commands::desk::{Desk, Handled};
use commands::origin::Origin;
use cqrs_es::AggregateError;
use domain::effect::Tick;
use domain::effect::timer::{Timed, Timer};
use domain::webhook::aggregate::Webhook;
use futures::future::{BoxFuture, FutureExt as _};
use schemas::any::Within;

use crate::change::Change;

/// Every aggregate that has timers.
pub(crate) const TIMED: &[&dyn AnyTimed] = &[&Of::<Webhook>(PhantomData)];

/// An aggregate with timers, without its types.
pub(crate) trait AnyTimed: Send + Sync {
    fn category(&self) -> &'static str;

    /// The timers that a change sets or takes back; none where it is of another kind.
    fn timers(&self, change: &Change) -> Vec<Timer>;

    /// Tells one of them the time; a lost race is told by whoever won it. Answers why that failed.
    fn tick<'a>(
        &'a self,
        desk: &'a Desk,
        id: u64,
        tick: Tick,
        origin: &'a Origin,
    ) -> BoxFuture<'a, Result<(), String>>;
}

struct Of<A>(PhantomData<fn() -> A>);

impl<A> AnyTimed for Of<A>
where
    A: Timed<Event: Within + 'static> + Handled<Id: From<u64>>,
{
    fn category(&self) -> &'static str {
        A::TYPE
    }

    fn timers(&self, change: &Change) -> Vec<Timer> {
        change.events_of::<A::Event>().flat_map(A::timers).collect()
    }

    fn tick<'a>(
        &'a self,
        desk: &'a Desk,
        id: u64,
        tick: Tick,
        origin: &'a Origin,
    ) -> BoxFuture<'a, Result<(), String>> {
        let ticked = desk.send::<A>(id.into(), A::tick(tick), origin);
        let outcome = async move {
            match ticked.await {
                Ok(_) | Err(AggregateError::AggregateConflict) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        };
        outcome.boxed()
    }
}
