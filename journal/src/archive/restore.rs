//! Making a lost log again from its archive, every commit at its position.

use std::collections::HashMap;

use super::{Archive, Archived};
use crate::envelope::Sealed;
use crate::position::Position;
use crate::{Journal, JournalError, line};

const BATCH: usize = 1024;

/// Why a log could not be made again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The archive lacks commits.
    #[error("the archive has nothing between {after} and {found}")]
    Gap {
        /// The last that is there.
        after: u64,
        /// The next that is there.
        found: Position,
    },
    /// The archive ends before the end that it told.
    #[error("the archive ends at {after}, not at {end}")]
    Short {
        /// The last that is there.
        after: u64,
        /// The end that it told.
        end: Position,
    },
    /// The archive's commit is not what its hash was made of.
    #[error("{0} was changed in the archive")]
    Changed(Position),
    /// Another commit stands there.
    #[error("{at} came to stand at {found}: this log is not empty")]
    NotEmpty {
        /// Where it was.
        at: Position,
        /// Where it stands now.
        found: Position,
    },
    /// A commit could not be appended.
    #[error("{at}")]
    Refused {
        /// Where it was.
        at: Position,
        /// What the log says.
        source: JournalError,
    },
    /// The archive could not be read.
    #[error(transparent)]
    Unreadable(#[from] JournalError),
}

/// Appends everything that a partition of the archive has up to its end, and tells each position;
/// answers how many commits those are. Begun again, it goes on.
pub async fn restore(
    journal: &Journal,
    archive: &Archive,
    end: Position,
    told: impl Fn(Position),
) -> Result<u64, RestoreError> {
    let (mut after, mut streams) = (0, HashMap::new());
    while after < end.sequence {
        let batch = archive.read(end.partition, after, BATCH).await?;
        if batch.is_empty() {
            return Err(RestoreError::Short { after, end });
        }
        for archived in batch {
            let at = archived.position;
            if at.sequence != after + 1 {
                return Err(RestoreError::Gap { after, found: at });
            }
            let sealed = sealed(&archived)?;
            let stream = sealed.stream.clone();
            let last = streams.get(&stream).copied().unwrap_or(0);
            let found = journal.append(sealed, last).await;
            let found = found.map_err(|source| RestoreError::Refused { at, source })?;
            if found != at {
                return Err(RestoreError::NotEmpty { at, found });
            }
            streams.insert(stream, at.sequence);
            after = at.sequence;
            told(at);
            crate::failpoint::reach("restore.commit");
        }
    }
    Ok(after)
}

/// What is appended must be what was copied, to the byte.
fn sealed(archived: &Archived) -> Result<Sealed, RestoreError> {
    let changed = RestoreError::Changed(archived.position);
    let line = line::read(&archived.body).ok();
    let whole = line.filter(|line| line.sealed.hash.to_string() == archived.hash);
    whole.map(|line| line.sealed).ok_or(changed)
}
