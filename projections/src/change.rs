//! A commit of the log as projections read it: decoded once, for all of them.

use std::sync::Arc;

use journal::entry::{Entry, Unreadable};
use journal::envelope::Recorded;
use journal::position::Position;
use journal::store::{Loaded, Storable};
use journal::token::StreamId;
use schemas::any::{DomainEvent, Within};

/// A commit of the log with its events decoded, or the reason why one cannot be.
#[derive(Debug, Clone)]
pub struct Change {
    /// The commit.
    pub recorded: Arc<Recorded>,
    /// Its events, in today's versions.
    pub events: Result<Vec<DomainEvent>, String>,
}

/// What stands at a position of the log, as projections follow it.
#[derive(Debug, Clone)]
pub enum Followed {
    /// A commit, decoded.
    Change(Change),
    /// What cannot be read.
    Unreadable(Arc<Unreadable>),
}

impl From<Entry> for Followed {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Commit(recorded) => Self::Change(Change::of(recorded)),
            Entry::Unreadable(unreadable) => Self::Unreadable(unreadable),
        }
    }
}

impl Followed {
    /// Where it is in the log.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Change(change) => change.position(),
            Self::Unreadable(unreadable) => unreadable.position,
        }
    }

    /// The commit, where it can be read.
    #[must_use]
    pub const fn change(&self) -> Option<&Change> {
        match self {
            Self::Change(change) => Some(change),
            Self::Unreadable(_) => None,
        }
    }

    /// Its stream, where that is known.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        match self {
            Self::Change(change) => Some(change.stream()),
            Self::Unreadable(unreadable) => unreadable.stream.clone(),
        }
    }
}

impl Change {
    /// Decodes a commit.
    #[must_use]
    pub fn of(recorded: impl Into<Arc<Recorded>>) -> Self {
        let recorded = recorded.into();
        let category = recorded.commit.category.as_str();
        let events = recorded
            .commit
            .events
            .iter()
            .map(|raw| DomainEvent::decode(category, raw));
        let events = events
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string());
        Self { recorded, events }
    }

    /// Where it is in the log.
    #[must_use]
    pub fn position(&self) -> Position {
        self.recorded.position
    }

    /// Its stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.recorded.commit.stream()
    }

    /// The number in its stream's id, where that is a number.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.recorded.commit.id.as_str().parse().ok()
    }

    /// Whether its stream begins with it.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.recorded.commit.first_version == 1
    }

    /// Whether it takes back an earlier change, or brings one back.
    #[must_use]
    pub fn undoes(&self) -> bool {
        commands::undo::undoes(&self.recorded.commit)
    }

    /// Whether it says that what was written of its record is erased.
    #[must_use]
    pub fn erases(&self) -> bool {
        commands::forget::erases(&self.recorded.commit)
    }

    /// Its events of one aggregate's kind; none where they cannot be read.
    pub fn events_of<E: Within + 'static>(&self) -> impl Iterator<Item = &E> {
        self.events.iter().flatten().filter_map(E::within)
    }

    /// The aggregate after this change.
    #[must_use]
    pub fn follows<A: Storable<Event: Within>>(&self, before: Loaded<A>) -> Loaded<A> {
        let events: Vec<_> = self.events_of::<A::Event>().cloned().collect();
        before
            .grown(
                &events,
                &self.recorded.commit,
                self.recorded.position,
                self.recorded.hash,
            )
            .for_readers()
    }
}
