//! Process managers: an event in, commands out.
//!
//! A policy follows the log from its cursor. One process holds the cursor at a time, by a
//! lease in the log's claims; a policy's commands carry ids derived from the event, so even
//! two holders, or a crash before the cursor moved, change nothing twice.

pub mod cursor;
pub mod erasure;
pub mod transfer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use journal::envelope::Recorded;
use journal::health::{Part, supervised};
use journal::{Journal, JournalError, failpoint};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::lease::Watch;
use crate::meters;
use cursor::Cursor;

/// How often the cursor is kept while events come.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// How long a process waits before it looks again whether a cursor is free, or a failed
/// command goes through.
const PAUSE: Duration = Duration::from_secs(1);

/// What a policy does when something happened.
pub trait Policy: Send + Sync + 'static {
    /// Names its cursor.
    fn name(&self) -> &'static str;

    /// Reacts to a commit. A refusal is no error; an error is tried again, and holds up what
    /// comes after.
    fn react(&self, recorded: &Recorded) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// Runs a policy over every partition, until it is dropped.
pub async fn run<P: Policy>(policy: P, journal: Journal, clock: Clock) {
    let policy = Arc::new(policy);
    let mut partitions = JoinSet::new();
    for partition in 0..journal.partitions() {
        let (policy, journal, clock) = (Arc::clone(&policy), journal.clone(), clock.clone());
        let task = format!("policy-{}", policy.name());
        let part = journal.health().part_of(&task, partition);
        partitions.spawn(supervised(part, move |part| {
            let (policy, journal, clock) = (Arc::clone(&policy), journal.clone(), clock.clone());
            async move { keep_following(&*policy, &journal, &clock, partition, part).await }
        }));
    }
    partitions.join_all().await;
}

async fn keep_following<P: Policy>(
    policy: &P,
    journal: &Journal,
    clock: &Clock,
    partition: u16,
    part: Part,
) {
    let mut watch = Watch::default();
    loop {
        if let Err(error) = follow(policy, journal, clock, partition, &mut watch, &part).await {
            tracing::warn!(%error, policy = policy.name(), partition, "policy pauses");
            part.fails(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Follows one partition for as long as this process holds the cursor.
async fn follow<P: Policy>(
    policy: &P,
    journal: &Journal,
    clock: &Clock,
    partition: u16,
    watch: &mut Watch<u64>,
    part: &Part,
) -> Result<(), JournalError> {
    let taken = Cursor::take(journal, clock, policy.name(), partition, watch).await;
    let Some(mut cursor) =
        taken.inspect_err(|_| meters::policy_of_another(policy.name(), partition))?
    else {
        meters::policy_of_another(policy.name(), partition);
        part.works();
        return Ok(());
    };
    // Before anything is done: a policy that cannot go on must say how far it is behind.
    cursor.report().await;
    let mut feed = journal.follow(partition, cursor.sequence());
    let mut kept = Instant::now();
    loop {
        let batch = match tokio::time::timeout(KEEP_EVERY, feed.next()).await {
            Ok(batch) => batch.transpose()?.unwrap_or_default(),
            Err(_nothing_new) => Vec::new(),
        };
        part.works();
        for entry in &batch {
            // What cannot be read is noted by the log itself, and holds nobody up.
            if let Some(recorded) = entry.commit() {
                policy.react(recorded).await?;
                part.works();
                failpoint::reach("policy.reacted");
            }
            cursor.passed(entry.position().sequence);
            if kept.elapsed() > KEEP_EVERY && !keep(&mut cursor, &mut kept).await? {
                meters::policy_of_another(policy.name(), partition);
                return Ok(());
            }
        }
        if kept.elapsed() > KEEP_EVERY && !keep(&mut cursor, &mut kept).await? {
            meters::policy_of_another(policy.name(), partition);
            return Ok(());
        }
    }
}

async fn keep(cursor: &mut Cursor, kept: &mut Instant) -> Result<bool, JournalError> {
    *kept = Instant::now();
    let ours = cursor.keep().await?;
    if ours {
        cursor.report().await;
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::id::LeadId;
    use domain::lead::aggregate::Lead;
    use domain::lead::command::LeadCommand;
    use domain::lead::stage::LeadSource;
    use journal::memory::MemoryJournal;
    use journal::token::Token;
    use journal::{Journal, JournalError};

    use super::{Policy, Recorded, run};
    use crate::clock::Clock;
    use crate::desk::Desk;
    use crate::origin::Origin;

    struct Panics;

    impl Policy for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }

        async fn react(&self, _recorded: &Recorded) -> Result<(), JournalError> {
            panic!("on purpose")
        }
    }

    #[tokio::test]
    async fn a_policy_that_panics_stands_still_by_name() {
        let journal = Journal::from(MemoryJournal::new());
        let desk = Desk::local(journal.clone(), Clock::System);
        let origin = Origin::new(Token::try_new("main").unwrap(), "test");
        let open = LeadCommand::Open {
            source: LeadSource::Partner,
            business_domain: None,
            contact: None,
        };
        desk.send::<Lead>(LeadId(1), open, &origin).await.unwrap();
        let running = tokio::spawn(run(Panics, journal.clone(), Clock::System));
        let named = async {
            loop {
                if let Some(still) = journal.health().standing_still().pop() {
                    break still.task;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let named = tokio::time::timeout(Duration::from_secs(30), named).await;
        assert_eq!(named.as_deref(), Ok("policy-panics 0"));
        running.abort();
    }
}
