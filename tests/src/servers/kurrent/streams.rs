//! What the server holds, and the rules of appending and reading.
//!
//! The rules are those of KurrentDB's `IndexWriter.CheckCommit`: an append is checked against the
//! stream's last revision; one that comes again, the same ids at the same place, succeeds again and
//! changes nothing; one of which only a part is there is refused.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::wire::Uuid;

/// What one append may hold, unless a server is set otherwise.
const MAX_APPEND_BYTES: usize = 1024 * 1024;

/// An event of a stream.
#[derive(Debug, Clone)]
pub struct Held {
    pub(super) id: Uuid,
    /// Its place in the stream, from 0.
    pub revision: u64,
    /// Its type and kind of content.
    pub system: HashMap<String, String>,
    /// Its metadata, as the client wrote it.
    pub metadata: Bytes,
    /// Its data, as the client wrote it.
    pub data: Bytes,
}

/// An event on its way into a stream.
#[derive(Debug, Clone)]
pub(super) struct Proposed {
    pub(super) id: Uuid,
    pub(super) system: HashMap<String, String>,
    pub(super) metadata: Bytes,
    pub(super) data: Bytes,
}

/// Why an append was not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The stream does not end there.
    WrongExpectedVersion { current: Option<u64> },
    /// It is larger than the server takes.
    TooLarge,
    /// It lacks what every event must say of itself.
    Lacks(&'static str),
}

#[derive(Debug, Default)]
pub(super) struct Streams(BTreeMap<String, Vec<Held>>);

impl Streams {
    /// Appends behind this revision (none: the stream is not there yet), all or nothing; answers
    /// the revision of the last of these events.
    pub(super) fn append(
        &mut self,
        stream: &str,
        expected: Option<u64>,
        events: Vec<Proposed>,
    ) -> Result<u64, Refusal> {
        check(&events)?;
        let held = self.events(stream);
        let current = held.last().map(|last| last.revision);
        let wrong = Refusal::WrongExpectedVersion { current };
        let first = expected.map_or(0, |revision| revision + 1);
        let last = (first + events.len() as u64).checked_sub(1);
        if expected > current || events.is_empty() {
            return Err(wrong);
        }
        if expected < current {
            let at = |revision| held.iter().find(|held| held.revision == revision);
            let mut places = (first..).zip(&events);
            let again = places
                .all(|(revision, event)| at(revision).is_some_and(|held| held.id == event.id));
            return last.filter(|_| again).ok_or(wrong);
        }
        let held = self.0.entry(stream.to_owned()).or_default();
        held.extend((first..).zip(events).map(|(revision, event)| Held {
            id: event.id,
            revision,
            system: event.system,
            metadata: event.metadata,
            data: event.data,
        }));
        last.ok_or(wrong)
    }

    /// The events from this revision on, in order.
    pub(super) fn forwards(&self, stream: &str, from: u64, count: usize) -> Vec<Held> {
        let events = self.events(stream).iter();
        let events = events.filter(|event| event.revision >= from);
        events.take(count).cloned().collect()
    }

    /// The events from this revision back, newest first.
    pub(super) fn backwards(&self, stream: &str, from: u64, count: usize) -> Vec<Held> {
        let events = self.events(stream).iter().rev();
        let events = events.filter(|event| event.revision <= from);
        events.take(count).cloned().collect()
    }

    pub(super) fn events(&self, stream: &str) -> &[Held] {
        self.0.get(stream).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn tamper(&mut self, stream: &str, with: impl FnOnce(&mut Vec<Held>)) {
        with(self.0.entry(stream.to_owned()).or_default());
    }
}

fn check(events: &[Proposed]) -> Result<(), Refusal> {
    let mut bytes = 0;
    for event in events {
        for key in ["type", "content-type"] {
            if !event.system.contains_key(key) {
                return Err(Refusal::Lacks(key));
            }
        }
        bytes += event.data.len() + event.metadata.len() + 2 * event.system["type"].len();
    }
    if bytes > MAX_APPEND_BYTES {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}
