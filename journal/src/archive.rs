//! The copy of the log in another place: what a lost stream is restored from.
//!
//! - [`Archive`]: a copy in one of the places `postgres` or `kurrent`, chosen by its address
//! - [`compare`]: the log is compared with it
//! - [`restore`]: a log is made again from it
//!
//! Every commit stands there byte for byte, with its position and hash. How far the copy is follows
//! from what stands there, so a checkpoint cannot disagree with it. Personal fields stay sealed.

pub mod compare;
#[cfg(feature = "kurrent")]
mod kurrent;
mod postgres;
pub mod restore;

use std::time::Duration;

use futures::StreamExt as _;

use crate::entry::Entry;
use crate::envelope::CommitHash;
use crate::health::{Part, supervised};
use crate::position::Position;
use crate::token::Token;
use crate::{Journal, JournalError, cursor, line, meters};

/// How long a copier waits after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it says how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// The copy of the log, wherever it is. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Archive {
    /// In PostgreSQL.
    Postgres(postgres::PostgresArchive),
    /// In KurrentDB, formerly EventStoreDB.
    #[cfg(feature = "kurrent")]
    Kurrent(kurrent::KurrentArchive),
}

macro_rules! each {
    ($self:ident, $archive:ident => $call:expr) => {
        match $self {
            Archive::Postgres($archive) => $call,
            #[cfg(feature = "kurrent")]
            Archive::Kurrent($archive) => $call,
        }
    };
}

/// A commit as the archive has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Where it was in the log.
    pub position: Position,
    /// The hash of what the log held.
    pub hash: String,
    /// What the log held, byte for byte, as a [`line`].
    pub body: String,
}

impl Archived {
    /// Whether the body is still what the hash was made of.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        CommitHash::of(self.body.as_bytes()).to_string() == self.hash
            || line::read(&self.body).is_ok_and(|line| line.sealed.hash.to_string() == self.hash)
    }

    /// What the archive is to have of an entry.
    fn of(entry: &Entry) -> Result<Self, JournalError> {
        Ok(Self {
            position: entry.position(),
            hash: entry.hash().to_string(),
            body: line::write(entry)?,
        })
    }
}

/// Which place an address names.
enum Place {
    Postgres,
    Kurrent,
}

impl Place {
    fn of(url: &str) -> Result<Self, JournalError> {
        match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            Some("esdb" | "esdb+discover" | "kurrentdb" | "kurrentdb+discover") => {
                Ok(Self::Kurrent)
            }
            Some(_) | None => Err(JournalError::Malformed(
                "an archive is at postgres://… or kurrentdb://…".into(),
            )),
        }
    }
}

impl Archive {
    /// The archive at this address.
    pub async fn open(url: &str) -> Result<Self, JournalError> {
        match Place::of(url)? {
            Place::Postgres => Ok(Self::Postgres(postgres::PostgresArchive::open(url).await?)),
            #[cfg(feature = "kurrent")]
            Place::Kurrent => Ok(Self::Kurrent(kurrent::KurrentArchive::open(url).await?)),
            #[cfg(not(feature = "kurrent"))]
            Place::Kurrent => Err(without_kurrent()),
        }
    }

    /// Lets the client of the archive at this address choose how the process does TLS, where it
    /// insists on that. For it to be heard, nothing else may have chosen before.
    #[cfg_attr(
        not(feature = "kurrent"),
        expect(
            clippy::unused_async,
            reason = "only the client of KurrentDB has to wait"
        )
    )]
    pub async fn go_first(url: &str) {
        #[cfg(feature = "kurrent")]
        if matches!(Place::of(url), Ok(Place::Kurrent)) {
            // Where it came too late, opening the archive says so.
            drop(kurrent::go_first().await);
        }
        #[cfg(not(feature = "kurrent"))]
        let _ = url;
    }

    /// The identity of the log that it is a copy of.
    pub async fn identity(&self) -> Result<Option<String>, JournalError> {
        each!(self, archive => archive.identity().await)
    }

    /// The last position of a partition that it has.
    pub async fn head(&self, partition: u16) -> Result<Position, JournalError> {
        each!(self, archive => archive.head(partition).await)
    }

    /// How many partitions it may have commits of, at least one.
    pub async fn partitions(&self) -> Result<u16, JournalError> {
        each!(self, archive => archive.partitions().await)
    }

    /// Commits of a partition behind this sequence, at most `limit`, in order.
    pub async fn read(
        &self,
        partition: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Archived>, JournalError> {
        each!(self, archive => archive.read(partition, after, limit).await)
    }

    /// The policies' cursors that were copied last.
    pub async fn cursors(&self) -> Result<Vec<(Token, Vec<u8>)>, JournalError> {
        each!(self, archive => archive.cursors().await)
    }

    /// Copies the policies' cursors, where there are any. They are read before the commits behind
    /// them are copied, so that what is restored is rather met twice than not at all.
    async fn copy_cursors(&self, journal: &Journal) -> Result<(), JournalError> {
        let mut cursors = Vec::new();
        for name in cursor::names(journal.partitions())? {
            let kept = journal.cursor(&name).await?;
            cursors.extend(kept.map(|kept| (name, kept.body)));
        }
        each!(self, archive => archive.keep_cursors(&cursors).await)
    }

    /// Copies a log for ever. Several may do so at once; each commit is kept once.
    pub async fn copy(&self, journal: &Journal) {
        let copying = (0..journal.partitions()).map(|partition| {
            let part = journal.health().part_of("archive", partition);
            supervised(part, move |part| {
                self.keep_copying(journal, partition, part)
            })
        });
        let copying = futures::future::join_all(copying);
        let report = supervised(journal.health().part_of("archive", "report"), |part| {
            self.report(journal, part)
        });
        futures::future::join(copying, report).await;
    }

    async fn keep_copying(&self, journal: &Journal, partition: u16, part: Part) {
        loop {
            if let Err(error) = self.copy_partition(journal, partition, &part).await {
                tracing::warn!(%error, partition, "the archive pauses");
                part.fails(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Says for ever how far the copy is behind the log.
    async fn report(&self, journal: &Journal, part: Part) {
        loop {
            let heads = journal.heads().await.unwrap_or_default();
            for partition in 0..journal.partitions() {
                let head = heads.iter().find(|head| head.partition == partition);
                let copied = self.head(partition).await;
                match &copied {
                    Ok(_) => part.works(),
                    Err(error) => part.fails(error),
                }
                meters::archived(partition, head.copied().zip(copied.ok()));
            }
            if let Err(error) = self.copy_cursors(journal).await {
                part.fails(error);
            }
            tokio::time::sleep(REPORT_EVERY).await;
        }
    }

    async fn copy_partition(
        &self,
        journal: &Journal,
        partition: u16,
        part: &Part,
    ) -> Result<(), JournalError> {
        self.claim(journal).await?;
        let mut feed = journal.follow_sealed(partition, self.head(partition).await?.sequence);
        loop {
            part.waits();
            let Some(batch) = feed.next().await else {
                return Ok(());
            };
            let batch = batch?;
            part.works();
            each!(self, archive => archive.keep(&batch).await)?;
        }
    }

    /// Makes an empty archive that of this log, and refuses any other log from then on.
    pub async fn claim(&self, journal: &Journal) -> Result<(), JournalError> {
        let identity = journal.identity();
        if self.identity().await?.is_none() {
            each!(self, archive => archive.sign(&identity, journal.partitions()).await)?;
        }
        // Read again: another log may have been faster.
        match self.identity().await? {
            Some(known) if known == identity => Ok(()),
            Some(known) => Err(JournalError::Malformed(format!(
                "the archive is a copy of the log {known}, and this is {identity}: \
                 point ARCHIVE_URL to an empty database, or NATS_URL to that log"
            ))),
            None => Err(JournalError::unavailable("the archive kept nothing")),
        }
    }
}

#[cfg(not(feature = "kurrent"))]
fn without_kurrent() -> JournalError {
    JournalError::Malformed(
        "this program was built without KurrentDB: build it with --features kurrent".into(),
    )
}
