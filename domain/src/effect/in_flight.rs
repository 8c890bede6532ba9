//! Effects that were decided and have not ended: what may be claimed, and what ends an attempt.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    BY_HAND, CLOCKS_DIFFER, CameDue, Claim, Claimed, Effect, EffectCommand, EffectEvent, FoundOut,
    Intent, LONGEST_CLAIM, Lost, NotUnknown, Outcome, Phase, Report, Settle, Settled, Tick,
};

/// The effects that an aggregate has decided and not yet seen the end of, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight<I>(Vec<Effect<I>>);

impl<I> Default for InFlight<I> {
    fn default() -> Self {
        Self(Vec::new())
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

    /// What happens because of a command. A tick may bring about two events.
    ///
    /// # Errors
    ///
    /// Where a person settles what is not unknown.
    pub fn decide(&self, command: EffectCommand) -> Result<Vec<EffectEvent>, NotUnknown> {
        match command {
            EffectCommand::Claim(asked) => Ok(one(self.claim(&asked).map(EffectEvent::Claimed))),
            EffectCommand::Settle(told) => Ok(one(self.settle(told).map(EffectEvent::Settled))),
            EffectCommand::FoundOut(told) => {
                let settled = self.found_out(told).ok_or(NotUnknown)?;
                Ok(vec![EffectEvent::Settled(settled)])
            }
            EffectCommand::Tick(Tick { now }) => Ok(self.tick(now)),
        }
    }

    /// What a claim gets: those that are still ready; `None` where none is.
    fn claim(&self, asked: &Claim) -> Option<Claimed> {
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
    fn settle(&self, told: Settle) -> Option<Settled> {
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
    fn found_out(&self, told: FoundOut) -> Option<Settled> {
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

    /// What this moment brings about: what may be tried again, and what nobody knows the outcome of.
    fn tick(&self, now: Timestamp) -> Vec<EffectEvent> {
        let due = self.ids(|phase| match phase {
            Phase::Waiting { until, since } => {
                until <= now || since.is_some_and(|since| since > later(now, CLOCKS_DIFFER))
            }
            Phase::Ready | Phase::Claimed { .. } | Phase::Unknown { .. } => false,
        });
        let lost = self.ids(|phase| match phase {
            Phase::Claimed { until, .. } => until <= now || until > later(now, LONGEST_CLAIM),
            Phase::Ready | Phase::Waiting { .. } | Phase::Unknown { .. } => false,
        });
        let due = due.map(|effects| EffectEvent::CameDue(CameDue { effects }));
        let lost = lost.map(|effects| EffectEvent::Lost(Lost { effects }));
        due.into_iter().chain(lost).collect()
    }

    /// Those that stand so; `None` where none does.
    fn ids(&self, stands: impl Fn(Phase) -> bool) -> Option<Vec<Uuid>> {
        let effects = self.iter().filter(|effect| stands(effect.phase));
        let ids: Vec<_> = effects.map(|effect| effect.intent.id()).collect();
        (!ids.is_empty()).then_some(ids)
    }

    /// That those of these that wait for their next attempt are tried now; `None` where none does.
    #[must_use]
    pub fn at_once(&self, wanted: impl Fn(&I) -> bool) -> Option<EffectEvent> {
        let waiting = self.iter().filter(|effect| {
            matches!(effect.phase, Phase::Waiting { .. }) && wanted(&effect.intent)
        });
        let effects: Vec<_> = waiting.map(|effect| effect.intent.id()).collect();
        (!effects.is_empty()).then_some(EffectEvent::CameDue(CameDue { effects }))
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

    /// Effects go on, or end.
    pub fn apply(&mut self, event: &EffectEvent) {
        match event {
            EffectEvent::Claimed(claimed) => {
                let (claim, until) = (claimed.claim, claimed.until);
                self.change(&claimed.effects, |effect| {
                    effect.attempt += 1;
                    effect.phase = Phase::Claimed { claim, until };
                });
            }
            EffectEvent::Settled(settled) => self.apply_settled(settled),
            EffectEvent::CameDue(due) => {
                self.change(&due.effects, |effect| effect.phase = Phase::Ready);
            }
            EffectEvent::Lost(lost) => self.change(&lost.effects, |effect| {
                if let Phase::Claimed { claim, .. } = effect.phase {
                    effect.phase = Phase::Unknown { claim };
                }
            }),
        }
    }

    fn apply_settled(&mut self, settled: &Settled) {
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

fn one(event: Option<EffectEvent>) -> Vec<EffectEvent> {
    event.into_iter().collect()
}
