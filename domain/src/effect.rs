//! Effects on the outside world: what an aggregate has decided to cause, and what became of it.
//!
//! An effect is decided by an event (the intent), claimed by one worker, tried once, and settled.
//! A worker that dies between the call and its record leaves the effect `Unknown`: nobody can
//! say whether it happened, so the provider is asked, or a person; it is never blindly repeated.
//!
//! Any aggregate that causes effects keeps an [`InFlight`], and wraps [`Claim`], [`Settle`], [`FoundOut`]
//! and [`Tick`] as commands and [`Claimed`], [`Settled`], [`CameDue`] and [`Lost`] as events.
//!
//! Invariant: an attempt belongs to one claim, and an effect of which nobody knows the outcome
//! is not claimed again before somebody has said what became of it.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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

/// The effects that an aggregate has decided and not yet seen the end of, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight<I>(Vec<Effect<I>>);

impl<I> Default for InFlight<I> {
    fn default() -> Self {
        Self(Vec::new())
    }
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

/// What a tick brings about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ticked {
    /// What may be tried again.
    pub due: Option<CameDue>,
    /// What nobody knows the outcome of.
    pub lost: Option<Lost>,
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

impl<I: Intent> InFlight<I> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Effect<I>> {
        self.0.iter()
    }

    /// The one with this id.
    #[must_use]
    pub fn find(&self, id: Uuid) -> Option<&Effect<I>> {
        self.iter().find(|effect| effect.intent.id() == id)
    }

    /// What may be claimed now: the first of each lane, where it is ready.
    pub fn ready(&self) -> impl Iterator<Item = &Effect<I>> {
        let mut lanes = HashSet::new();
        self.iter()
            .filter(move |effect| lanes.insert(effect.intent.lane()))
            .filter(|effect| effect.phase == Phase::Ready)
    }

    /// Those of which nobody knows whether they happened.
    pub fn unknown(&self) -> impl Iterator<Item = &Effect<I>> {
        self.iter()
            .filter(|effect| matches!(effect.phase, Phase::Unknown { .. }))
    }

    /// What a claim gets: those that are still ready; `None` where none is.
    #[must_use]
    pub fn claim(&self, asked: &Claim) -> Option<Claimed> {
        let ready: HashSet<_> = self.ready().map(|effect| effect.intent.id()).collect();
        let effects = asked.effects.iter().filter(|id| ready.contains(id));
        let effects: Vec<_> = effects.copied().collect();
        (!effects.is_empty()).then_some(Claimed {
            effects,
            claim: asked.claim,
            until: asked.until,
        })
    }

    /// What an attempt's end means; `None` where it is known already, or of no interest any more.
    ///
    /// That an effect happened is believed of every attempt, however late it is told: a fact
    /// stays one. A failure is believed of the last attempt only, and once.
    #[must_use]
    pub fn settle(&self, told: Settle) -> Option<Settled> {
        let Settle {
            effect,
            attempt,
            outcome,
            report,
            now: at,
        } = told;
        let known = self.find(effect)?;
        let open = matches!(known.phase, Phase::Claimed { .. } | Phase::Unknown { .. });
        let believed = outcome == Outcome::Done || (open && attempt == known.attempt);
        believed.then_some(Settled {
            effect,
            attempt,
            outcome,
            report,
            at,
        })
    }

    /// What a person's finding means; `None` where the effect is not unknown: then whoever tries it
    /// says what became of it.
    #[must_use]
    pub fn found_out(&self, told: FoundOut) -> Option<Settled> {
        let known = self
            .unknown()
            .find(|effect| effect.intent.id() == told.effect)?;
        Some(Settled {
            effect: told.effect,
            attempt: known.attempt,
            outcome: told.outcome,
            report: Report {
                detail: Some(BY_HAND.into()),
                ..Report::default()
            },
            at: told.now,
        })
    }

    /// What this moment brings about.
    #[must_use]
    pub fn tick(&self, Tick { now }: Tick) -> Ticked {
        let ids = |wanted: &dyn Fn(Phase) -> bool| {
            let effects = self.iter().filter(|effect| wanted(effect.phase));
            let ids: Vec<_> = effects.map(|effect| effect.intent.id()).collect();
            (!ids.is_empty()).then_some(ids)
        };
        let due = ids(&|phase| match phase {
            Phase::Waiting { until, since } => {
                until <= now || since.is_some_and(|since| since > later(now, CLOCKS_DIFFER))
            }
            Phase::Ready | Phase::Claimed { .. } | Phase::Unknown { .. } => false,
        });
        let lost = ids(&|phase| match phase {
            Phase::Claimed { until, .. } => until <= now || until > later(now, LONGEST_CLAIM),
            Phase::Ready | Phase::Waiting { .. } | Phase::Unknown { .. } => false,
        });
        Ticked {
            due: due.map(|effects| CameDue { effects }),
            lost: lost.map(|effects| Lost { effects }),
        }
    }

    /// That those of these that wait for their next attempt are tried now; `None` where none does.
    #[must_use]
    pub fn at_once(&self, wanted: impl Fn(&I) -> bool) -> Option<CameDue> {
        let waiting = self.iter().filter(|effect| {
            matches!(effect.phase, Phase::Waiting { .. }) && wanted(&effect.intent)
        });
        let effects: Vec<_> = waiting.map(|effect| effect.intent.id()).collect();
        (!effects.is_empty()).then_some(CameDue { effects })
    }

    /// An effect was decided.
    pub fn apply_intent(&mut self, intent: I) {
        self.0.push(Effect {
            intent,
            attempt: 0,
            phase: Phase::Ready,
            failing_since: None,
        });
    }

    /// Effects were claimed.
    pub fn apply_claimed(&mut self, claimed: &Claimed) {
        let (claim, until) = (claimed.claim, claimed.until);
        self.change(&claimed.effects, |effect| {
            effect.attempt += 1;
            effect.phase = Phase::Claimed { claim, until };
        });
    }

    /// An attempt has ended.
    pub fn apply_settled(&mut self, settled: &Settled) {
        match settled.outcome {
            Outcome::Done | Outcome::GaveUp => {
                self.0.retain(|effect| effect.intent.id() != settled.effect);
            }
            Outcome::Failed { retry_at } => self.change(&[settled.effect], |effect| {
                effect.phase = Phase::Waiting {
                    until: retry_at,
                    since: Some(settled.at),
                };
                effect.failing_since.get_or_insert(settled.at);
            }),
        }
    }

    /// The time to try effects again has come.
    pub fn apply_came_due(&mut self, due: &CameDue) {
        self.change(&due.effects, |effect| effect.phase = Phase::Ready);
    }

    /// Nobody knows what became of effects.
    pub fn apply_lost(&mut self, lost: &Lost) {
        self.change(&lost.effects, |effect| {
            if let Phase::Claimed { claim, .. } = effect.phase {
                effect.phase = Phase::Unknown { claim };
            }
        });
    }

    fn change(&mut self, ids: &[Uuid], change: impl Fn(&mut Effect<I>)) {
        self.0
            .iter_mut()
            .filter(|effect| ids.contains(&effect.intent.id()))
            .for_each(change);
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// A moment that an event sets for later, or takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timer {
    /// Say what time it is, then.
    Set {
        /// Which.
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

impl Claimed {
    /// When to look whether the claims were forgotten.
    pub fn timers(&self) -> impl Iterator<Item = Timer> {
        self.effects.iter().map(|effect| Timer::Set {
            timer: effect.to_string(),
            at: self.until,
        })
    }
}

impl Settled {
    /// When to try again, if at all.
    #[must_use]
    pub fn timer(&self) -> Timer {
        let timer = self.effect.to_string();
        match self.outcome {
            Outcome::Failed { retry_at: at } => Timer::Set { timer, at },
            Outcome::Done | Outcome::GaveUp => Timer::Cancelled { timer },
        }
    }
}

/// The timers of effects for which nothing is awaited any more.
pub fn cancelled(effects: &[Uuid]) -> impl Iterator<Item = Timer> {
    effects.iter().map(|effect| Timer::Cancelled {
        timer: effect.to_string(),
    })
}
