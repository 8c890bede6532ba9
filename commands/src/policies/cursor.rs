//! How far a policy has come, and which process holds it.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use journal::claim::ClaimKey;
use journal::token::Token;
use journal::{Backend, Journal, JournalError, failpoint};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Clock, fresh_id};
use crate::lease::Watch;
use crate::meters;

/// A holder that has not kept its cursor for this long has died.
const LEASE: SignedDuration = SignedDuration::from_secs(5);
/// The workspace of what belongs to no workspace.
const SYSTEM: &str = "_system";

/// How far a policy has come, held by this process.
pub struct Cursor {
    journal: Journal,
    clock: Clock,
    policy: &'static str,
    partition: u16,
    key: ClaimKey,
    revision: u64,
    kept: Kept,
    /// The sequence that was kept last.
    written: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    sequence: u64,
    holder: Uuid,
    until: Timestamp,
}

impl Cursor {
    /// Takes a cursor that nobody holds; `None` while somebody does, who is watched.
    pub async fn take(
        journal: &Journal,
        clock: &Clock,
        policy: &'static str,
        partition: u16,
        watch: &mut Watch<u64>,
    ) -> Result<Option<Self>, JournalError> {
        let token = |text: &str| Token::try_new(text).map_err(JournalError::unavailable);
        let key = ClaimKey {
            workspace: token(SYSTEM)?,
            key: token(&format!("policy-{policy}-{partition}"))?,
        };
        let claim = journal.claim(&key).await?;
        let (revision, kept) = match &claim {
            Some(claim) => {
                let kept: Kept =
                    serde_json::from_slice(&claim.body).map_err(JournalError::unavailable)?;
                let silent = watch.is_silent(claim.revision, LEASE.unsigned_abs(), Instant::now());
                if kept.until > clock.now() && !silent && !is_ours_alone(journal) {
                    return Ok(None);
                }
                (claim.revision, kept)
            }
            None => (
                0,
                Kept {
                    sequence: 0,
                    holder: Uuid::nil(),
                    until: Timestamp::UNIX_EPOCH,
                },
            ),
        };
        let kept = Kept {
            holder: fresh_id(),
            ..kept
        };
        let mut cursor = Self {
            journal: journal.clone(),
            clock: clock.clone(),
            policy,
            partition,
            key,
            revision,
            written: kept.sequence,
            kept,
        };
        Ok(cursor.write().await?.then_some(cursor))
    }

    /// The last sequence that was reacted to.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.kept.sequence
    }

    /// Moves past a sequence.
    pub const fn passed(&mut self, sequence: u64) {
        self.kept.sequence = sequence;
    }

    /// Keeps it and renews the lease; `false` where another process has taken it.
    ///
    /// A quiet log costs no write where nobody else could take it, and few where somebody could.
    pub async fn keep(&mut self) -> Result<bool, JournalError> {
        let moved = self.kept.sequence > self.written;
        let (now, until) = (self.clock.now(), self.kept.until);
        // A moment beyond the lease was written before our clock jumped back.
        let renewed = until - LEASE / 2 > now && until <= now + LEASE;
        let rested = renewed || is_ours_alone(&self.journal);
        if !moved && rested {
            Ok(true)
        } else {
            self.write().await
        }
    }

    /// Says how far it is behind the log; where the log does not answer, what it said stays.
    pub(super) async fn report(&self) {
        if let Ok(head) = self.journal.head(self.partition).await {
            let behind = head.sequence.saturating_sub(self.kept.sequence);
            meters::policy(self.policy, self.partition, behind, self.clock.now());
        }
    }

    async fn write(&mut self) -> Result<bool, JournalError> {
        let now = self.clock.now();
        self.kept.until = now + LEASE;
        let body = serde_json::to_vec(&self.kept).map_err(JournalError::unavailable)?;
        match self
            .journal
            .put_claim(&self.key, self.revision, body, now)
            .await
        {
            Ok(revision) => {
                self.revision = revision;
                if self.kept.sequence > self.written {
                    failpoint::reach("policy.kept");
                }
                self.written = self.kept.sequence;
                Ok(true)
            }
            Err(JournalError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether no other process can run policies on this log: a file belongs to the one process that
/// has locked its folder.
const fn is_ours_alone(journal: &Journal) -> bool {
    matches!(journal.backend(), Backend::Sqlite(_))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use jiff::SignedDuration;
    use journal::Journal;
    use journal::memory::MemoryJournal;

    use super::{Cursor, LEASE};
    use crate::clock::Clock;
    use crate::lease::Watch;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    async fn take(journal: &Journal, clock: &Clock, watch: &mut Watch<u64>) -> Option<Cursor> {
        Cursor::take(journal, clock, "test", 0, watch)
            .await
            .unwrap()
    }

    /// As if the watch had begun this much earlier.
    fn has_watched(cursor: &Cursor, time: Duration) -> Watch<u64> {
        let mut watch = Watch::default();
        let before = Instant::now().checked_sub(time).unwrap();
        assert!(!watch.is_silent(cursor.revision, time, before));
        watch
    }

    #[tokio::test]
    async fn a_holder_that_died_with_its_clock_an_hour_ahead_is_replaced() {
        let journal = Journal::from(MemoryJournal::new());
        let (ahead, ours) = (Clock::manual(Clock::System.now() + HOUR), Clock::System);
        let dead = take(&journal, &ahead, &mut Watch::default()).await.unwrap();
        assert!(take(&journal, &ours, &mut Watch::default()).await.is_none());
        let mut watch = has_watched(&dead, LEASE.unsigned_abs() * 2);
        assert!(take(&journal, &ours, &mut watch).await.is_some());
    }

    #[tokio::test]
    async fn a_holder_that_renews_is_left_alone_whatever_its_clock_says() {
        let journal = Journal::from(MemoryJournal::new());
        let (ahead, ours) = (Clock::manual(Clock::System.now() + HOUR), Clock::System);
        let mut alive = take(&journal, &ahead, &mut Watch::default()).await.unwrap();
        let mut watch = has_watched(&alive, LEASE.unsigned_abs() * 2);
        ahead.turn(LEASE);
        assert!(alive.keep().await.unwrap());
        assert!(take(&journal, &ours, &mut watch).await.is_none());
    }

    #[tokio::test]
    async fn a_holder_whose_clock_jumps_back_goes_on_renewing() {
        let journal = Journal::from(MemoryJournal::new());
        let clock = Clock::manual(Clock::System.now());
        let mut cursor = take(&journal, &clock, &mut Watch::default()).await.unwrap();
        let before = cursor.revision;
        clock.turn(-HOUR);
        assert!(cursor.keep().await.unwrap());
        assert!(cursor.revision > before, "others must hear that it lives");
    }
}
