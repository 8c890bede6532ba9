//! An aggregate as it was loaded: its state, and where in the log it stands.

use std::collections::BTreeSet;
use std::io;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Storable;
use crate::JournalError;
use crate::entry::{Entry, Fault};
use crate::envelope::{Commit, CommitHash};
use crate::position::Position;

/// How many of the last commit ids are remembered, to recognise a retried command.
const REMEMBERED: usize = 8;
/// The version of [`Loaded`] itself, raised when it has another form.
const FRAME: u32 = 1;
/// How much is appended, in bytes, before a state is measured again; a large one when it may have doubled.
const MEASURED_AFTER: u64 = 16 * 1024;
/// What an aggregate takes in memory beside its state, in bytes.
const FRAME_BYTES: u64 = 1024;
/// Values in memory are so much larger than as JSON, about.
const BYTES_PER_BYTE: u64 = 3;

/// An aggregate as it was loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(serialize = "A: Serialize", deserialize = "A: DeserializeOwned"))]
pub struct Loaded<A> {
    /// Its state.
    pub state: A,
    /// How many events made it.
    pub version: u64,
    /// The sequence of its last commit; 0 before its first.
    pub last: u64,
    /// The partition of its workspace.
    pub partition: u16,
    /// The hash of its last commit.
    pub hash: Option<CommitHash>,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// Its last commits, the newest last.
    recent: Vec<Uuid>,
    /// Whether the next commit may jump, because what stood between was put into quarantine.
    #[serde(default)]
    after_gap: bool,
    /// Whose keys seal what its events say.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) subjects: BTreeSet<String>,
    /// How large the state was as JSON when it was measured last, in bytes.
    #[serde(skip)]
    measured: u64,
    /// How much was appended since, in bytes.
    #[serde(skip)]
    grown_by: u64,
}

impl<A: Default> Default for Loaded<A> {
    fn default() -> Self {
        Self {
            state: A::default(),
            version: 0,
            last: 0,
            partition: 0,
            hash: None,
            created_at: None,
            updated_at: None,
            recent: Vec::new(),
            after_gap: false,
            subjects: BTreeSet::new(),
            measured: 0,
            grown_by: 0,
        }
    }
}

/// A snapshot is good only for code that makes the same state of the same events, and as it was made: its
/// bytes follow their hash.
#[derive(Serialize, Deserialize)]
struct Snapshot<L> {
    frame: u32,
    state: u32,
    loaded: L,
}

/// Counts what is written.
struct Counter(u64);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<A: Storable> Loaded<A> {
    /// Where its last commit is.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position {
            partition: self.partition,
            sequence: self.last,
        }
    }

    /// Whether one of its last commits has this id.
    #[must_use]
    pub fn remembers(&self, commit_id: Uuid) -> bool {
        self.recent.contains(&commit_id)
    }

    /// Whether it tells of every commit of its stream whether it has it, because there are so few.
    pub(super) const fn remembers_all(&self) -> bool {
        self.recent.len() < REMEMBERED
    }

    /// About how many bytes it takes in memory.
    pub(super) const fn bytes(&self) -> u64 {
        FRAME_BYTES + BYTES_PER_BYTE * (self.measured + self.grown_by)
    }

    /// The id of its last commit.
    #[must_use]
    pub fn last_commit(&self) -> Option<Uuid> {
        self.recent.last().copied()
    }

    /// After the next entry of its stream. What is passed over moves nothing but the end behind
    /// which the next commit is appended; what cannot be read is an error.
    pub(super) fn then(mut self, entry: &Entry) -> Result<Self, JournalError> {
        let recorded = match entry {
            Entry::Commit(recorded) => recorded,
            Entry::Unreadable(passed) if passed.fault.is_passed_over() => {
                self.last = passed.position.sequence;
                self.partition = passed.position.partition;
                if passed.fault == Fault::Quarantined {
                    self.after_gap = true;
                    self.version = self.version.max(passed.stored.first_version.unwrap_or(0));
                }
                return Ok(self);
            }
            Entry::Unreadable(unreadable) => return Err(unreadable.error()),
        };
        let corrupt = |reason: String| JournalError::Corrupt {
            position: recorded.position,
            reason,
        };
        let first = recorded.commit.first_version;
        if first != self.version + 1 && !(self.after_gap && first > self.version) {
            return Err(corrupt(format!(
                "version {first} follows version {}",
                self.version
            )));
        }
        for event in &recorded.commit.events {
            self.state
                .apply(schemas::codec::decode(event).map_err(|error| corrupt(error.to_string()))?);
        }
        self.advance(&recorded.commit, recorded.position, recorded.hash);
        Ok(self)
    }

    /// After a commit with these events.
    #[must_use]
    pub fn grown(
        mut self,
        events: &[A::Event],
        commit: &Commit,
        position: Position,
        hash: CommitHash,
    ) -> Self {
        for event in events {
            self.state.apply(event.clone());
        }
        self.advance(commit, position, hash);
        self
    }

    /// Without what only a writer needs: the hash and the last commit ids.
    #[must_use]
    pub fn for_readers(mut self) -> Self {
        self.hash = None;
        self.recent.clear();
        self.subjects.clear();
        self
    }

    fn advance(&mut self, commit: &Commit, position: Position, hash: CommitHash) {
        self.version = commit.last_version();
        self.last = position.sequence;
        self.subjects.extend(commit.keys.iter().cloned());
        self.partition = position.partition;
        self.after_gap = false;
        self.hash = Some(hash);
        self.created_at.get_or_insert(commit.at);
        self.updated_at = Some(commit.at);
        if self.recent.len() == REMEMBERED {
            self.recent.remove(0);
        }
        self.recent.push(commit.commit_id);
        let events = commit.events.iter();
        self.grown_by += events.map(|event| event.get().len() as u64).sum::<u64>();
        if self.grown_by > self.measured.max(MEASURED_AFTER) {
            self.measure();
        }
    }

    fn measure(&mut self) {
        let mut counter = Counter(0);
        // Nothing that is written to a counter fails; a state that is no JSON keeps its old measure.
        if serde_json::to_writer(&mut counter, &self.state).is_ok() {
            self.measured = counter.0;
        }
        self.grown_by = 0;
    }

    pub(super) fn to_snapshot(&self) -> Result<Vec<u8>, serde_json::Error> {
        let body = serde_json::to_vec(&Snapshot {
            frame: FRAME,
            state: A::STATE,
            loaded: self,
        })?;
        Ok([CommitHash::of(&body).as_bytes(), body.as_slice()].concat())
    }

    /// `None` where it has another version, or a disk changed it: then the whole stream is read instead.
    pub(super) fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        let (hash, body) = bytes.split_first_chunk::<32>()?;
        if CommitHash::of(body).as_bytes() != hash {
            return None;
        }
        let snapshot: Snapshot<Self> = serde_json::from_slice(body).ok()?;
        let mut loaded = snapshot.loaded;
        loaded.measured = body.len() as u64;
        ((snapshot.frame, snapshot.state) == (FRAME, A::STATE)).then_some(loaded)
    }
}
