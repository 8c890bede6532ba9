//! The log in NATS JetStream, for many processes: one stream per partition, one subject per
//! aggregate, one message per commit.
//!
//! Read in this order: `options`, `server` (what we refuse to run on), `nodes` (which one we are
//! connected to), `monitor` (what they say of themselves), `streams` (settings, identity), `signing`
//! (who wrote a commit), `publish` (a message exactly once, or a lost race), `fetch` (batches), `feed` (stored, then live),
//! [`replicas`] (whether every copy is there). What stands here only joins them.
//!
//! Invariant: nothing is answered as appended before the server has synced it, and what was
//! answered as appended is what the next [`NatsJournal::load`] sees, on a cluster too.
//!
//! A commit id is recognised behind the sequence that its append named, for ever, and anywhere
//! else for the two minutes of JetStream's own window. So a retry names the sequence that the
//! first try named.

mod feed;
mod fetch;
mod monitor;
mod nodes;
mod options;
mod patience;
mod publish;
pub mod replicas;
mod server;
mod signing;
mod streams;

use std::sync::Arc;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, HeaderMap};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::claim::{Claim, ClaimKey};
use crate::cursor::Kept;
use crate::entry::{self, Entry, Fault, Unreadable};
use crate::envelope::{MAX_BYTES, Recorded, Sealed};
use crate::meters::InFlight;
use crate::position::Position;
use crate::token::{StreamId, Token};
use crate::{Feed, JournalError, partition_of};
use fetch::Source;
pub use options::NatsOptions;
use publish::Letter;
use replicas::{Look, Watched};
pub use server::Refusal;
pub use signing::SigningKey;
use signing::{Kind, Signed, Signers, Trusted};
use streams::{Names, Opened};

/// How far apart the clocks of a request's process and of a server may be.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(10);
/// With more signatures than this to check, they are checked beside the async threads.
const CHECKED_AT_ONCE: usize = 64;
/// Messages looked through at once.
const SEARCHED_AT_ONCE: usize = 4096;

/// The log in NATS JetStream. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct NatsJournal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    context: Context,
    names: Names,
    identity: String,
    /// One per partition.
    events: Vec<Source>,
    /// One per partition.
    signers: Vec<Signers>,
    /// Of the role `commands` and of tools.
    key: Option<SigningKey>,
    snapshots: Source,
    claims: Source,
    options: NatsOptions,
    cursors: Source,
}

impl NatsJournal {
    /// Connects, checks the server, and makes the streams where they are not there.
    ///
    /// Fails where no server answers, and for every [`Refusal`].
    pub async fn connect(options: NatsOptions) -> Result<Self, JournalError> {
        let (client, nodes) = server::connect(&options).await?;
        let names = Names::new(&options.prefix)?;
        let api = server::api(&client, &names.api(), &names.events_stream(0)).await?;
        let context = ContextBuilder::new()
            .timeout(publish::ANSWER_WITHIN)
            .api_prefix(&api)
            .build(client.clone());
        let opening = ContextBuilder::new()
            .timeout(streams::ANSWER_WITHIN)
            .api_prefix(&api)
            .build(client.clone());
        let opened = Opened::open(&opening, &names, &options).await?;
        let source =
            |(name, replicas): (String, usize)| Source::new(&context, &api, name, replicas > 1);
        let inner = Arc::new(Inner {
            signers: opened.signers(),
            key: options.signing_key.clone(),
            identity: opened.identity,
            events: opened.events.into_iter().map(source).collect(),
            snapshots: source(opened.snapshots),
            claims: source(opened.claims),
            cursors: source(opened.cursors),
            client,
            context,
            names,
            options,
        });
        let user = Arc::downgrade(&inner);
        let client = move || user.upgrade().map(|inner| inner.client.clone());
        tokio::spawn(nodes.keep_spread(client));
        Ok(Self { inner })
    }

    /// Looks at every copy of every stream, and at every node that the options name.
    pub async fn look(&self) -> Look {
        let inner = &self.inner;
        let others = [&inner.snapshots, &inner.claims, &inner.cursors];
        let watched = Watched {
            context: &inner.context,
            streams: inner
                .events
                .iter()
                .chain(others)
                .map(Source::name)
                .collect(),
            replicas: inner.options.replicas,
            monitors: monitor::endpoints(inner.options.monitor_url.as_deref()),
        };
        watched.look().await
    }

    /// The connection, for requests between our own processes.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) async fn append(
        &self,
        commit: Sealed,
        expected_last: u64,
    ) -> Result<Position, JournalError> {
        let partition = partition_of(&commit.stream.workspace, self.partitions());
        let subject = self.inner.names.event(partition, &commit.stream);
        let signature = if commit.is_authentic {
            self.signature(
                Kind::Commit,
                partition,
                &subject,
                expected_last,
                &commit.bytes,
            )?
        } else {
            None
        };
        let letter = Letter {
            subject,
            id: commit.commit_id,
            body: commit.bytes.into(),
            expected_last,
            signature,
        };
        let _in_flight = InFlight::begin();
        let sequence = publish::put(&self.inner.client, self.events(partition)?, &letter).await?;
        Ok(Position {
            partition,
            sequence,
        })
    }

    pub(crate) async fn load(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let partition = partition_of(&stream.workspace, self.partitions());
        let subject = self.inner.names.event(partition, stream);
        let stored = self
            .events(partition)?
            .subject_after(&subject, after, limit)
            .await?;
        self.entries(partition, stored).await
    }

    pub(crate) async fn find(
        &self,
        stream: &StreamId,
        commit_id: Uuid,
        mut after: u64,
    ) -> Result<Option<u64>, JournalError> {
        let partition = partition_of(&stream.workspace, self.partitions());
        let subject = self.inner.names.event(partition, stream);
        let source = self.events(partition)?;
        loop {
            let mut stored = source
                .subject_after(&subject, after, SEARCHED_AT_ONCE)
                .await?;
            let Some(last) = stored.last().map(|last| last.sequence) else {
                return Ok(None);
            };
            let is_end = stored.len() < SEARCHED_AT_ONCE;
            stored.retain(|message| message.id == Some(commit_id));
            // Anybody may have written that id on a message.
            let named = self.entries(partition, stored).await?;
            let commits = named.iter().filter_map(Entry::commit);
            let mut ours = commits.filter(|recorded| recorded.commit.commit_id == commit_id);
            match ours.next() {
                Some(found) => return Ok(Some(found.position.sequence)),
                None if is_end => return Ok(None),
                None => after = last,
            }
        }
    }

    pub(crate) async fn read(
        &self,
        partition: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let stored = self.events(partition)?.all_after(after, limit).await?;
        self.entries(partition, stored).await
    }

    /// From the moment on at which the request was made.
    pub(crate) async fn caused_by(
        &self,
        partition: u16,
        correlation: Uuid,
    ) -> Result<Vec<Entry>, JournalError> {
        let source = self.events(partition)?;
        let mut after = match made_at(correlation) {
            Some(made) => source.before(made - CLOCKS_DIFFER).await?,
            None => 0,
        };
        let (id, mut found) = (correlation.to_string(), Vec::new());
        loop {
            let stored = source.all_after(after, SEARCHED_AT_ONCE).await?;
            let Some(last) = stored.last() else {
                return Ok(found);
            };
            after = last.sequence;
            // Most are of other requests, and need not be read to tell.
            let named = |stored: &fetch::Stored| {
                let mut windows = stored.payload.windows(id.len());
                windows.any(|window| window == id.as_bytes())
            };
            let maybe: Vec<_> = stored.into_iter().filter(named).collect();
            let read = self.entries(partition, maybe).await?;
            found.extend(read.into_iter().filter(|one| one.is_maybe_of(correlation)));
        }
    }

    pub(crate) fn follow(&self, partition: u16, after: u64) -> Feed {
        feed::follow(self.clone(), partition, after)
    }

    pub(crate) async fn heads(&self) -> Result<Vec<Position>, JournalError> {
        let last = try_join_all(self.inner.events.iter().map(Source::last)).await?;
        let position = |(partition, sequence)| Position {
            partition,
            sequence,
        };
        Ok((0..).zip(last).map(position).collect())
    }

    pub(crate) fn partitions(&self) -> u16 {
        u16::try_from(self.inner.events.len()).unwrap_or(u16::MAX)
    }

    pub(crate) fn identity(&self) -> String {
        self.inner.identity.clone()
    }

    pub(crate) async fn put_snapshot(
        &self,
        stream: &StreamId,
        bytes: Vec<u8>,
    ) -> Result<(), JournalError> {
        fits(&bytes)?;
        let subject = self.inner.names.snapshot(stream);
        let partition = partition_of(&stream.workspace, self.partitions());
        let signature = self.signature(Kind::Snapshot, partition, &subject, 0, &bytes)?;
        let mut headers = HeaderMap::new();
        if let Some(signature) = signature {
            headers.insert(signing::SIGNATURE, signature);
        }
        let client = &self.inner.client;
        let answer = client.request_with_headers(subject, headers, bytes.into());
        let answer = answer.await.map_err(JournalError::unavailable)?;
        publish::Answer::read(&answer.payload)?.accepted()
    }

    pub(crate) async fn snapshot(
        &self,
        stream: &StreamId,
    ) -> Result<Option<Vec<u8>>, JournalError> {
        // A follower's older snapshot does no harm: the tail behind it is loaded.
        let kept = self
            .inner
            .snapshots
            .direct_last(&self.inner.names.snapshot(stream))
            .await?;
        // One that somebody else left there would be a state that never was.
        let partition = partition_of(&stream.workspace, self.partitions());
        let signers = self.signers(partition)?;
        let kept = kept.filter(|message| signers.vouches_for_snapshot(message));
        Ok(kept.map(|message| message.payload.into()))
    }

    pub(crate) async fn cursor(&self, name: &Token) -> Result<Option<Kept>, JournalError> {
        let subject = self.inner.names.cursor(name);
        let kept = self.inner.cursors.newest(&subject).await?;
        Ok(kept.map(|kept| Kept {
            revision: kept.sequence,
            body: kept.payload.into(),
        }))
    }

    pub(crate) async fn put_cursor(
        &self,
        name: &Token,
        revision: u64,
        body: Vec<u8>,
    ) -> Result<u64, JournalError> {
        fits(&body)?;
        let letter = Letter {
            subject: self.inner.names.cursor(name),
            id: fresh_id(),
            body: body.into(),
            expected_last: revision,
            signature: None,
        };
        publish::put(&self.inner.client, &self.inner.cursors, &letter).await
    }

    pub(crate) async fn claim(&self, key: &ClaimKey) -> Result<Option<Claim>, JournalError> {
        let kept = self
            .inner
            .claims
            .newest(&self.inner.names.claim(key))
            .await?;
        Ok(kept.map(|kept| Claim {
            revision: kept.sequence,
            body: kept.payload.into(),
        }))
    }

    /// The server counts the 30 days by its own clock, hence no use for ours.
    pub(crate) async fn put_claim(
        &self,
        key: &ClaimKey,
        revision: u64,
        body: Vec<u8>,
        _now: Timestamp,
    ) -> Result<u64, JournalError> {
        fits(&body)?;
        let letter = Letter {
            subject: self.inner.names.claim(key),
            id: fresh_id(),
            body: body.into(),
            expected_last: revision,
            signature: None,
        };
        publish::put(&self.inner.client, &self.inner.claims, &letter).await
    }

    /// The signature of something that this process writes; none where the log is not signed.
    fn signature(
        &self,
        kind: Kind,
        partition: u16,
        subject: &str,
        expected_last: u64,
        body: &[u8],
    ) -> Result<Option<String>, JournalError> {
        let signed = Signed {
            kind,
            log: &self.inner.identity,
            subject,
            expected_last,
            body,
        };
        match &self.inner.key {
            Some(key) => Ok(Some(key.sign(&signed))),
            None if self.signers(partition)?.is_signed() => Err(JournalError::unavailable(
                "the commits of this log are signed, and this process has no RAPPORT_SIGNING_KEY: \
                 set it for the role commands and for the tools",
            )),
            None => Ok(None),
        }
    }

    fn signers(&self, partition: u16) -> Result<&Signers, JournalError> {
        let signers = self.inner.signers.get(usize::from(partition));
        signers.ok_or_else(|| JournalError::unavailable("no such partition"))
    }

    /// What messages of a partition are. Signatures are checked beside the async threads where there
    /// are many.
    async fn entries(
        &self,
        partition: u16,
        stored: Vec<fetch::Stored>,
    ) -> Result<Vec<Entry>, JournalError> {
        let signers = self.signers(partition)?;
        if signers.must_look(&stored) {
            let metadata = self.events(partition)?.metadata().await?;
            signers.trust(Trusted::of(&metadata));
        }
        let (journal, many) = (self.clone(), stored.len() > CHECKED_AT_ONCE);
        let read = move || {
            let entry = |message| journal.entry(partition, message);
            stored.into_iter().map(entry).collect()
        };
        if many {
            let read = tokio::task::spawn_blocking(read).await;
            return read.map_err(JournalError::unavailable);
        }
        Ok(read())
    }

    /// What a message of a partition is. Its subject tells the stream, whatever its bytes say.
    fn entry(&self, partition: u16, message: fetch::Stored) -> Entry {
        let position = Position {
            partition,
            sequence: message.sequence,
        };
        let stream = self.inner.names.stream(partition, &message.subject);
        let signers = self.inner.signers.get(usize::from(partition));
        let complaint = signers.and_then(|signers| signers.complaint(&message));
        let fault = match (complaint, Recorded::read(position, &message.payload)) {
            (Some(complaint), _) => Fault::NotAuthentic(complaint),
            (None, Ok(recorded)) if Some(recorded.commit.stream()) == stream => {
                return recorded.into();
            }
            (None, Ok(_)) => Fault::Changed(format!("it is no commit of {}", message.subject)),
            (None, Err(fault)) => fault,
        };
        Entry::from(Unreadable {
            position,
            stream,
            fault,
            stored: entry::Stored {
                bytes: message.payload.into(),
                commit_id: message.id,
                first_version: None,
            },
        })
    }

    fn events(&self, partition: u16) -> Result<&Source, JournalError> {
        self.inner
            .events
            .get(usize::from(partition))
            .ok_or_else(|| {
                JournalError::unavailable(format!("this log has no partition {partition}"))
            })
    }
}

/// When a request was made, where its id tells.
fn made_at(correlation: Uuid) -> Option<Timestamp> {
    let (seconds, nanos) = correlation.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
}

fn fits(bytes: &[u8]) -> Result<(), JournalError> {
    let bytes = bytes.len();
    if bytes > MAX_BYTES {
        Err(JournalError::TooLarge { bytes })
    } else {
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "names of logs and of puts are made here"
)]
fn fresh_id() -> Uuid {
    Uuid::now_v7()
}
