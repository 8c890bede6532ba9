//! How far a policy has come, and which process holds it.

use jiff::{SignedDuration, Timestamp};
use journal::claim::ClaimKey;
use journal::token::Token;
use journal::{Journal, JournalError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Clock, fresh_id};

/// A holder that has not kept its cursor for this long has died.
const LEASE: SignedDuration = SignedDuration::from_secs(5);
/// The workspace of what belongs to no workspace.
const SYSTEM: &str = "_system";

/// How far a policy has come, held by this process.
pub(super) struct Cursor {
    journal: Journal,
    clock: Clock,
    key: ClaimKey,
    revision: u64,
    kept: Kept,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    sequence: u64,
    holder: Uuid,
    until: Timestamp,
}

impl Cursor {
    /// Takes a cursor that nobody holds; `None` while somebody does.
    pub(super) async fn take(
        journal: &Journal,
        clock: &Clock,
        policy: &str,
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
                if kept.until > clock.now() {
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
            key,
            revision,
            kept,
        };
        Ok(cursor.keep().await?.then_some(cursor))
    }

    /// The last sequence that was reacted to.
    pub(super) const fn sequence(&self) -> u64 {
        self.kept.sequence
    }

    /// Moves past a sequence.
    pub(super) const fn passed(&mut self, sequence: u64) {
        self.kept.sequence = sequence;
    }

    /// Keeps it and renews the lease; `false` where another process has taken it.
    pub(super) async fn keep(&mut self) -> Result<bool, JournalError> {
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
                Ok(true)
            }
            Err(JournalError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
