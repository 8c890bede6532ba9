//! The commit: one or more events of one stream, stored as one message, chained by hash.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::JournalError;
use crate::entry::Fault;
use crate::position::Position;
use crate::token::{StreamId, Token};

/// The largest stored commit, in bytes: NATS takes messages of 1 MB, headers included.
pub const MAX_BYTES: usize = 1_000_000;

/// The SHA-256 of a stored commit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommitHash([u8; 32]);

impl CommitHash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CommitHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for CommitHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for CommitHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CommitHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(text.as_bytes(), &mut hash).map_err(serde::de::Error::custom)?;
        Ok(Self(hash))
    }
}

/// One command's events, as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Commit {
    /// Unique in the log; the broker's de-duplication id.
    pub commit_id: Uuid,
    /// Whose it is.
    pub workspace: Token,
    /// The aggregate's `TYPE`.
    pub category: Token,
    /// The aggregate's id.
    pub id: Token,
    /// The version that the first event gives the aggregate; 1 for its first event ever.
    pub first_version: u64,
    /// The events, as [`schemas::codec`] writes them.
    pub events: Vec<Box<RawValue>>,
    /// Who asked: `key:3`, `policy:transfer`, `cli`, …; never a name.
    pub actor: String,
    /// The command's name.
    pub command: String,
    /// Shared by everything that one request caused.
    pub correlation: Uuid,
    /// The commit that caused this one, where one did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub causation: Option<Uuid>,
    /// The commit of this stream that this one takes back, where it is an undo.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undoes: Option<Uuid>,
    /// W3C trace context of the request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceparent: Option<String>,
    /// When, by the clock of the desk that appended it.
    pub at: Timestamp,
    /// The hash of the stream's previous commit; none for its first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prev_hash: Option<CommitHash>,
    /// The data keys that personal fields are sealed with.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub keys: Vec<String>,
    /// The request, where it must be carried out once; its claim's seed is the correlation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asked: Option<Asked>,
}

impl Commit {
    /// The stream it belongs to.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId {
            workspace: self.workspace.clone(),
            category: self.category.clone(),
            id: self.id.clone(),
        }
    }

    /// The version that the last event gives the aggregate.
    #[must_use]
    pub fn last_version(&self) -> u64 {
        self.first_version + self.events.len() as u64 - 1
    }
}

/// The request that carried an `Idempotency-Key` and caused a commit: what its claim is made from again
/// where the claims are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The claim's key: a hash of caller, route and `Idempotency-Key`.
    pub claim: Token,
    /// The beginning of a hash of what was asked.
    pub fingerprint: String,
}

/// A commit in the form that is stored, checked for size and shape.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// What is stored, byte for byte.
    pub bytes: Vec<u8>,
    /// The hash of `bytes`.
    pub hash: CommitHash,
    /// Its id.
    pub commit_id: Uuid,
    /// Its stream.
    pub stream: StreamId,
    /// The version that its first event gives the aggregate.
    pub first_version: u64,
    /// Whether we vouch for it. Only what is copied out of another log may be something that nobody
    /// of ours wrote, and must stay so.
    pub is_authentic: bool,
}

impl Sealed {
    /// Seals a commit: refuses one without events or beyond [`MAX_BYTES`].
    pub fn try_new(commit: &Commit) -> Result<Self, JournalError> {
        if commit.events.is_empty() || commit.first_version == 0 {
            return Err(JournalError::Malformed(
                "a commit has events, and versions from 1".into(),
            ));
        }
        let bytes =
            serde_json::to_vec(commit).map_err(|e| JournalError::Malformed(e.to_string()))?;
        if bytes.len() > MAX_BYTES {
            return Err(JournalError::TooLarge { bytes: bytes.len() });
        }
        Ok(Self {
            hash: CommitHash::of(&bytes),
            bytes,
            commit_id: commit.commit_id,
            stream: commit.stream(),
            first_version: commit.first_version,
            is_authentic: true,
        })
    }
}

/// A commit that the log holds.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Where.
    pub position: Position,
    /// What.
    pub commit: Commit,
    /// The hash of what is stored.
    pub hash: CommitHash,
}

impl Recorded {
    /// Reads what is stored at a position.
    pub fn read(position: Position, bytes: &[u8]) -> Result<Self, Fault> {
        let undecodable = |error: serde_json::Error| Fault::Undecodable(error.to_string());
        let commit: Commit = serde_json::from_slice(bytes).map_err(undecodable)?;
        if commit.events.is_empty() || commit.first_version == 0 {
            return Err(Fault::Undecodable("it has no events or no version".into()));
        }
        Ok(Self {
            position,
            commit,
            hash: CommitHash::of(bytes),
        })
    }
}
