//! Effects on the outside world: what an aggregate has decided to cause, and what became of it.
//!
//! An effect is decided by an event (the intent), claimed by one worker, tried once, and settled.
//! A worker that dies between the call and its record leaves the effect `Unknown`: nobody can
//! say whether it happened, so the provider is asked, or a person; it is never blindly repeated.
//!
//! An aggregate that causes effects is [`Acting`]: it keeps an [`InFlight`], and wraps one command, an
//! [`EffectCommand`], and one event, an [`EffectEvent`], which `stored!` gives names of its own. [`timer`] is
//! how it hears that time has passed.
//!
//! Invariant: an attempt belongs to one claim, and an effect of which nobody knows the outcome
//! is not claimed again before somebody has said what became of it.

pub mod in_flight;
pub mod timer;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Decide;
use in_flight::InFlight;

/// How far the clocks of two processes may differ. What was set further in the future than this
/// was set by a clock that was wrong: it says nothing of when something is due.
pub const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);
/// No claim is held for longer; one that ends later was made by a clock that was wrong.
const LONGEST_CLAIM: SignedDuration = SignedDuration::from_mins(10);
/// What the report says of an attempt that a person settled.
pub const BY_HAND: &str = "settled by hand";

/// What is to be caused.
pub trait Intent {
    /// The id of the effect, and the provider's idempotency key where it takes one.
    fn id(&self) -> Uuid;

    /// Effects of one lane happen one after the other, in the order of their decision.
    fn lane(&self) -> &str;
}

/// An aggregate that causes effects.
pub trait Acting: Decide<Command: From<EffectCommand>> {
    /// What it wants caused.
    type Intent: Intent + Clone + Send + Sync + 'static;
    /// The actor of what its workers do.
    const ACTOR: &'static str;

    /// What it has decided and not yet seen the end of.
    fn in_flight(&self) -> &InFlight<Self::Intent>;

    /// Whether its effects may be tried now.
    fn may_act(&self) -> bool;

    /// What an event means for what is in flight.
    fn progress(event: &Self::Event) -> Progress<'_, Self::Intent>;
}

/// What an event means for effects in flight.
#[derive(Debug)]
pub enum Progress<'a, I> {
    /// Nothing.
    None,
    /// These were decided.
    Decided(&'a [I]),
    /// Some of them go on, or end.
    Moved(&'a EffectEvent),
    /// Nothing is to be caused any more.
    AllEnded,
}

/// What may be asked of an aggregate about its effects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum EffectCommand {
    /// Leave these to me.
    Claim(Claim),
    /// That became of an attempt.
    Settle(Settle),
    /// That became of an attempt that nobody saw the end of.
    FoundOut(FoundOut),
    /// It is this late.
    Tick(Tick),
}

/// What happened to effects of an aggregate. Each aggregate stores them under names of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectEvent {
    /// Somebody tries them.
    Claimed(Claimed),
    /// An attempt has ended.
    Settled(Settled),
    /// The time of the next attempt has come.
    CameDue(CameDue),
    /// Whoever tried them died.
    Lost(Lost),
}

/// What became of an effect is known, or is being found out by who tries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only an effect of which nobody knows whether it happened is settled by hand")]
pub struct NotUnknown;

/// Where an effect stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It may be claimed.
    Ready,
    /// Somebody tries it.
    Claimed {
        /// Which claim.
        claim: Uuid,
        /// When whoever claimed it must be dead.
        until: Timestamp,
    },
    /// It failed, and is tried again.
    Waiting {
        /// When.
        until: Timestamp,
        /// When it failed, where that was kept.
        #[serde(default)]
        since: Option<Timestamp>,
    },
    /// Nobody knows whether it happened.
    Unknown {
        /// The claim whose holder died.
        claim: Uuid,
    },
}

/// An effect in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect<I> {
    /// What is to be caused.
    pub intent: I,
    /// How often it was claimed.
    pub attempt: u32,
    /// Where it stands.
    pub phase: Phase,
    /// When its first attempt failed.
    pub failing_since: Option<Timestamp>,
}

/// Asks for effects, so that nobody else tries them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which.
    pub effects: Vec<Uuid>,
    /// Tells this claim from every other.
    pub claim: Uuid,
    /// When whoever claims them must be dead.
    pub until: Timestamp,
}

/// Says what became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// Of which effect.
    pub effect: Uuid,
    /// Which attempt.
    pub attempt: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// What the provider said.
    pub report: Report,
    /// When.
    pub now: Timestamp,
}

/// Says what became of an attempt that nobody saw the end of: a person has found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundOut {
    /// Of which effect.
    pub effect: Uuid,
    /// What became of it.
    pub outcome: Outcome,
    /// When.
    pub now: Timestamp,
}

/// Says what time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The time.
    pub now: Timestamp,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// It happened.
    Done,
    /// It did not happen; it is tried again.
    Failed {
        /// When.
        #[schemars(with = "String")]
        retry_at: Timestamp,
    },
    /// It did not happen, and is not tried again unless a person asks.
    GaveUp,
}

/// What the provider said of an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Its code, such as an HTTP status.
    pub code: Option<u16>,
    /// Why not, in words that name nobody.
    pub detail: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Effects were claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claimed {
    /// Which.
    pub effects: Vec<Uuid>,
    /// By which claim.
    pub claim: Uuid,
    /// When whoever claimed them must be dead.
    #[schemars(with = "String")]
    pub until: Timestamp,
}

/// An attempt has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settled {
    /// Of which effect.
    pub effect: Uuid,
    /// Which attempt, from 1 up.
    pub attempt: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// What the provider said.
    pub report: Report,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// The time to try effects again has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CameDue {
    /// Which.
    pub effects: Vec<Uuid>,
}

/// Whoever claimed effects died before saying what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// Which.
    pub effects: Vec<Uuid>,
}

impl<I> Effect<I> {
    /// The claim of its last attempt, while that has not ended.
    #[must_use]
    pub const fn claim(&self) -> Option<Uuid> {
        match self.phase {
            Phase::Claimed { claim, .. } | Phase::Unknown { claim } => Some(claim),
            Phase::Ready | Phase::Waiting { .. } => None,
        }
    }
}
