//! How far a policy has come, what it leaves aside, and which process holds it.
//!
//! - [`Cursor`]: of a policy in a partition, kept beside the log for ever
//! - [`Lease`]: of something that one process does at a time and that has come nowhere, in a claim

use std::time::Instant;

use domain::policy::PolicyId;
use jiff::{SignedDuration, Timestamp};
use journal::claim::ClaimKey;
use journal::cursor::name_of;
use journal::token::Token;
use journal::{Backend, Journal, JournalError, failpoint};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Clock, fresh_id};
use crate::lease::Watch;

/// A holder that has not kept its cursor for this long has died.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(5);
/// The workspace of what belongs to no workspace.
const SYSTEM: &str = "_system";

/// The workspace of what belongs to no workspace.
pub(super) fn system() -> Result<Token, JournalError> {
    token(SYSTEM)
}

fn token(text: &str) -> Result<Token, JournalError> {
    Token::try_new(text).map_err(JournalError::unavailable)
}

/// An aggregate that a policy leaves aside: the first commit that it could not react to, and
/// everything behind it in the same stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The stream, as `main.lead.7`.
    pub stream: String,
    /// The version that the first event not reacted to gave the aggregate.
    pub version: u64,
    /// Where that commit stands; commits before it need not be read. 0 where nobody knows.
    pub sequence: u64,
    /// Why, without personal data.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// What is kept. Its first three fields are also what claims held before cursors had their place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The last sequence that was met.
    pub sequence: u64,
    holder: Uuid,
    #[serde(rename = "until")]
    lease_expires_at: Timestamp,
    /// What is left aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<Parked>,
}

impl State {
    /// Up to this sequence, held by nobody.
    #[must_use]
    pub const fn at(sequence: u64, parked: Vec<Parked>) -> Self {
        Self {
            sequence,
            holder: Uuid::nil(),
            lease_expires_at: Timestamp::UNIX_EPOCH,
            parked,
        }
    }

    /// As it is kept.
    pub fn to_bytes(&self) -> Result<Vec<u8>, JournalError> {
        serde_json::to_vec(self).map_err(JournalError::unavailable)
    }

    /// As it was kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, JournalError> {
        serde_json::from_slice(bytes).map_err(JournalError::unavailable)
    }

    /// Whether somebody holds it who is not known to have died.
    fn is_held(
        &self,
        revision: u64,
        journal: &Journal,
        clock: &Clock,
        watch: &mut Watch<u64>,
    ) -> bool {
        let silent = watch.is_silent(revision, LEASE.unsigned_abs(), Instant::now());
        self.lease_expires_at > clock.now() && !silent && !is_ours_alone(journal)
    }
}

/// Where something is kept.
#[derive(Debug, Clone)]
enum Place {
    Claim(ClaimKey),
    Cursor(Token),
}

impl Place {
    fn claim(name: &str, partition: u16) -> Result<Self, JournalError> {
        Ok(Self::Claim(ClaimKey {
            workspace: system()?,
            key: token(&format!("policy-{name}-{partition}"))?,
        }))
    }

    async fn read(&self, journal: &Journal) -> Result<Option<(u64, State)>, JournalError> {
        let kept = match self {
            Self::Claim(key) => {
                let claim = journal.claim(key).await?;
                claim.map(|claim| (claim.revision, claim.body))
            }
            Self::Cursor(name) => {
                let kept = journal.cursor(name).await?;
                kept.map(|kept| (kept.revision, kept.body))
            }
        };
        kept.map(|(revision, body)| Ok((revision, State::from_bytes(&body)?)))
            .transpose()
    }

    async fn write(
        &self,
        journal: &Journal,
        revision: u64,
        state: &State,
        now: Timestamp,
    ) -> Result<u64, JournalError> {
        let body = state.to_bytes()?;
        match self {
            Self::Claim(key) => journal.put_claim(key, revision, body, now).await,
            Self::Cursor(name) => journal.put_cursor(name, revision, body).await,
        }
    }
}

/// What became of taking a cursor.
pub(super) enum Taken {
    /// This process holds it.
    Ours(Box<Cursor>),
    /// Another process holds it.
    Others,
    /// There is none.
    Lost,
}

/// What the claims of an older program say of a policy.
pub(super) enum Before {
    /// It runs there.
    Held,
    /// It came this far.
    Free(u64),
    /// Nothing.
    Unknown,
}

/// How far a policy has come, held by this process.
#[derive(Debug)]
pub(super) struct Cursor(Held);

impl Cursor {
    /// Takes a cursor that nobody holds. Whoever holds it is watched.
    pub(super) async fn take(
        journal: &Journal,
        clock: &Clock,
        policy: PolicyId,
        partition: u16,
        watch: &mut Watch<u64>,
    ) -> Result<Taken, JournalError> {
        let place = Place::Cursor(name_of(policy, partition)?);
        let Some((revision, state)) = place.read(journal).await? else {
            return Ok(Taken::Lost);
        };
        let held = Held::take(journal, clock, place, (revision, state), watch).await?;
        Ok(held.map_or(Taken::Others, |held| Taken::Ours(Box::new(Self(held)))))
    }

    /// What an older program has kept in the claims.
    pub(super) async fn before(
        journal: &Journal,
        clock: &Clock,
        policy: PolicyId,
        partition: u16,
        watch: &mut Watch<u64>,
    ) -> Result<Before, JournalError> {
        let place = Place::claim(policy.as_str(), partition)?;
        Ok(match place.read(journal).await? {
            Some((revision, state)) if state.is_held(revision, journal, clock, watch) => {
                Before::Held
            }
            Some((_, state)) => Before::Free(state.sequence),
            None => Before::Unknown,
        })
    }

    /// The last sequence that was met.
    pub(super) const fn sequence(&self) -> u64 {
        self.0.state.sequence
    }

    /// Moves past a sequence.
    pub(super) const fn passed(&mut self, sequence: u64) {
        self.0.state.sequence = sequence;
    }

    /// What is left aside.
    pub(super) fn parked(&self) -> &[Parked] {
        &self.0.state.parked
    }

    /// The same, to be changed; it is kept the next time.
    pub(super) const fn parked_mut(&mut self) -> &mut Vec<Parked> {
        self.0.changed = true;
        &mut self.0.state.parked
    }

    /// Keeps it and renews the lease; `false` where another process, or a person, has taken it.
    pub(super) async fn keep(&mut self) -> Result<bool, JournalError> {
        self.0.keep().await
    }

    /// Commits that it has not met; `None` where the log does not answer.
    pub(super) async fn behind(&self, partition: u16) -> Option<u64> {
        let head = self.0.journal.head(partition).await.ok()?;
        Some(head.sequence.saturating_sub(self.sequence()))
    }
}

/// The right to do something that one process does at a time.
#[derive(Debug)]
pub struct Lease(Held);

impl Lease {
    /// Takes a lease that nobody holds; `None` while somebody does, who is watched.
    pub async fn take(
        journal: &Journal,
        clock: &Clock,
        name: &str,
        watch: &mut Watch<u64>,
    ) -> Result<Option<Self>, JournalError> {
        let place = Place::claim(name, 0)?;
        let known = place.read(journal).await?;
        let known = known.unwrap_or_else(|| (0, State::at(0, Vec::new())));
        let held = Held::take(journal, clock, place, known, watch).await?;
        Ok(held.map(Self))
    }

    /// Renews it; `false` where another process has taken it.
    pub async fn keep(&mut self) -> Result<bool, JournalError> {
        self.0.keep().await
    }
}

/// Something that is held by this process.
#[derive(Debug)]
struct Held {
    journal: Journal,
    clock: Clock,
    place: Place,
    revision: u64,
    state: State,
    /// The sequence that was kept last.
    written: u64,
    /// Whether something else than the sequence has changed.
    changed: bool,
}

impl Held {
    async fn take(
        journal: &Journal,
        clock: &Clock,
        place: Place,
        (revision, state): (u64, State),
        watch: &mut Watch<u64>,
    ) -> Result<Option<Self>, JournalError> {
        if state.is_held(revision, journal, clock, watch) {
            return Ok(None);
        }
        let mut held = Self {
            journal: journal.clone(),
            clock: clock.clone(),
            place,
            revision,
            written: state.sequence,
            changed: false,
            state: State {
                holder: fresh_id(),
                ..state
            },
        };
        Ok(held.write().await?.then_some(held))
    }

    /// A quiet log costs no write where nobody else could take it, and few where somebody could.
    async fn keep(&mut self) -> Result<bool, JournalError> {
        let moved = self.changed || self.state.sequence > self.written;
        let (now, expires) = (self.clock.now(), self.state.lease_expires_at);
        // A moment beyond the lease was written before our clock jumped back.
        let renewed = expires - LEASE / 2 > now && expires <= now + LEASE;
        if moved || !(renewed || is_ours_alone(&self.journal)) {
            return self.write().await;
        }
        match self.place {
            // A person may have placed it elsewhere.
            Place::Cursor(_) => {
                let known = self.place.read(&self.journal).await?;
                Ok(known.is_some_and(|(revision, _)| revision == self.revision))
            }
            Place::Claim(_) => Ok(true),
        }
    }

    async fn write(&mut self) -> Result<bool, JournalError> {
        let now = self.clock.now();
        self.state.lease_expires_at = now + LEASE;
        let written = self
            .place
            .write(&self.journal, self.revision, &self.state, now);
        match written.await {
            Ok(revision) => {
                self.revision = revision;
                if self.state.sequence > self.written {
                    failpoint::reach("policy.kept");
                }
                self.written = self.state.sequence;
                self.changed = false;
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

    use super::{LEASE, Lease};
    use crate::clock::Clock;
    use crate::lease::Watch;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    async fn take(journal: &Journal, clock: &Clock, watch: &mut Watch<u64>) -> Option<Lease> {
        Lease::take(journal, clock, "test", watch).await.unwrap()
    }

    /// As if the watch had begun this much earlier.
    fn has_watched(lease: &Lease, time: Duration) -> Watch<u64> {
        let mut watch = Watch::default();
        let before = Instant::now().checked_sub(time).unwrap();
        assert!(!watch.is_silent(lease.0.revision, time, before));
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
        let mut lease = take(&journal, &clock, &mut Watch::default()).await.unwrap();
        let before = lease.0.revision;
        clock.turn(-HOUR);
        assert!(lease.keep().await.unwrap());
        assert!(lease.0.revision > before, "others must hear that it lives");
    }
}
