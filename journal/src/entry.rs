//! What a reader gets of a position of the log: a commit, or why there is none to be read there.
//!
//! A fault of one commit is never an error of the whole log. What `commands` wrote and nobody here
//! can read parks its stream for that reader; what `commands` did not write is passed over, and
//! parks nobody. Either is noted in [`Faults`], so that people hear of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use uuid::Uuid;

use crate::JournalError;
use crate::envelope::{CommitHash, Recorded};
use crate::meters;
use crate::position::Position;
use crate::token::StreamId;

/// How many faults a process remembers; later ones are counted all the same.
const REMEMBERED: usize = 1000;

/// What the log has at a position. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A commit.
    Commit(Arc<Recorded>),
    /// Something that cannot be read, or must not be.
    Unreadable(Arc<Unreadable>),
}

/// What stands at a position and is no commit for this reader.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// Where.
    pub position: Position,
    /// Its stream, where what holds the log tells it.
    pub stream: Option<StreamId>,
    /// What is wrong with it.
    pub fault: Fault,
    /// What is stored, byte for byte.
    pub stored: Stored,
}

/// What is stored at a position, as what holds the log has it.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Byte for byte.
    pub bytes: Vec<u8>,
    /// The id that its author gave it, where it is kept beside the bytes.
    pub commit_id: Option<Uuid>,
    /// The version of its first event, where it is kept beside the bytes.
    pub first_version: Option<u64>,
}

impl Stored {
    /// The hash of the bytes.
    #[must_use]
    pub fn hash(&self) -> CommitHash {
        CommitHash::of(&self.bytes)
    }
}

/// Why a commit cannot be read, or must not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes are no commit.
    #[error("its bytes are no commit: {0}")]
    Undecodable(String),
    /// It is a commit, and not the one that was written there.
    #[error("{0}")]
    Changed(String),
    /// The role `commands` did not write it.
    #[error("commands did not write it: {0}")]
    NotAuthentic(String),
    /// A person has said that it is to be passed over.
    #[error("it was put into quarantine")]
    Quarantined,
    /// A personal field does not open with its person's key.
    #[error("the sealed field {0} was changed")]
    Unsealable(String),
    /// The person's key is not in this vault, and nobody erased them.
    #[error("the key of {0} is not in this vault: bring back the vault that belongs to this log")]
    KeyMissing(String),
    /// This program does not know the event.
    #[error("a newer program wrote it: {0}")]
    NewerProgram(String),
}

/// The name of each kind, for the one that has it and for the list of all.
macro_rules! kinds {
    ($($fault:pat => $name:literal),+ $(,)?) => {
        /// Every [`Self::kind`], so that the metrics have each from the start.
        pub(crate) const KINDS: &[&'static str] = &[$($name),+];

        /// Its kind, as metrics name it.
        #[must_use]
        pub const fn kind(&self) -> &'static str {
            match self {
                $($fault => $name),+
            }
        }
    };
}

impl Fault {
    /// Whether its stream goes on without it: it was never part of the stream, or is no more.
    #[must_use]
    pub const fn is_passed_over(&self) -> bool {
        match self {
            Self::NotAuthentic(_) | Self::Quarantined => true,
            Self::Undecodable(_)
            | Self::Changed(_)
            | Self::Unsealable(_)
            | Self::KeyMissing(_)
            | Self::NewerProgram(_) => false,
        }
    }

    kinds! {
        Self::Undecodable(_) => "undecodable",
        Self::Changed(_) => "changed",
        Self::NotAuthentic(_) => "not_authentic",
        Self::Quarantined => "quarantined",
        Self::Unsealable(_) => "unsealable",
        Self::KeyMissing(_) => "key_missing",
        Self::NewerProgram(_) => "newer_program",
    }
}

impl From<Recorded> for Entry {
    fn from(recorded: Recorded) -> Self {
        Self::Commit(Arc::new(recorded))
    }
}

impl From<Unreadable> for Entry {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(Arc::new(unreadable))
    }
}

impl Entry {
    /// Where it is.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Commit(recorded) => recorded.position,
            Self::Unreadable(unreadable) => unreadable.position,
        }
    }

    /// Its stream, where that is known.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        match self {
            Self::Commit(recorded) => Some(recorded.commit.stream()),
            Self::Unreadable(unreadable) => unreadable.stream.clone(),
        }
    }

    /// The commit, if it can be read.
    #[must_use]
    pub fn commit(&self) -> Option<&Arc<Recorded>> {
        match self {
            Self::Commit(recorded) => Some(recorded),
            Self::Unreadable(_) => None,
        }
    }

    /// The commit; `None` of what is passed over, an error of what cannot be read.
    pub fn readable(&self) -> Result<Option<&Arc<Recorded>>, JournalError> {
        match self {
            Self::Commit(recorded) => Ok(Some(recorded)),
            Self::Unreadable(unreadable) if unreadable.fault.is_passed_over() => Ok(None),
            Self::Unreadable(unreadable) => Err(unreadable.error()),
        }
    }

    /// The id of the commit; of what is none, one that follows from where it is and what it is.
    #[must_use]
    pub fn id(&self) -> Uuid {
        match self {
            Self::Commit(recorded) => recorded.commit.commit_id,
            Self::Unreadable(unreadable) => {
                let name = format!("{} {}", unreadable.position, unreadable.stored.hash());
                Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
            }
        }
    }

    /// Whether a request caused it, or may have: what cannot be read may still name it.
    #[must_use]
    pub fn is_maybe_of(&self, correlation: Uuid) -> bool {
        match self {
            Self::Commit(recorded) => recorded.commit.correlation == correlation,
            Self::Unreadable(unreadable) => {
                let (bytes, id) = (&unreadable.stored.bytes, correlation.to_string());
                let names_it = |window: &[u8]| window == id.as_bytes();
                !unreadable.fault.is_passed_over() && bytes.windows(id.len()).any(names_it)
            }
        }
    }

    /// The hash of what is stored.
    #[must_use]
    pub fn hash(&self) -> CommitHash {
        match self {
            Self::Commit(recorded) => recorded.hash,
            Self::Unreadable(unreadable) => unreadable.stored.hash(),
        }
    }
}

/// The commits among these, for whoever cannot do without any of them: an error names the first that
/// cannot be read.
pub fn readable(entries: &[Entry]) -> Result<Vec<Arc<Recorded>>, JournalError> {
    let commits = entries.iter().map(Entry::readable);
    let commits = commits.filter_map(Result::transpose);
    commits.map(Result::<&Arc<Recorded>, _>::cloned).collect()
}

impl Unreadable {
    /// What whoever needs it is told.
    #[must_use]
    pub fn error(&self) -> JournalError {
        JournalError::Corrupt {
            position: self.position,
            reason: self.fault.to_string(),
        }
    }
}

/// What this process has found unreadable, for its probes and metrics. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<BTreeMap<Position, Noted>>>);

/// A fault, as people who may see it are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// Where.
    pub position: String,
    /// The stream, where it is known.
    pub stream: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// Whether its stream goes on without it.
    pub passed_over: bool,
}

impl Faults {
    /// Remembers what cannot be read among these; says each once.
    pub(crate) fn note(&self, entries: &[Entry]) {
        for entry in entries {
            let Entry::Unreadable(unreadable) = entry else {
                continue;
            };
            let mut known = self.lock();
            if known.len() >= REMEMBERED || known.contains_key(&unreadable.position) {
                continue;
            }
            let noted = Noted {
                position: unreadable.position.to_string(),
                stream: unreadable.stream.as_ref().map(ToString::to_string),
                reason: unreadable.fault.to_string(),
                passed_over: unreadable.fault.is_passed_over(),
            };
            tracing::error!(
                position = noted.position,
                stream = noted.stream,
                reason = noted.reason,
                "a commit cannot be read"
            );
            meters::unreadable(unreadable.fault.kind());
            known.insert(unreadable.position, noted);
        }
    }

    /// What it has found, in the order of the log.
    #[must_use]
    pub fn all(&self) -> Vec<Noted> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Position, Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
