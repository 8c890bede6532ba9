//! The event log.
//!
//! - [`token`], [`position`], [`envelope`]: what is stored and where
//! - [`entry`]: what a reader gets of a position, also where it cannot be read
//! - [`Journal`]: append, load, follow, over one of the backends [`sqlite`], [`nats`], [`memory`]
//! - [`vault`], `sealing`: personal fields are stored sealed, and read open
//! - [`quarantine`]: what a person has said is to be passed over
//! - [`line`]: an entry as a line of text, for what is copied
//! - [`binding`]: the log knows its vault
//! - [`archive`]: the copy in another place, PostgreSQL or KurrentDB
//! - `search`: the log by time
//! - `following`, `tail`: the end of the log, read once for everybody in the process
//! - `pace`: batches instead of single commits, under load
//! - [`health`]: which background tasks work, and which stand still
//! - [`failpoint`]: places where a test lets the program die
//! - [`claim`], [`cursor`]: what is kept beside the log, for 30 days and for ever
//! - [`store`]: `cqrs_es::EventStore` over it, with cache and snapshots
//!
//! Invariant: a commit that was acknowledged is never lost, changed or reordered, and a
//! commit is appended only directly behind the one that its author saw last.

pub mod archive;
pub mod binding;
pub mod claim;
pub mod cursor;
pub mod entry;
pub mod envelope;
pub mod failpoint;
mod following;
pub mod health;
pub mod line;
pub mod memory;
pub mod meters;
pub mod nats;
mod pace;
pub mod position;
pub mod quarantine;
#[cfg(test)]
mod sample;
mod sealing;
mod search;
pub mod sqlite;
pub mod store;
mod tail;
pub mod token;
pub mod vault;

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::stream::BoxStream;
use jiff::Timestamp;
use uuid::Uuid;

use claim::{Claim, ClaimKey};
use cursor::Kept;
use entry::{Entry, Faults};
use envelope::Sealed;
use position::Position;
use token::StreamId;

/// Why the log did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The stream does not end where the author thought.
    #[error("the stream has moved on")]
    Conflict,
    /// A commit beyond [`envelope::MAX_BYTES`].
    #[error(
        "a commit of {bytes} bytes is too large; at most {} are taken",
        envelope::MAX_BYTES
    )]
    TooLarge {
        /// How large.
        bytes: usize,
    },
    /// Something that must not be stored.
    #[error("malformed commit: {0}")]
    Malformed(String),
    /// Something stored that cannot be read.
    #[error("the commit at {position} cannot be read: {reason}")]
    Corrupt {
        /// Where.
        position: Position,
        /// What is wrong with it.
        reason: String,
    },
    /// The store as a whole is not what was written.
    #[error("the event log is damaged: {0}; restore it from its backup before anything else")]
    Damaged(String),
    /// The log does not answer. Whether an append was carried out is unknown; retrying it with
    /// the same commit id is safe.
    #[error("the event log does not answer: {0}")]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
}

impl JournalError {
    /// [`JournalError::Unavailable`] because of this.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}

/// Commits in log order, in batches as large as are at hand (at most 4096): first what is stored, then what
/// comes. What cannot be read is an entry as well; it only ends with an error of the log itself.
pub type Feed = BoxStream<'static, Result<Vec<Entry>, JournalError>>;

/// Where the log is held.
#[derive(Debug, Clone)]
pub enum Backend {
    /// In memory, for tests of what stands above.
    Memory(memory::MemoryJournal),
    /// One SQLite file, one process.
    Sqlite(sqlite::SqliteJournal),
    /// NATS JetStream, many processes.
    Nats(nats::NatsJournal),
}

/// The event log, whatever holds it, with the keys that open its personal fields. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct Journal {
    backend: Backend,
    vault: vault::Vault,
    health: health::Health,
    /// Set once this process knows that the log knows its vault.
    is_bound: Arc<tokio::sync::OnceCell<()>>,
    /// By partition.
    tails: Arc<[following::Tails]>,
    faults: Faults,
    passed_over: quarantine::PassedOver,
}

impl From<Backend> for Journal {
    /// A log whose keys live in memory, for tests of what stands above.
    fn from(backend: Backend) -> Self {
        Self::new(backend, vault::Vault::in_memory())
    }
}

impl From<memory::MemoryJournal> for Journal {
    fn from(memory: memory::MemoryJournal) -> Self {
        Backend::Memory(memory).into()
    }
}

macro_rules! each {
    ($self:ident, $journal:ident => $call:expr) => {
        match &$self.backend {
            Backend::Memory($journal) => $call,
            Backend::Sqlite($journal) => $call,
            Backend::Nats($journal) => $call,
        }
    };
}

impl Journal {
    /// A log with the keys that open it.
    #[must_use]
    pub fn new(backend: Backend, vault: vault::Vault) -> Self {
        meters::all_readable();
        let health = match &backend {
            // Its threads report already.
            Backend::Sqlite(journal) => journal.health().clone(),
            Backend::Memory(_) | Backend::Nats(_) => health::Health::default(),
        };
        let mut journal = Self {
            backend,
            vault,
            health,
            is_bound: Arc::default(),
            tails: Arc::new([]),
            faults: Faults::default(),
            passed_over: quarantine::PassedOver::default(),
        };
        let tails = (0..journal.partitions()).map(|_| following::Tails::default());
        journal.tails = tails.collect();
        journal
    }

    /// Where it is held.
    #[must_use]
    pub const fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The keys that open it.
    #[must_use]
    pub const fn vault(&self) -> &vault::Vault {
        &self.vault
    }

    /// What the background tasks of this process report to.
    #[must_use]
    pub const fn health(&self) -> &health::Health {
        &self.health
    }

    /// What this process has found unreadable.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Appends a commit directly behind the stream's commit at `expected_last` (0: the stream
    /// is empty), durably before it answers.
    ///
    /// A commit that was appended before, by its id, answers its position again. Anything else
    /// in its place is [`JournalError::Conflict`].
    pub async fn append(
        &self,
        commit: Sealed,
        expected_last: u64,
    ) -> Result<Position, JournalError> {
        let begun = Instant::now();
        let position = each!(self, journal => journal.append(commit, expected_last).await)?;
        meters::appended(begun);
        Ok(position)
    }

    /// What a stream has behind this sequence, in order.
    pub async fn load(&self, stream: &StreamId, after: u64) -> Result<Vec<Entry>, JournalError> {
        self.load_page(stream, after, usize::MAX).await
    }

    /// What a stream has behind this sequence, at most `limit` entries, in order. Fewer come only where the
    /// stream ends.
    pub async fn load_page(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let sealed = match &self.backend {
            Backend::Memory(journal) => journal.load(stream, after, limit).await,
            Backend::Sqlite(journal) => journal.load(stream, after, limit).await,
            // Boxed: the compiler cannot see through its retries that the future is `Send`.
            Backend::Nats(journal) => journal.load(stream, after, limit).boxed().await,
        };
        self.opened(sealed?).await
    }

    /// The sequence of the commit with this id, where a stream has it behind `after`.
    ///
    /// The SQLite file has an index. NATS has none: it costs what the stream has behind `after`.
    pub async fn find(
        &self,
        stream: &StreamId,
        commit_id: Uuid,
        after: u64,
    ) -> Result<Option<u64>, JournalError> {
        match &self.backend {
            Backend::Memory(journal) => Ok(journal.find(stream, commit_id)),
            Backend::Sqlite(journal) => journal.find(stream, commit_id).await,
            // Boxed for the reason given at `load_page`.
            Backend::Nats(journal) => journal.find(stream, commit_id, after).boxed().await,
        }
    }

    /// What a partition has behind this sequence, at most `limit` entries, in order.
    pub async fn read(
        &self,
        partition: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let sealed = self.read_sealed(partition, after, limit).await?;
        self.opened(sealed).await
    }

    /// With personal fields opened; what this program or this vault cannot read is unreadable.
    pub(crate) async fn opened(&self, sealed: Vec<Entry>) -> Result<Vec<Entry>, JournalError> {
        let entries = sealing::open(self, sealed).await?;
        Ok(self.judged(entries))
    }

    /// The same, as they are stored: personal fields stay sealed.
    pub async fn read_sealed(
        &self,
        partition: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let entries = each!(self, journal => journal.read(partition, after, limit).await)?;
        Ok(self.judged(entries))
    }

    /// With what is in quarantine passed over, and what cannot be read noted.
    pub(crate) fn judged(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let entries = self.passed_over.mark(entries);
        self.faults.note(&entries);
        entries
    }

    /// Every commit of a partition that one request caused, in order, and what cannot be read and
    /// may be of that request.
    ///
    /// The SQLite file has an index: it costs what it finds, however long the log. NATS has none: it
    /// costs what was appended since the request was made, because its id, a `UUIDv7`, tells when
    /// that was; a request of another kind of id is looked for in the whole partition.
    pub async fn caused_by(
        &self,
        partition: u16,
        correlation: Uuid,
    ) -> Result<Vec<Entry>, JournalError> {
        let sealed = match &self.backend {
            Backend::Memory(journal) => journal.caused_by(correlation).await,
            Backend::Sqlite(journal) => journal.caused_by(correlation).await,
            // Boxed for the reason given at `load_page`.
            Backend::Nats(journal) => journal.caused_by(partition, correlation).boxed().await,
        };
        self.opened(sealed?).await
    }

    /// What the backend has behind this sequence, and what comes.
    fn entries(&self, partition: u16, after: u64) -> Feed {
        each!(self, journal => journal.follow(partition, after))
    }

    /// The last position of every partition.
    pub async fn heads(&self) -> Result<Vec<Position>, JournalError> {
        each!(self, journal => journal.heads().await)
    }

    /// The last position of one partition.
    pub async fn head(&self, partition: u16) -> Result<Position, JournalError> {
        let heads = self.heads().await?;
        let head = heads.into_iter().find(|head| head.partition == partition);
        Ok(head.unwrap_or(Position {
            partition,
            sequence: 0,
        }))
    }

    /// Asks what holds the log whether it is whole, beyond the commits themselves. NATS checks what
    /// it keeps by itself, when it starts and when it reads. Tells the positions that an older
    /// program used up and gave to no commit.
    pub async fn check_store(&self) -> Result<Vec<Position>, JournalError> {
        match &self.backend {
            Backend::Sqlite(journal) => journal.check_store().await,
            Backend::Memory(_) | Backend::Nats(_) => Ok(Vec::new()),
        }
    }

    /// How many commits there are. Every position of NATS has a message.
    pub async fn count(&self) -> Result<u64, JournalError> {
        match &self.backend {
            Backend::Sqlite(journal) => journal.count().await,
            Backend::Memory(_) | Backend::Nats(_) => {
                Ok(self.heads().await?.iter().map(|head| head.sequence).sum())
            }
        }
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        each!(self, journal => journal.partitions())
    }

    /// The partition of a workspace.
    #[must_use]
    pub fn partition(&self, workspace: &token::Token) -> u16 {
        partition_of(workspace, self.partitions())
    }

    /// Tells this log from every other: a checkpoint of another log means nothing here.
    #[must_use]
    pub fn identity(&self) -> String {
        each!(self, journal => journal.identity())
    }

    /// Keeps a snapshot of a stream's state; an older one is replaced. May be lost.
    pub async fn put_snapshot(
        &self,
        stream: &StreamId,
        bytes: Vec<u8>,
    ) -> Result<(), JournalError> {
        each!(self, journal => journal.put_snapshot(stream, bytes).await)
    }

    /// The snapshot kept last, if there is one.
    pub async fn snapshot(&self, stream: &StreamId) -> Result<Option<Vec<u8>>, JournalError> {
        match &self.backend {
            Backend::Memory(journal) => journal.snapshot(stream).await,
            Backend::Sqlite(journal) => journal.snapshot(stream).await,
            // Boxed for the reason given at `load_page`.
            Backend::Nats(journal) => journal.snapshot(stream).boxed().await,
        }
    }

    /// The cursor kept under a name, if there is one.
    pub async fn cursor(&self, name: &token::Token) -> Result<Option<Kept>, JournalError> {
        each!(self, journal => journal.cursor(name).await)
    }

    /// Keeps a cursor, if the kept one still has this revision (0: there is none); otherwise
    /// [`JournalError::Conflict`]. Answers the new revision. Durable, and kept for ever.
    pub async fn put_cursor(
        &self,
        name: &token::Token,
        revision: u64,
        body: Vec<u8>,
    ) -> Result<u64, JournalError> {
        each!(self, journal => journal.put_cursor(name, revision, body).await)
    }

    /// The claim kept under a key, if there is one that has not expired.
    pub async fn claim(&self, key: &ClaimKey) -> Result<Option<Claim>, JournalError> {
        each!(self, journal => journal.claim(key).await)
    }

    /// Keeps a claim, if the kept one still has this revision (0: there is none); otherwise
    /// [`JournalError::Conflict`]. Answers the new revision. Durable for 30 days.
    pub async fn put_claim(
        &self,
        key: &ClaimKey,
        revision: u64,
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<u64, JournalError> {
        each!(self, journal => journal.put_claim(key, revision, body, now).await)
    }
}

/// The partition of a workspace among this many: FNV-1a, so that it never changes.
#[must_use]
pub fn partition_of(workspace: &token::Token, partitions: u16) -> u16 {
    let hash = workspace
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    u16::try_from(hash % u64::from(partitions.max(1))).unwrap_or_default()
}
