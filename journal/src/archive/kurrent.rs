//! The archive in KurrentDB, formerly EventStoreDB, through its own client `eventstore`.
//!
//! One stream per partition, `rapport-<identity>-<partition>`, and one event per commit: the event
//! at revision r is the commit at sequence r + 1. So the server's own check of revisions keeps the
//! order, the stream's last event is the checkpoint, and the whole copy is read from front to back.
//! A stream per aggregate would spread that order over a million streams. The event's data is the
//! commit, byte for byte; its metadata has position and hash; its id is the commit's, by which the
//! server knows a repeated append. The stream `rapport-archive` says whose copy it all is.
//!
//! - `cursors`: how far policies were
//! - `event`: a commit as an event, and back
//! - `link`: one client, made anew after it has given up

mod cursors;
mod event;
mod link;

use eventstore::{
    AppendToStreamOptions, Error, EventData, ExpectedRevision, ReadStreamOptions, RecordedEvent,
    StreamPosition,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Archived;
use crate::JournalError;
use crate::entry::Entry;
use crate::position::Position;
use event::{Outgoing, archived, stands};
pub(super) use link::go_first;
use link::{Link, unavailable};

/// The stream that says whose copy it is.
const SIGN: &str = "rapport-archive";
/// What one append may hold. The server takes 1 MiB unless it is set otherwise, and a single commit
/// has up to [`crate::envelope::MAX_BYTES`].
const APPEND_BYTES: usize = 1_000_000;
/// What an event takes beside its body, at most.
const EVENT_BYTES: usize = 256;

/// The copy of the log in KurrentDB. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KurrentArchive {
    link: Link,
}

/// Whose copy it is.
#[derive(Serialize, Deserialize)]
struct Sign {
    identity: String,
    partitions: u16,
}

impl KurrentArchive {
    /// The archive at this address.
    pub(super) async fn open(url: &str) -> Result<Self, JournalError> {
        go_first().await?;
        let link = Link::new(url)?;
        let archive = Self { link };
        // A wrong address or password is told at once.
        archive.signed().await?;
        Ok(archive)
    }

    pub(super) async fn identity(&self) -> Result<Option<String>, JournalError> {
        Ok(self.signed().await?.map(|sign| sign.identity))
    }

    pub(super) async fn partitions(&self) -> Result<u16, JournalError> {
        Ok(self.signed().await?.map_or(1, |sign| sign.partitions))
    }

    /// Says whose copy it is, where nobody has said it yet.
    pub(super) async fn sign(&self, identity: &str, partitions: u16) -> Result<(), JournalError> {
        let sign = Sign {
            identity: identity.to_owned(),
            partitions,
        };
        let event = EventData::json("rapport.archive", &sign).map_err(JournalError::unavailable)?;
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, identity.as_bytes());
        match self.append(SIGN, 0, vec![event.id(id)]).await {
            // Somebody was faster; who that was is read by whoever asks.
            Ok(_) | Err(Error::WrongExpectedVersion { .. }) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    pub(super) async fn head(&self, partition: u16) -> Result<Position, JournalError> {
        let none = Position {
            partition,
            sequence: 0,
        };
        let Some(stream) = self.stream(partition).await? else {
            return Ok(none);
        };
        let last = ReadStreamOptions::default()
            .position(StreamPosition::End)
            .max_count(1);
        let Some(last) = self.events(&stream, last).await?.pop() else {
            return Ok(none);
        };
        let stands = stands(partition, &last);
        let head = archived(partition, &last)?.position;
        if head == stands {
            return Ok(head);
        }
        Err(JournalError::Corrupt {
            position: stands,
            reason: format!("the archive has {head} there: empty its database, and copy anew"),
        })
    }

    pub(super) async fn read(
        &self,
        partition: u16,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Archived>, JournalError> {
        let Some(stream) = self.stream(partition).await? else {
            return Ok(Vec::new());
        };
        let behind = ReadStreamOptions::default()
            .position(StreamPosition::Position(after))
            .max_count(limit);
        let events = self.events(&stream, behind).await?;
        events
            .iter()
            .map(|event| archived(partition, event))
            .collect()
    }

    /// Keeps a batch, in as many appends as its size needs.
    pub(super) async fn keep(&self, batch: &[Entry]) -> Result<(), JournalError> {
        let Some(first) = batch.first() else {
            return Ok(());
        };
        let stream = self.stream(first.position().partition).await?;
        let stream =
            stream.ok_or_else(|| JournalError::unavailable("nobody signed the archive"))?;
        let (mut copies, mut bytes) = (Vec::new(), 0);
        for entry in batch {
            let archived = Archived::of(entry)?;
            let size = archived.body.len() + EVENT_BYTES;
            if bytes + size > APPEND_BYTES {
                self.put(&stream, &copies).await?;
                copies.clear();
                bytes = 0;
            }
            bytes += size;
            copies.push(Outgoing {
                commit_id: entry.id(),
                archived,
            });
        }
        self.put(&stream, &copies).await
    }

    /// Appends behind the commit before them; what is there already, the same, is passed over.
    async fn put(&self, stream: &str, mut copies: &[Outgoing]) -> Result<(), JournalError> {
        while let Some(first) = copies.first().map(|copy| copy.archived.position) {
            let events = copies
                .iter()
                .map(Outgoing::event)
                .collect::<Result<_, _>>()?;
            match self.append(stream, first.sequence - 1, events).await {
                Ok(last) if last + 1 == first.sequence - 1 + copies.len() as u64 => return Ok(()),
                Ok(last) => {
                    return Err(JournalError::Corrupt {
                        position: first,
                        reason: format!("the archive put it where its stream ends at {last}"),
                    });
                }
                Err(Error::WrongExpectedVersion { .. }) => {
                    let there = self
                        .read(first.partition, first.sequence - 1, copies.len())
                        .await?;
                    let same = there.iter().zip(copies);
                    let same = same
                        .take_while(|(there, copy)| **there == copy.archived)
                        .count();
                    if same == 0 {
                        return Err(JournalError::Corrupt {
                            position: first,
                            reason: "the archive does not end before it, and has not it there"
                                .into(),
                        });
                    }
                    copies = &copies[same..];
                }
                Err(error) => return Err(unavailable(error)),
            }
        }
        Ok(())
    }

    /// Appends to a stream that holds this many events; answers the revision of its last one.
    async fn append(&self, stream: &str, held: u64, events: Vec<EventData>) -> Result<u64, Error> {
        let expected = held
            .checked_sub(1)
            .map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
        let options = AppendToStreamOptions::default()
            .expected_revision(expected)
            .requires_leader(true);
        let append = async |client: eventstore::Client| {
            client.append_to_stream(stream, &options, events).await
        };
        let written = self.link.within(append).await?;
        Ok(written.next_expected_version)
    }

    async fn events(
        &self,
        stream: &str,
        options: ReadStreamOptions,
    ) -> Result<Vec<RecordedEvent>, JournalError> {
        // A follower may not have yet what the leader has acknowledged.
        let options = options.requires_leader(true);
        let read = async |client: eventstore::Client| client.read_stream(stream, &options).await;
        let mut events = Vec::new();
        let mut reading = match self.link.within(read).await {
            Ok(reading) => reading,
            Err(Error::ResourceNotFound) => return Ok(events),
            Err(error) => return Err(unavailable(error)),
        };
        loop {
            match self.link.within(async |_| reading.next().await).await {
                Ok(Some(read)) => events.extend(read.event),
                Ok(None) | Err(Error::ResourceNotFound) => return Ok(events),
                Err(error) => return Err(unavailable(error)),
            }
        }
    }

    async fn signed(&self) -> Result<Option<Sign>, JournalError> {
        let first = ReadStreamOptions::default().max_count(1);
        let sign = self.events(SIGN, first).await?.pop();
        let read = |event: RecordedEvent| {
            serde_json::from_slice(&event.data)
                .map_err(|error| JournalError::Malformed(format!("the stream {SIGN}: {error}")))
        };
        sign.map(read).transpose()
    }

    /// The stream of a partition, once it is said whose copy it is.
    async fn stream(&self, partition: u16) -> Result<Option<String>, JournalError> {
        let identity = self.identity().await?;
        Ok(identity.map(|identity| format!("rapport-{identity}-{partition}")))
    }
}
