//! What is due when: every timer that an event has set and none has taken back.
//!
//! Whose events set timers is said in [`crate::timed`]; the ticker reads the rows, see [`crate::ticker`]. `since` says when a timer was set: one that was set
//! in the future was set by a clock that was wrong, and what is due then cannot be waited for.
//! A row that is late or stale does no harm: the
//! aggregate knows its own timers, and ignores a tick that means nothing to it.

use domain::effect::timer::Timer;

use crate::change::Change;
use crate::db::{Column, Value};
use crate::listing::{Listing, RowChange};
use crate::timed::TIMED;

/// What is due when.
pub struct Due;

impl Listing for Due {
    const NAME: &'static str = "due";
    const VERSION: u32 = 2;
    const READ_SINCE: u32 = 1;
    const COLUMNS: &'static [Column] = &[
        Column::Text("workspace"),
        Column::Text("category"),
        Column::Int("id"),
        Column::Text("timer"),
        Column::Int("at"),
        Column::Int("since"),
    ];
    const KEY: usize = 4;
    const INDEXED: &'static [&'static [&'static str]] = &[&["at"], &["since"]];

    fn rows(change: &Change) -> Vec<RowChange> {
        let Some(number) = change
            .number()
            .and_then(|number| i64::try_from(number).ok())
        else {
            return Vec::new();
        };
        let stream = change.stream();
        let aggregate = || {
            vec![
                Value::from(stream.workspace.as_str()),
                Value::from(stream.category.as_str()),
                Value::Int(number),
            ]
        };
        let since = Value::Int(change.recorded.commit.at.as_microsecond());
        let timers = TIMED.iter().flat_map(|timed| timed.timers(change));
        let row = |timer| match timer {
            Timer::Set { timer, at } => RowChange::Put(
                [
                    aggregate(),
                    vec![timer.into(), Value::Int(at.as_microsecond()), since.clone()],
                ]
                .concat(),
            ),
            Timer::Cancelled { timer } => {
                RowChange::Delete([aggregate(), vec![timer.into()]].concat())
            }
            Timer::AllCancelled => RowChange::Delete(aggregate()),
        };
        timers.map(row).collect()
    }
}
