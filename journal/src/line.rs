//! What stands at a position as one line of text, for exports, backups and the archive: a commit byte
//! for byte, or what is no commit with its bytes in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::JournalError;
use crate::entry::{Entry, Unreadable};
use crate::envelope::{Commit, CommitHash, Sealed};
use crate::token::{StreamId, Token};

/// A line of what is no commit.
#[derive(Debug, Serialize, Deserialize)]
struct Wrapped {
    unreadable: Content,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    commit_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    first_version: Option<u64>,
    /// Whether its stream goes on without it.
    passed_over: bool,
    reason: String,
    bytes: String,
}

/// What a line holds.
#[derive(Debug)]
pub struct Line {
    /// What is to be stored, byte for byte.
    pub sealed: Sealed,
    /// The commit; `None` of what is none.
    pub commit: Option<Commit>,
    /// Whether it was never part of its stream, or is no more.
    pub passed_over: bool,
}

/// The line of an entry, as it is stored.
pub fn write(entry: &Entry) -> Result<String, JournalError> {
    let malformed = |error: serde_json::Error| JournalError::Malformed(error.to_string());
    match entry {
        Entry::Commit(recorded) => {
            let line = serde_json::to_string(&recorded.commit).map_err(malformed)?;
            if CommitHash::of(line.as_bytes()) == recorded.hash {
                return Ok(line);
            }
            Err(JournalError::Corrupt {
                position: recorded.position,
                reason: "it was not written by Rapport".into(),
            })
        }
        Entry::Unreadable(unreadable) => {
            serde_json::to_string(&wrapped(unreadable)).map_err(malformed)
        }
    }
}

fn wrapped(unreadable: &Unreadable) -> Wrapped {
    let stored = &unreadable.stored;
    Wrapped {
        unreadable: Content {
            stream: unreadable.stream.as_ref().map(ToString::to_string),
            commit_id: stored.commit_id,
            first_version: stored.first_version,
            passed_over: unreadable.fault.is_passed_over(),
            reason: unreadable.fault.to_string(),
            bytes: BASE64.encode(&stored.bytes),
        },
    }
}

/// What a line holds; the reason where it was not written by [`write`].
pub fn read(line: &str) -> Result<Line, String> {
    if let Ok(Wrapped { unreadable }) = serde_json::from_str(line) {
        return content(&unreadable);
    }
    let commit: Commit = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let sealed = Sealed::try_new(&commit).map_err(|error| error.to_string())?;
    if sealed.bytes != line.as_bytes() {
        return Err("it was not written by Rapport".into());
    }
    Ok(Line {
        sealed,
        commit: Some(commit),
        passed_over: false,
    })
}

fn content(content: &Content) -> Result<Line, String> {
    let bytes = BASE64.decode(&content.bytes);
    let bytes = bytes.map_err(|error| format!("its bytes: {error}"))?;
    let hash = CommitHash::of(&bytes);
    let named = content.stream.as_deref().and_then(|name| name.parse().ok());
    let stream = match named {
        Some(stream) => stream,
        None => nowhere(&hash).map_err(|error| error.to_string())?,
    };
    let fresh = Uuid::new_v5(&Uuid::NAMESPACE_OID, hash.as_bytes());
    Ok(Line {
        sealed: Sealed {
            hash,
            bytes,
            commit_id: content.commit_id.unwrap_or(fresh),
            stream,
            first_version: content.first_version.unwrap_or_default(),
            is_authentic: !content.passed_over,
        },
        commit: None,
        passed_over: content.passed_over,
    })
}

/// A stream of its own for what belongs to none.
fn nowhere(hash: &CommitHash) -> Result<StreamId, crate::token::BadToken> {
    Ok(StreamId {
        workspace: Token::try_new("_unreadable")?,
        category: Token::try_new("unknown")?,
        id: Token::try_new(&hash.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::entry::{Entry, Fault, Stored, Unreadable};
    use crate::position::Position;
    use crate::token::StreamId;

    #[test]
    fn what_is_no_commit_comes_back_byte_for_byte() {
        let bytes: Vec<u8> = (0..=255).cycle().take(300).collect();
        let stream = StreamId::try_new("main", "lead", "7").unwrap();
        for fault in [Fault::Undecodable("x".into()), Fault::Quarantined] {
            let entry = Entry::from(Unreadable {
                position: Position {
                    partition: 0,
                    sequence: 3,
                },
                stream: Some(stream.clone()),
                fault: fault.clone(),
                stored: Stored {
                    bytes: bytes.clone(),
                    commit_id: None,
                    first_version: Some(2),
                },
            });
            let line = read(&write(&entry).unwrap()).unwrap();
            assert_eq!(line.sealed.bytes, bytes);
            assert_eq!(line.sealed.hash, entry.hash());
            assert_eq!(
                (&line.sealed.stream, line.sealed.first_version),
                (&stream, 2)
            );
            assert_eq!(line.passed_over, fault.is_passed_over());
            assert_eq!(line.sealed.is_authentic, !fault.is_passed_over());
        }
    }

    #[test]
    fn a_line_of_somebody_else_is_refused() {
        for line in [
            "",
            "{}",
            r#"{"unreadable":{"bytes":"!","reason":"","passed_over":true}}"#,
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
