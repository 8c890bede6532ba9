//! The log in memory, for tests of what stands above it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_stream::try_stream;
use futures::StreamExt;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::claim::{Claim, ClaimKey};
use crate::cursor::Kept;
use crate::entry::{Entry, Fault, Stored, Unreadable};
use crate::envelope::{Recorded, Sealed};
use crate::position::Position;
use crate::token::{StreamId, Token};
use crate::{Feed, JournalError};

const FEED_BATCH: usize = 4096;

/// The log in memory. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct MemoryJournal {
    inner: Arc<Mutex<Inner>>,
    head: Arc<watch::Sender<u64>>,
    identity: Arc<str>,
    /// Whether others get a turn before and after each operation.
    steps: bool,
}

#[derive(Debug, Default)]
struct Inner {
    commits: Vec<Sealed>,
    streams: HashMap<StreamId, Vec<u64>>,
    ids: HashMap<Uuid, u64>,
    snapshots: HashMap<StreamId, Vec<u8>>,
    claims: HashMap<ClaimKey, Claim>,
    cursors: HashMap<Token, Kept>,
    claim_revision: u64,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(
    clippy::unused_async,
    clippy::unused_self,
    reason = "the signatures of the backends that wait"
)]
impl MemoryJournal {
    /// An empty log.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "a log's identity is made here, once"
    )]
    pub fn new() -> Self {
        Self {
            inner: Arc::default(),
            head: Arc::new(watch::Sender::new(0)),
            identity: format!("memory-{}", Uuid::now_v7()).into(),
            steps: false,
        }
    }

    /// The same log, for a test that decides who goes on: before and after each operation its caller
    /// waits for another turn, and may be dropped there as if its process had died.
    #[must_use]
    pub fn stepping(&self) -> Self {
        Self {
            steps: true,
            ..self.clone()
        }
    }

    async fn step(&self) {
        if self.steps {
            tokio::task::yield_now().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn append(
        &self,
        commit: Sealed,
        expected_last: u64,
    ) -> Result<Position, JournalError> {
        self.step().await;
        let appended = self.lock().append(commit, expected_last);
        if let Ok(sequence) = appended {
            self.head.send_if_modified(|head| {
                let newer = sequence > *head;
                *head = sequence.max(*head);
                newer
            });
        }
        self.step().await;
        appended.map(at)
    }

    pub(crate) async fn load(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        self.step().await;
        let inner = self.lock();
        let sequences = inner
            .streams
            .get(stream)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let behind = sequences.partition_point(|sequence| *sequence <= after);
        let behind = sequences[behind..].iter().take(limit);
        Ok(behind.map(|sequence| inner.read(*sequence)).collect())
    }

    pub(crate) fn find(&self, stream: &StreamId, commit_id: Uuid) -> Option<u64> {
        let inner = self.lock();
        let sequence = *inner.ids.get(&commit_id)?;
        let index = usize::try_from(sequence - 1).ok()?;
        (inner.commits[index].stream == *stream).then_some(sequence)
    }

    pub(crate) async fn read(
        &self,
        _partition: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let inner = self.lock();
        let last = inner.commits.len() as u64;
        let behind = (after + 1..=last).take(limit);
        Ok(behind.map(|sequence| inner.read(sequence)).collect())
    }

    pub(crate) async fn caused_by(&self, correlation: Uuid) -> Result<Vec<Entry>, JournalError> {
        let mut all = self.read(0, 0, usize::MAX).await?;
        all.retain(|entry| entry.is_maybe_of(correlation));
        Ok(all)
    }

    pub(crate) fn follow(&self, partition: u16, mut after: u64) -> Feed {
        let journal = self.clone();
        try_stream! {
            let mut head = journal.head.subscribe();
            loop {
                let batch = journal.read(partition, after, FEED_BATCH).await?;
                if let Some(last) = batch.last() {
                    after = last.position().sequence;
                    yield batch;
                } else {
                    // The sender lives as long as `journal`, which this stream holds.
                    head.wait_for(|head| *head > after).await.map(drop).map_err(JournalError::unavailable)?;
                }
            }
        }
        .boxed()
    }

    pub(crate) async fn heads(&self) -> Result<Vec<Position>, JournalError> {
        Ok(vec![at(self.lock().commits.len() as u64)])
    }

    pub(crate) const fn partitions(&self) -> u16 {
        1
    }

    pub(crate) fn identity(&self) -> String {
        self.identity.to_string()
    }

    pub(crate) async fn put_snapshot(
        &self,
        stream: &StreamId,
        bytes: Vec<u8>,
    ) -> Result<(), JournalError> {
        self.lock().snapshots.insert(stream.clone(), bytes);
        Ok(())
    }

    pub(crate) async fn snapshot(
        &self,
        stream: &StreamId,
    ) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.lock().snapshots.get(stream).cloned())
    }

    pub(crate) async fn cursor(&self, name: &Token) -> Result<Option<Kept>, JournalError> {
        Ok(self.lock().cursors.get(name).cloned())
    }

    pub(crate) async fn put_cursor(
        &self,
        name: &Token,
        revision: u64,
        body: Vec<u8>,
    ) -> Result<u64, JournalError> {
        let mut inner = self.lock();
        let kept = inner.cursors.get(name).map_or(0, |kept| kept.revision);
        if kept != revision {
            return Err(JournalError::Conflict);
        }
        let revision = revision + 1;
        inner.cursors.insert(name.clone(), Kept { revision, body });
        Ok(revision)
    }

    pub(crate) async fn claim(&self, key: &ClaimKey) -> Result<Option<Claim>, JournalError> {
        Ok(self.lock().claims.get(key).cloned())
    }

    pub(crate) async fn put_claim(
        &self,
        key: &ClaimKey,
        revision: u64,
        body: Vec<u8>,
        _now: Timestamp,
    ) -> Result<u64, JournalError> {
        self.step().await;
        let mut inner = self.lock();
        let kept = inner.claims.get(key).map_or(0, |claim| claim.revision);
        if kept != revision {
            return Err(JournalError::Conflict);
        }
        inner.claim_revision += 1;
        let revision = inner.claim_revision;
        inner.claims.insert(key.clone(), Claim { revision, body });
        Ok(revision)
    }
}

const fn at(sequence: u64) -> Position {
    Position {
        partition: 0,
        sequence,
    }
}

impl Inner {
    fn append(&mut self, commit: Sealed, expected_last: u64) -> Result<u64, JournalError> {
        if let Some(sequence) = self.ids.get(&commit.commit_id) {
            let same = usize::try_from(*sequence - 1)
                .is_ok_and(|index| self.commits[index].stream == commit.stream);
            return if same {
                Ok(*sequence)
            } else {
                Err(JournalError::Conflict)
            };
        }
        let sequence = self.commits.len() as u64 + 1;
        let stream = self.streams.entry(commit.stream.clone()).or_default();
        if stream.last().copied().unwrap_or(0) != expected_last {
            return Err(JournalError::Conflict);
        }
        stream.push(sequence);
        self.ids.insert(commit.commit_id, sequence);
        self.commits.push(commit);
        Ok(sequence)
    }

    fn read(&self, sequence: u64) -> Entry {
        let sealed = &self.commits[usize::try_from(sequence - 1).unwrap_or(usize::MAX)];
        let position = at(sequence);
        let read = if sealed.is_authentic {
            Recorded::read(position, &sealed.bytes)
        } else {
            Err(Fault::NotAuthentic("nobody vouches for it".into()))
        };
        match read {
            Ok(recorded) => recorded.into(),
            Err(fault) => Entry::from(Unreadable {
                position,
                stream: Some(sealed.stream.clone()),
                fault,
                stored: Stored {
                    bytes: sealed.bytes.clone(),
                    commit_id: Some(sealed.commit_id),
                    first_version: Some(sealed.first_version),
                },
            }),
        }
    }
}
