//! Carries out what aggregates have decided to cause outside: claim, call, record.
//!
//! - [`Served`]: an aggregate that causes effects; [`Gateway`]: who can cause them
//! - [`Worker`]: serves one aggregate; several may serve the same one
//!
//! Only the worker whose claim the log has taken makes the call. What a dead worker left
//! behind comes back through the ticker as unknown, and [`Gateway::find_out`] says what to do
//! with it. Nothing here reads a projection, so replays and rebuilds cause nothing.

#[cfg(test)]
mod conformance;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_es::AggregateError;
use domain::effect::{Acting, Claim, Effect, EffectCommand, Intent as _, Outcome, Report, Settle};
use jiff::SignedDuration;
use journal::failpoint;
use journal::health::{Part, supervised};
use journal::token::Token;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::clock::fresh_id;
use crate::desk::{Desk, Handled};
use crate::meters;
use crate::origin::Origin;

/// Calls that one worker makes at the same time for one aggregate.
const AT_ONCE: usize = 8;
/// How long a worker waits after a failure of ours before it looks again.
const PAUSE: Duration = Duration::from_millis(500);

/// An aggregate whose effects workers carry out.
pub trait Served: Handled + Acting {}
impl<A: Handled + Acting> Served for A {}

/// What a call led to.
pub type Called = (Outcome, Report);

/// An attempt at an effect.
#[derive(Debug, Clone)]
pub struct Attempt<A: Served> {
    /// Whose data.
    pub workspace: Token,
    /// Which aggregate.
    pub id: A::Id,
    /// The aggregate as it was when the effect was claimed.
    pub state: Arc<journal::store::Loaded<A>>,
    /// The effect; its `attempt` counts this one.
    pub effect: Effect<A::Intent>,
}

/// Who can cause effects outside.
pub trait Gateway<A: Served>: Send + Sync + 'static {
    /// How long a call may take. A claim is held for twice as long: then whoever has it is dead.
    fn within(&self) -> Duration;

    /// Tries once. Whatever it answers in time is recorded; later, the effect counts as unknown.
    fn call(&self, attempt: Attempt<A>) -> impl Future<Output = Called> + Send;

    /// What became of an attempt that nobody saw the end of: asks the provider, or says that
    /// repeating is safe because the receiver tells repetitions by the effect's id. `None`
    /// leaves it to a person.
    fn find_out(&self, attempt: Attempt<A>) -> impl Future<Output = Option<Called>> + Send;
}

/// Carries out the effects of one aggregate.
pub struct Worker<A: Served, G> {
    desk: Desk,
    gateway: Arc<G>,
    workspace: Token,
    id: A::Id,
    /// Told when the aggregate has changed.
    changed: Arc<Notify>,
}

impl<A: Served, G: Gateway<A>> Worker<A, G>
where
    A::Id: 'static,
{
    /// A worker for this aggregate.
    #[must_use]
    pub const fn new(
        desk: Desk,
        gateway: Arc<G>,
        workspace: Token,
        id: A::Id,
        changed: Arc<Notify>,
    ) -> Self {
        Self {
            desk,
            gateway,
            workspace,
            id,
            changed,
        }
    }

    /// Works until it is dropped. Calls in work are then abandoned, and count as unknown; a process
    /// that is stopped waits for them before (`journal::health::calls`).
    pub async fn run(self) {
        let (task, which) = (
            format!("{}-calls", A::TYPE),
            format!("{}/{}", self.workspace, self.id),
        );
        let part = self.desk.journal().health().part_of(&task, which);
        let this = Arc::new(self);
        supervised(part, |part| Arc::clone(&this).work(part)).await;
    }

    async fn work(self: Arc<Self>, part: Part) {
        let this = self;
        let mut calls = JoinSet::new();
        let mut asked = HashSet::new();
        loop {
            let more = match this.begin(&mut calls, &mut asked).await {
                Ok(more) => more,
                Err(error) => {
                    part.fails(&error);
                    tracing::warn!(%error, category = A::TYPE, id = %this.id, "effects wait");
                    tokio::time::sleep(PAUSE).await;
                    true
                }
            };
            if more {
                continue;
            }
            part.waits();
            tokio::select! {
                Some(ended) = calls.join_next() => {
                    // A call that panicked stays claimed until it counts as unknown.
                    if let Ok(Some(known)) = ended { asked.remove(&known); }
                }
                () = this.changed.notified() => {}
            }
        }
    }

    /// Begins what can be begun; tells whether there may be more.
    async fn begin(
        self: &Arc<Self>,
        calls: &mut JoinSet<Option<Uuid>>,
        asked: &mut HashSet<Uuid>,
    ) -> Result<bool, AggregateError<A::Error>> {
        let loaded = self.load().await?;
        for effect in loaded.state.in_flight().unknown() {
            if asked.insert(effect.intent.id()) {
                calls.spawn(Arc::clone(self).resolve(self.attempt(&loaded, effect)));
            }
        }
        let room = AT_ONCE.saturating_sub(calls.len());
        if room == 0 || !loaded.state.may_act() {
            return Ok(false);
        }
        let ready = loaded.state.in_flight().ready().take(room);
        let effects: Vec<_> = ready.map(|effect| effect.intent.id()).collect();
        if effects.is_empty() {
            return Ok(false);
        }
        // Whoever is stopped between claim and outcome leaves a call that nobody saw the end of.
        let Some(under_way) = self.desk.journal().health().calls().begin() else {
            return Ok(false);
        };
        let under_way = Arc::new(under_way);
        let claim = fresh_id();
        let until = self.desk.clock().now()
            + SignedDuration::try_from(self.gateway.within() * 2).unwrap_or(SignedDuration::ZERO);
        let command = A::Command::from(EffectCommand::Claim(Claim {
            effects,
            claim,
            until,
        }));
        let origin = Origin::new(self.workspace.clone(), A::ACTOR);
        let begun = Instant::now();
        let claimed = self.desk.send::<A>(self.id, command, &origin).await?;
        for effect in claimed
            .state
            .in_flight()
            .iter()
            .filter(|effect| effect.claim() == Some(claim))
        {
            failpoint::reach("effect.claimed");
            let attempt = self.attempt(&claimed, effect);
            let (this, under_way) = (Arc::clone(self), Arc::clone(&under_way));
            calls.spawn(async move {
                let ended = this.carry_out(attempt, begun).await;
                drop(under_way);
                ended
            });
        }
        Ok(true)
    }

    async fn load(&self) -> Result<Arc<journal::store::Loaded<A>>, AggregateError<A::Error>> {
        let loaded = self.desk.load::<A>(&self.workspace, self.id).await;
        loaded.map_err(crate::desk::failed)
    }

    fn attempt(
        &self,
        state: &Arc<journal::store::Loaded<A>>,
        effect: &Effect<A::Intent>,
    ) -> Attempt<A> {
        Attempt {
            workspace: self.workspace.clone(),
            id: self.id,
            state: Arc::clone(state),
            effect: effect.clone(),
        }
    }

    /// Makes a call that was claimed since this moment, and records what became of it.
    async fn carry_out(self: Arc<Self>, attempt: Attempt<A>, since: Instant) -> Option<Uuid> {
        let effect = attempt.effect.clone();
        // It could end after its claim, when others have asked already what became of it.
        if since.elapsed() > self.gateway.within() {
            tracing::warn!(category = A::TYPE, id = %self.id, "too late for a call that was claimed");
            return None;
        }
        let begun = Instant::now();
        let call = tokio::time::timeout(self.gateway.within(), self.gateway.call(attempt));
        let Ok((outcome, report)) = call.await else {
            tracing::warn!(category = A::TYPE, id = %self.id, "a call does not end");
            return None;
        };
        failpoint::reach("effect.called");
        meters::attempted(A::TYPE, outcome, begun.elapsed());
        self.record(&effect, outcome, report).await;
        None
    }

    /// Finds out what became of a call of a dead worker; answers the effect where that is known.
    async fn resolve(self: Arc<Self>, attempt: Attempt<A>) -> Option<Uuid> {
        let effect = attempt.effect.clone();
        meters::unknown(A::TYPE);
        let Some((outcome, report)) = self.gateway.find_out(attempt).await else {
            tracing::error!(category = A::TYPE, id = %self.id, effect = %effect.intent.id(), "whether this happened is for a person to say");
            return None;
        };
        self.record(&effect, outcome, report).await;
        Some(effect.intent.id())
    }

    /// Records an outcome under an id of the attempt's own, until the log has taken it: it is
    /// what keeps the effect from being tried again.
    async fn record(&self, effect: &Effect<A::Intent>, outcome: Outcome, report: Report) {
        let settle = A::Command::from(EffectCommand::Settle(Settle {
            effect: effect.intent.id(),
            attempt: effect.attempt,
            outcome,
            report,
            now: self.desk.clock().now(),
        }));
        let mut origin = Origin::new(self.workspace.clone(), A::ACTOR);
        // By the claim, because the same effect may be decided again when it has ended.
        let claim = effect.claim().unwrap_or_default();
        origin.seed = Some(Uuid::new_v5(&claim, effect.intent.id().as_bytes()));
        loop {
            match self.desk.send::<A>(self.id, settle.clone(), &origin).await {
                Ok(_) => return failpoint::reach("effect.recorded"),
                Err(AggregateError::UserError(refusal)) => {
                    tracing::error!(%refusal, category = A::TYPE, id = %self.id, "an outcome was refused");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, category = A::TYPE, id = %self.id, "an outcome is not recorded yet");
                    origin.retried = true;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
