//! One partition, followed for as long as this process holds the cursor.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::{FutureExt as _, StreamExt as _};
use journal::entry::Entry;
use journal::envelope::Recorded;
use journal::health::Part;
use journal::token::StreamId;
use journal::{Journal, JournalError, failpoint};
use schemas::any::DomainEvent;

use super::cursor::{Cursor, LEASE, Taken};
use super::parking::{self, Lot};
use super::{Fact, PAUSE, Policy, status};
use crate::clock::Clock;
use crate::lease::Watch;
use crate::meters::{self, Far};

/// How often the cursor is kept while events come.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// How long a reaction may take before its aggregate is left aside.
const REACT_WITHIN: Duration = Duration::from_mins(2);

/// A policy in a partition, whose cursor this process holds.
pub(super) struct Following<'a, P> {
    pub(super) policy: &'a P,
    pub(super) journal: &'a Journal,
    pub(super) clock: &'a Clock,
    pub(super) cursor: Cursor,
    partition: u16,
    part: &'a Part,
    kept: Instant,
}

/// What became of a reaction.
pub(super) enum Reacted {
    Done,
    /// Why not.
    Failed(String),
    /// Another process holds the cursor by now.
    Lost,
}

/// Follows whenever the cursor can be had, until it is dropped.
pub(super) async fn keep_following<P: Policy>(
    policy: &P,
    journal: &Journal,
    clock: &Clock,
    partition: u16,
    part: Part,
) {
    let mut watch = Watch::default();
    loop {
        if let Err(error) = follow(policy, journal, clock, partition, &mut watch, &part).await {
            tracing::warn!(%error, policy = %policy.id(), partition, "policy pauses");
            part.fails(error);
        }
        meters::policy_of_another(policy.id().as_str(), partition);
        part.parks(std::iter::empty());
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow<P: Policy>(
    policy: &P,
    journal: &Journal,
    clock: &Clock,
    partition: u16,
    watch: &mut Watch<u64>,
    part: &Part,
) -> Result<(), JournalError> {
    let cursor = match Cursor::take(journal, clock, policy.id(), partition, watch).await? {
        Taken::Ours(cursor) => *cursor,
        Taken::Others => {
            part.works();
            return Ok(());
        }
        Taken::Lost => {
            part.stands_still(status::how_to_start(policy.id()));
            return Ok(());
        }
    };
    let following = Following {
        policy,
        journal,
        clock,
        cursor,
        partition,
        part,
        kept: Instant::now(),
    };
    following.run().await
}

impl<P: Policy> Following<'_, P> {
    /// Until the cursor is another's.
    async fn run(mut self) -> Result<(), JournalError> {
        let mut lot = Lot::default();
        // Before anything is done: a policy that cannot go on must say how far it is behind.
        self.report().await;
        let mut feed = self.journal.follow(self.partition, self.cursor.sequence());
        loop {
            if !lot.try_again(&mut self).await? {
                return Ok(());
            }
            if self.cursor.parked().len() >= parking::MOST {
                self.part
                    .fails("it leaves so many aggregates aside that it goes no further");
                tokio::time::sleep(PAUSE).await;
                if !self.keep().await? {
                    return Ok(());
                }
                continue;
            }
            let batch = match tokio::time::timeout(KEEP_EVERY, feed.next()).await {
                Ok(batch) => batch.transpose()?.unwrap_or_default(),
                Err(_nothing_new) => Vec::new(),
            };
            self.part.works();
            for entry in &batch {
                if !self.meet(entry, &mut lot).await? {
                    return Ok(());
                }
            }
            if !self.keep_if_due().await? {
                return Ok(());
            }
        }
    }

    /// Reacts to a commit, or leaves its aggregate aside; `false` where the cursor is another's.
    async fn meet(&mut self, entry: &Entry, lot: &mut Lot) -> Result<bool, JournalError> {
        let stream = entry.stream();
        let concerns = |stream: &StreamId| self.policy.concerns(stream.category.as_str());
        // What is left aside takes this entry with it, when its turn comes again.
        if let Some(stream) = stream.filter(concerns)
            && !parking::is_parked(self.cursor.parked(), &stream)
        {
            match self.react(entry).await {
                Reacted::Done => self.part.works(),
                Reacted::Failed(reason) => lot.park(self, &stream, entry, reason),
                Reacted::Lost => return Ok(false),
            }
            failpoint::reach("policy.reacted");
        }
        self.cursor.passed(entry.position().sequence);
        self.keep_if_due().await
    }

    /// Reacts to every event of a commit, and keeps the lease meanwhile. What can be no commit for
    /// this reader fails, unless it was never part of its stream.
    pub(super) async fn react(&mut self, entry: &Entry) -> Reacted {
        let recorded = match entry {
            Entry::Commit(recorded) => recorded,
            Entry::Unreadable(unreadable) if unreadable.fault.is_passed_over() => {
                return Reacted::Done;
            }
            Entry::Unreadable(unreadable) => {
                let (at, kind) = (unreadable.position, unreadable.fault.kind());
                return Reacted::Failed(format!("the commit at {at} cannot be read: {kind}"));
            }
        };
        let reaction = AssertUnwindSafe(react_to(self.policy, recorded)).catch_unwind();
        let mut reaction = std::pin::pin!(tokio::time::timeout(REACT_WITHIN, reaction));
        loop {
            let pause = tokio::time::sleep(LEASE.unsigned_abs() / 3);
            tokio::select! {
                ended = &mut reaction => return match ended {
                    Ok(Ok(Ok(()))) => Reacted::Done,
                    Ok(Ok(Err(reason))) => Reacted::Failed(reason),
                    Ok(Err(_panic)) => {
                        self.part.panicked();
                        Reacted::Failed("the reaction panicked; the log of the process says where".into())
                    }
                    Err(_elapsed) => Reacted::Failed("the reaction does not end".into()),
                },
                () = pause => match self.cursor.keep().await {
                    Ok(true) => {}
                    Ok(false) => return Reacted::Lost,
                    // Its commands find what another holder has done.
                    Err(error) => tracing::warn!(%error, policy = %self.policy.id(), "a lease is not renewed"),
                },
            }
        }
    }

    /// `false` where the cursor is another's.
    pub(super) async fn keep_if_due(&mut self) -> Result<bool, JournalError> {
        if self.kept.elapsed() > KEEP_EVERY {
            return self.keep().await;
        }
        Ok(true)
    }

    async fn keep(&mut self) -> Result<bool, JournalError> {
        self.kept = Instant::now();
        let ours = self.cursor.keep().await?;
        if ours {
            self.report().await;
        }
        Ok(ours)
    }

    /// Says how far it is; where the log does not answer, what it said stays.
    async fn report(&self) {
        let parked = self.cursor.parked();
        let named = parked
            .iter()
            .map(|one| (one.stream.as_str(), one.reason.as_str()));
        self.part.parks(named);
        if let Some(behind) = self.cursor.behind(self.partition).await {
            let parked = parked.len();
            let far = Far { behind, parked };
            meters::policy(
                self.policy.id().as_str(),
                self.partition,
                far,
                self.clock.now(),
            );
        }
    }
}

/// Why not, without personal data: an event that cannot be read is named, not quoted.
async fn react_to<P: Policy>(policy: &P, recorded: &Recorded) -> Result<(), String> {
    let commit = &recorded.commit;
    for (index, raw) in commit.events.iter().enumerate() {
        let event = DomainEvent::decode(commit.category.as_str(), raw).map_err(|_quoted| {
            let name =
                schemas::codec::head(raw).map(|head| format!("{} v{}", head.name, head.version));
            let name = name.unwrap_or_else(|_| "an event".into());
            format!(
                "{name} at {} cannot be read by this program",
                recorded.position
            )
        })?;
        let fact = Fact {
            recorded,
            index,
            event,
        };
        policy
            .react(&fact)
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}
