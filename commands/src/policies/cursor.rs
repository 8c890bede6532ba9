//! How far a policy has come, and which process holds it.

use jiff::{SignedDuration, Timestamp};
use journal::claim::ClaimKey;
use journal::token::Token;
use journal::{Backend, Journal, JournalError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Clock, fresh_id};
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
    /// Takes a cursor that nobody holds; `None` while somebody does.
    pub async fn take(
        journal: &Journal,
        clock: &Clock,
        policy: &'static str,
        partition: u16,
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
                if kept.until > clock.now() && !is_ours_alone(journal) {
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
        let rested = self.kept.until - LEASE / 2 > self.clock.now() || is_ours_alone(&self.journal);
        if !moved && rested {
            Ok(true)
        } else {
            self.write().await
        }
    }

    /// Says how far it is behind the log; where the log does not answer, what it said stays.
    pub(super) async fn report(&self) {
        let heads = self.journal.heads().await.unwrap_or_default();
        let head = heads.iter().find(|head| head.partition == self.partition);
        if let Some(head) = head {
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
