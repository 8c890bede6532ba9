//! Timers: moments that events set for later or take back.
//!
//! An aggregate that is [`Timed`] is told when one of its moments has come. It knows its timers itself, and
//! ignores a tick that means nothing to it.

use cqrs_es::Aggregate;
use jiff::Timestamp;
use uuid::Uuid;

use super::{CameDue, Claimed, EffectEvent, Lost, Outcome, Settled, Tick};

/// A moment that an event sets for later, or takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timer {
    /// Say what time it is, then.
    Set {
        /// Which of the aggregate's: a later moment under the same name takes the place of this one.
        timer: String,
        /// When.
        at: Timestamp,
    },
    /// Not any more.
    Cancelled {
        /// Which.
        timer: String,
    },
    /// None of the aggregate's.
    AllCancelled,
}

/// An aggregate that is told when a moment has come that its events have set.
pub trait Timed: Aggregate {
    /// The moments that an event sets, and those that it takes back.
    fn timers(event: &Self::Event) -> Vec<Timer>;

    /// The command that says what time it is.
    fn tick(tick: Tick) -> Self::Command;
}

impl EffectEvent {
    /// When to try again, and when a claim has no holder any more: a timer per effect.
    #[must_use]
    pub fn timers(&self) -> Vec<Timer> {
        match self {
            Self::Claimed(Claimed { effects, until, .. }) => {
                let set = |effect: &Uuid| Timer::Set {
                    timer: effect.to_string(),
                    at: *until,
                };
                effects.iter().map(set).collect()
            }
            Self::Settled(settled) => vec![settled.timer()],
            Self::CameDue(CameDue { effects }) | Self::Lost(Lost { effects }) => {
                let cancelled = |effect: &Uuid| Timer::Cancelled {
                    timer: effect.to_string(),
                };
                effects.iter().map(cancelled).collect()
            }
        }
    }
}

impl Settled {
    fn timer(&self) -> Timer {
        let timer = self.effect.to_string();
        match self.outcome {
            Outcome::Failed { retry_at: at } => Timer::Set { timer, at },
            Outcome::Done | Outcome::GaveUp => Timer::Cancelled { timer },
        }
    }
}
