//! Comparing a log with its archive, position by position.

use super::Archive;
use crate::position::Position;
use crate::{Journal, JournalError};

const BATCH: usize = 1024;

/// The first thing in which a log and its archive differ.
#[derive(Debug, thiserror::Error)]
pub enum Difference {
    /// The log ends before its archive does.
    #[error(
        "the log ends at {log}, and the archive has {archive}: the log was cut off; \
         rapport events restore brings it back"
    )]
    CutOff {
        /// Where the log ends.
        log: Position,
        /// Where the archive ends.
        archive: Position,
    },
    /// The archive has nothing there, and something behind it.
    #[error("the archive lacks {0}")]
    ArchiveLacks(Position),
    /// The log has nothing there, and something behind it.
    #[error("the log lacks {0}, which the archive has")]
    LogLacks(Position),
    /// The archive's commit is not what its hash was made of.
    #[error("{0} was changed in the archive")]
    ChangedInArchive(Position),
    /// Both are whole, and not the same.
    #[error("{0} was changed in the log: the archive has another commit there")]
    ChangedInLog(Position),
    /// Either could not be read.
    #[error(transparent)]
    Unreadable(#[from] JournalError),
}

/// Compares everything that the archive has; answers how many commits that are.
pub async fn compare(journal: &Journal, archive: &Archive) -> Result<u64, Difference> {
    let mut same = 0;
    for partition in 0..journal.partitions() {
        // The archive's end first: what is appended meanwhile is no difference.
        let end = archive.head(partition).await?;
        let head = journal.head(partition).await?;
        if end.sequence > head.sequence {
            return Err(Difference::CutOff {
                log: head,
                archive: end,
            });
        }
        same += compare_to(journal, archive, end).await?;
    }
    Ok(same)
}

async fn compare_to(
    journal: &Journal,
    archive: &Archive,
    end: Position,
) -> Result<u64, Difference> {
    let partition = end.partition;
    let mut after = 0;
    while after < end.sequence {
        let copies = archive.read(partition, after, BATCH).await?;
        let commits = journal
            .read_sealed(partition, after, copies.len().max(1))
            .await?;
        let mut commits = commits.iter();
        let next = |after: u64| Position {
            partition,
            sequence: after + 1,
        };
        if copies.is_empty() {
            return Err(Difference::ArchiveLacks(next(after)));
        }
        for copy in &copies {
            let at = next(after);
            if copy.position != at {
                return Err(Difference::ArchiveLacks(at));
            }
            if !copy.is_whole() {
                return Err(Difference::ChangedInArchive(at));
            }
            let commit = commits.next().filter(|entry| entry.position() == at);
            let commit = commit.ok_or(Difference::LogLacks(at))?;
            if commit.hash().to_string() != copy.hash {
                return Err(Difference::ChangedInLog(at));
            }
            after = at.sequence;
        }
    }
    Ok(after)
}
