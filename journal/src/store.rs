//! Aggregates over the log: load with cache and snapshots, append behind what was loaded.
//!
//! [`Store`] serves every workspace; [`WorkspaceStore`] is the same store seen from one of
//! them, as `cqrs_es::EventStore`.
//!
//! Invariant: a cached state may be old, never wrong. An old one is harmless, because the log
//! refuses what is appended behind it.

mod cqrs;
mod loaded;

use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::event::{Decide, Stored};
use jiff::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entry::Entry;
use crate::envelope::{Asked, Commit, Sealed};
use crate::meters::Loads;
use crate::token::{StreamId, Token};
use crate::vault::Subject;
use crate::{Journal, JournalError, sealing};
pub use cqrs::{Context, WorkspaceStore};
pub use loaded::Loaded;

/// A snapshot is taken when a stream's version passes a multiple of this.
const SNAPSHOT_EVERY: u64 = 100;
/// So many commits of a stream are in memory at once while it is read.
const PAGE: usize = 4096;
/// An aggregate counts for no more than this in the cache, in bytes: a larger one would not be kept at all, and
/// read for each command.
const HEAVIEST: u64 = 2 * 1024 * 1024;
/// For how many aggregates a cache has places at first; it grows.
const PLACES: usize = 1024;

/// An aggregate that can be stored.
pub trait Storable: Decide + Aggregate<Event: Stored + Sync> + Clone + Sync + 'static {}
impl<A: Decide + Aggregate<Event: Stored + Sync> + Clone + Sync + 'static> Storable for A {}

/// An aggregate weighs its bytes.
#[derive(Debug, Clone)]
struct Bytes;

impl<A: Storable> Weighter<StreamId, Arc<Loaded<A>>> for Bytes {
    fn weight(&self, _stream: &StreamId, loaded: &Arc<Loaded<A>>) -> u64 {
        loaded.bytes().min(HEAVIEST)
    }
}

/// What a commit says beside its events.
#[derive(Debug, Clone)]
pub struct Meta {
    /// Unique in the log.
    pub commit_id: Uuid,
    /// Who asked.
    pub actor: String,
    /// The command's name.
    pub command: String,
    /// Shared by everything that one request caused.
    pub correlation: Uuid,
    /// The commit that caused this one.
    pub causation: Option<Uuid>,
    /// The commit that this one takes back, where it is an undo.
    pub undoes: Option<Uuid>,
    /// Whose key seals what is written of the person whom the aggregate is about; its own, where `None`.
    pub person: Option<Subject>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The request, where it must be carried out once.
    pub asked: Option<Asked>,
    /// Now.
    pub at: Timestamp,
    /// Whether the same commit id may have been appended before, by another try. What is
    /// stored then is not what was decided now, so it is read back.
    pub retried: bool,
}

/// All aggregates of one kind. Cheap to clone; clones share the cache.
#[derive(Debug)]
pub struct Store<A: Storable> {
    journal: Journal,
    category: Token,
    cache: Arc<Cache<StreamId, Arc<Loaded<A>>, Bytes>>,
    loads: Loads,
}

impl<A: Storable> Clone for Store<A> {
    fn clone(&self) -> Self {
        Self {
            journal: self.journal.clone(),
            category: self.category.clone(),
            cache: Arc::clone(&self.cache),
            loads: self.loads.clone(),
        }
    }
}

impl<A: Storable> Store<A> {
    /// A store that keeps aggregates of about so many bytes in memory.
    ///
    /// Fails where the aggregate's `TYPE` is no token.
    pub fn try_new(journal: Journal, cached_bytes: u64) -> Result<Self, crate::token::BadToken> {
        Ok(Self {
            journal,
            category: Token::try_new(A::TYPE)?,
            cache: Arc::new(Cache::with_weighter(PLACES, cached_bytes, Bytes)),
            loads: Loads::of(A::TYPE),
        })
    }

    /// The stream of an aggregate of this kind.
    #[must_use]
    pub fn stream(&self, workspace: Token, id: Token) -> StreamId {
        StreamId {
            workspace,
            category: self.category.clone(),
            id,
        }
    }

    /// The aggregate as the cache or the log has it. However many ask at once, it is read once.
    pub async fn load(&self, stream: &StreamId) -> Result<Arc<Loaded<A>>, JournalError> {
        let mut missed = false;
        let read = async {
            missed = true;
            self.read(stream).await
        };
        let loaded = self.cache.get_or_insert_async(stream, read).await?;
        if !missed {
            self.loads.cache.increment(1);
        }
        Ok(loaded)
    }

    /// The aggregate as the log has it now.
    pub async fn reload(&self, stream: &StreamId) -> Result<Arc<Loaded<A>>, JournalError> {
        let known = self.cache.get(stream);
        let loaded = match known {
            Some(known) => {
                self.loads.cache.increment(1);
                self.catch_up(stream, known).await?
            }
            None => self.read(stream).await?,
        };
        self.cache.insert(stream.clone(), Arc::clone(&loaded));
        Ok(loaded)
    }

    /// The aggregate as it was at this moment: as it is now, where it has not changed since; from its snapshot,
    /// where that is not later.
    pub async fn load_as_of(
        &self,
        stream: &StreamId,
        at: Timestamp,
    ) -> Result<Loaded<A>, JournalError> {
        let is_by_then =
            |loaded: &Loaded<A>| loaded.updated_at.is_some_and(|changed| changed <= at);
        match self.reload(stream).await {
            Ok(now) if is_by_then(&now) => return Ok(Arc::unwrap_or_clone(now)),
            // What cannot be read may have been written later.
            Ok(_) | Err(JournalError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let snapshot = self.kept(stream).await?.filter(is_by_then);
        let later = |entry: &Entry| entry.commit().is_some_and(|one| one.commit.at > at);
        self.replay(stream, snapshot.unwrap_or_default(), later)
            .await
    }

    /// The aggregate as the commit with this id left it, if the stream has that commit; it stands behind
    /// `after`. What it costs does not grow with the stream, where that commit is not there or is the last.
    pub async fn load_after(
        &self,
        stream: &StreamId,
        commit_id: Uuid,
        after: u64,
    ) -> Result<Option<Arc<Loaded<A>>>, JournalError> {
        let now = self.reload(stream).await?;
        if now.last_commit() == Some(commit_id) {
            return Ok(Some(now));
        }
        if now.remembers_all() && !now.remembers(commit_id) {
            return Ok(None);
        }
        let Some(place) = self.journal.find(stream, commit_id, after).await? else {
            return Ok(None);
        };
        let snapshot = self.kept(stream).await?;
        let snapshot = snapshot.filter(|snapshot| snapshot.last <= place);
        let behind = |entry: &Entry| entry.position().sequence > place;
        let left = self
            .replay(stream, snapshot.unwrap_or_default(), behind)
            .await?;
        Ok((left.last_commit() == Some(commit_id)).then(|| Arc::new(left)))
    }

    /// The aggregate as it was before this sequence of the log; from its snapshot, where that is not later.
    pub async fn load_before(
        &self,
        stream: &StreamId,
        sequence: u64,
    ) -> Result<Loaded<A>, JournalError> {
        let snapshot = self.kept(stream).await?;
        let snapshot = snapshot.filter(|snapshot| snapshot.last < sequence);
        let comes = |entry: &Entry| entry.position().sequence >= sequence;
        self.replay(stream, snapshot.unwrap_or_default(), comes)
            .await
    }

    /// After what a stream has behind this state, up to the first entry of which this is true.
    async fn replay(
        &self,
        stream: &StreamId,
        mut loaded: Loaded<A>,
        ends: impl Fn(&Entry) -> bool,
    ) -> Result<Loaded<A>, JournalError> {
        loop {
            let page = self.journal.load_page(stream, loaded.last, PAGE).await?;
            for entry in &page {
                if ends(entry) {
                    return Ok(loaded);
                }
                loaded = loaded.then(entry)?;
            }
            if page.len() < PAGE {
                return Ok(loaded);
            }
        }
    }

    /// Appends events behind the state they were decided on, and answers the state they make. Where nobody
    /// else looks at that state, it grows where it is.
    ///
    /// [`JournalError::Conflict`] where the stream has moved on: reload and decide again.
    #[tracing::instrument(name = "append", skip_all, fields(stream = %stream))]
    pub async fn append(
        &self,
        stream: &StreamId,
        seen: Arc<Loaded<A>>,
        events: &[A::Event],
        meta: Meta,
    ) -> Result<Arc<Loaded<A>>, JournalError> {
        let (retried, commit_id, version) = (meta.retried, meta.commit_id, seen.version);
        let commit = self.commit(stream, &seen, events, meta).await?;
        let sealed = Sealed::try_new(&commit)?;
        let hash = sealed.hash;
        let position = self.journal.append(sealed, seen.last).await?;
        // It is old by now, and would have to be copied for the sake of the cache.
        drop(self.cache.remove(stream));
        let loaded = if retried {
            self.left_by(stream, seen, commit_id).await?
        } else {
            Arc::new(Arc::unwrap_or_clone(seen).grown(events, &commit, position, hash))
        };
        self.cache.insert(stream.clone(), Arc::clone(&loaded));
        if loaded.version / SNAPSHOT_EVERY > version / SNAPSHOT_EVERY {
            self.snapshot_later(stream.clone(), Arc::clone(&loaded));
        }
        Ok(loaded)
    }

    /// The aggregate as a commit behind this state left it. What others appended since is not
    /// part of the answer: whoever takes numbers must not see numbers that others took.
    async fn left_by(
        &self,
        stream: &StreamId,
        seen: Arc<Loaded<A>>,
        commit_id: Uuid,
    ) -> Result<Arc<Loaded<A>>, JournalError> {
        let mut loaded = Arc::unwrap_or_clone(seen);
        for entry in &self.journal.load_page(stream, loaded.last, PAGE).await? {
            loaded = loaded.then(entry)?;
            if loaded.last_commit() == Some(commit_id) {
                return Ok(Arc::new(loaded));
            }
        }
        let before = self.load_after(stream, commit_id, 0).await?;
        before.ok_or(JournalError::Conflict)
    }

    async fn commit(
        &self,
        stream: &StreamId,
        seen: &Loaded<A>,
        events: &[A::Event],
        meta: Meta,
    ) -> Result<Commit, JournalError> {
        let encoded = |event: &A::Event| Ok((schemas::codec::encode(event)?, event.kind()));
        let events = events
            .iter()
            .map(encoded)
            .collect::<Result<_, serde_json::Error>>();
        let events = events.map_err(|error| JournalError::Malformed(error.to_string()))?;
        if Self::is_personal() {
            self.journal.bound(meta.at).await?;
        }
        let (events, keys) = sealing::seal(
            self.journal.vault(),
            stream,
            meta.commit_id,
            events,
            meta.person.as_ref(),
        )
        .await?;
        Ok(Commit {
            commit_id: meta.commit_id,
            workspace: stream.workspace.clone(),
            category: stream.category.clone(),
            id: stream.id.clone(),
            first_version: seen.version + 1,
            events,
            actor: meta.actor,
            command: meta.command,
            correlation: meta.correlation,
            causation: meta.causation,
            undoes: meta.undoes,
            traceparent: meta.traceparent,
            // Clocks of several machines differ; within a stream time never runs backwards.
            at: seen
                .updated_at
                .map_or(meta.at, |before| before.max(meta.at)),
            prev_hash: seen.hash,
            keys,
            asked: meta.asked,
        })
    }

    async fn read(&self, stream: &StreamId) -> Result<Arc<Loaded<A>>, JournalError> {
        let known = self.kept(stream).await?;
        let from = match known {
            Some(_) => &self.loads.snapshot,
            None => &self.loads.log,
        };
        from.increment(1);
        let known = known.unwrap_or_default();
        self.catch_up(stream, Arc::new(known)).await
    }

    /// Its snapshot, where there is one that can be used.
    async fn kept(&self, stream: &StreamId) -> Result<Option<Loaded<A>>, JournalError> {
        let snapshot = self.journal.snapshot(stream).await?;
        let snapshot = match snapshot {
            Some(bytes) if Self::is_personal() => self.opened(stream, &bytes).await?,
            snapshot => snapshot,
        };
        Ok(snapshot.and_then(|bytes| Loaded::from_snapshot(&bytes)))
    }

    /// Whether its events name a person, and its snapshots therefore are sealed as a whole.
    fn is_personal() -> bool {
        A::Event::KINDS.iter().any(|kind| !kind.personal.is_empty())
    }

    /// `None` where one of those whom it names was erased: then the stream is replayed, and names them no more.
    async fn opened(
        &self,
        stream: &StreamId,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, JournalError> {
        let Ok(SealedSnapshot { subjects, mut body }) = serde_json::from_slice(bytes) else {
            return Ok(None);
        };
        for name in subjects.iter().rev() {
            let subject = Subject::named(stream.workspace.clone(), name);
            let key = self.journal.vault().find(&subject).await?;
            let opened = key
                .kept()
                .and_then(|key| key.open(&place_of(stream), &body));
            match opened.map(String::from_utf8) {
                Some(Ok(opened)) => body = opened,
                Some(Err(_)) | None => return Ok(None),
            }
        }
        Ok(hex::decode(body).ok())
    }

    async fn catch_up(
        &self,
        stream: &StreamId,
        known: Arc<Loaded<A>>,
    ) -> Result<Arc<Loaded<A>>, JournalError> {
        let page = self.journal.load_page(stream, known.last, PAGE).await?;
        if page.is_empty() {
            return Ok(known);
        }
        let grown = page
            .iter()
            .try_fold(Arc::unwrap_or_clone(known), Loaded::then)?;
        if page.len() < PAGE {
            return Ok(Arc::new(grown));
        }
        let whole = self.replay(stream, grown, |_| false).await?;
        Ok(Arc::new(whole))
    }

    /// Never inside a commit: a snapshot that is lost costs a longer load, nothing else.
    fn snapshot_later(&self, stream: StreamId, loaded: Arc<Loaded<A>>) {
        let journal = self.journal.clone();
        tokio::spawn(async move {
            if let Err(error) = keep_snapshot(&journal, &stream, &loaded).await {
                tracing::warn!(%error, %stream, "snapshot not kept; loads stay longer");
            }
        });
    }
}

async fn keep_snapshot<A: Storable>(
    journal: &Journal,
    stream: &StreamId,
    loaded: &Loaded<A>,
) -> Result<(), JournalError> {
    let bytes = loaded
        .to_snapshot()
        .map_err(|error| JournalError::Malformed(error.to_string()))?;
    let bytes = if Store::<A>::is_personal() {
        let mut body = hex::encode(bytes);
        for name in &loaded.subjects {
            let subject = Subject::named(stream.workspace.clone(), name);
            let Some(key) = journal.vault().find(&subject).await?.kept() else {
                // Erased meanwhile: there is nothing left to keep.
                return Ok(());
            };
            body = key.seal(&place_of(stream), body.as_bytes());
        }
        let subjects = loaded.subjects.iter().cloned().collect();
        let sealed = serde_json::to_vec(&SealedSnapshot { subjects, body });
        sealed.map_err(|error| JournalError::Malformed(error.to_string()))?
    } else {
        bytes
    };
    journal.put_snapshot(stream, bytes).await
}

/// A snapshot of what names people: sealed with the key of each of them, one within the other.
#[derive(Serialize, Deserialize)]
struct SealedSnapshot {
    /// The innermost first.
    subjects: Vec<String>,
    body: String,
}

fn place_of(stream: &StreamId) -> String {
    format!("snapshot {stream}")
}

#[cfg(test)]
mod tests;
