//! Process managers: an event in, commands out.
//!
//! - here: what a policy is, and the runtime that every one of them shares
//! - [`cursor`]: how far one has come, and which process holds it
//! - `begin`: its first time on a log; `following`: one partition; `parking`: what is left aside
//! - [`status`]: what people see of policies, and where they let one go on
//! - [`transfer`], [`erasure`]: two of them
//!
//! A policy follows the log from its cursor, which is kept for ever. One process holds it at a
//! time, by a lease; a policy's commands carry ids derived from the event, so even two holders, or
//! a crash before the cursor moved, change nothing twice. A policy whose cursor is lost does
//! nothing until a person says from where: history is not news.

mod begin;
pub mod cursor;
pub mod erasure;
mod following;
mod parking;
pub mod status;
pub mod transfer;

use std::sync::Arc;
use std::time::Duration;

use domain::policy::{PolicyId, Start};
use journal::JournalError;
use journal::envelope::Recorded;
use journal::health::{Part, supervised};
use schemas::any::DomainEvent;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::clock::Clock;
use crate::desk::Desk;
use crate::origin::Origin;
use begin::Seen;

/// How long a process waits before it looks again whether a cursor is free.
const PAUSE: Duration = Duration::from_secs(1);

/// What a policy does when something happened.
pub trait Policy: Send + Sync + 'static {
    /// Which policy it is; names its cursors.
    fn id(&self) -> PolicyId;

    /// Where it starts on a log on which it has never begun.
    fn starts(&self) -> Start;

    /// Whether it reacts to events of this category. Others are not even decoded.
    fn concerns(&self, category: &str) -> bool;

    /// Reacts to an event. A refusal is no error; after an error the aggregate is left aside and
    /// tried again, in order, while others go on.
    fn react(&self, fact: &Fact<'_>) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// An event, and where it stands.
#[derive(Debug)]
pub struct Fact<'a> {
    /// The commit that holds it.
    pub recorded: &'a Recorded,
    /// Its place in the commit, from 0.
    pub index: usize,
    /// What happened.
    pub event: DomainEvent,
}

impl Fact<'_> {
    /// The origin of the policy's command number `command`, from 0, because of this event: whoever
    /// reacts, and however often, commits under the same ids, and no two commands share theirs.
    #[must_use]
    pub fn origin(&self, actor: &str, command: usize) -> Origin {
        let commit = &self.recorded.commit;
        let (workspace, cause) = (commit.workspace.clone(), commit.commit_id);
        let origin = Origin {
            behind: self.recorded.position.sequence,
            ..Origin::because_of(workspace, actor, commit.correlation, cause)
        };
        match (self.index, command) {
            // As ids were made before there were places: what was done then is found done.
            (0, 0) => origin,
            (index, command) => origin.step(format!("{index}.{command}")),
        }
    }

    /// The commit that holds it.
    #[must_use]
    pub const fn cause(&self) -> Uuid {
        self.recorded.commit.commit_id
    }
}

/// Runs a policy over every partition, until it is dropped.
pub async fn run<P: Policy>(policy: P, desk: Desk, clock: Clock) {
    let policy = Arc::new(policy);
    let task = format!("policy-{}", policy.id());
    let health = desk.journal().health().clone();
    until_begun(&*policy, &desk, &clock, &health.part(&task)).await;
    let mut partitions = JoinSet::new();
    for partition in 0..desk.journal().partitions() {
        let (policy, desk, clock) = (Arc::clone(&policy), desk.clone(), clock.clone());
        partitions.spawn(supervised(health.part_of(&task, partition), move |part| {
            let (policy, desk, clock) = (Arc::clone(&policy), desk.clone(), clock.clone());
            async move {
                following::keep_following(&*policy, desk.journal(), &clock, partition, part).await;
            }
        }));
    }
    partitions.join_all().await;
}

/// Waits until it has begun on this log.
async fn until_begun<P: Policy>(policy: &P, desk: &Desk, clock: &Clock, part: &Part) {
    let mut seen = Seen::new(desk.journal().partitions());
    loop {
        match begin::begin(policy.id(), policy.starts(), desk, clock, &mut seen).await {
            Ok(true) => return,
            // An older program runs it, or nothing has ever happened.
            Ok(false) => part.works(),
            Err(error) => {
                tracing::warn!(%error, policy = %policy.id(), "policy has not begun yet");
                part.fails(error);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
