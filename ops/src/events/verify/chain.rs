//! The chain of each stream, commit by commit.

use std::collections::HashMap;

use journal::entry::{Entry, Fault, Unreadable};
use journal::envelope::{CommitHash, Recorded};
use journal::token::StreamId;
use schemas::any::DomainEvent;

use super::Found;

/// What the next commit of a stream must follow.
enum Tail {
    /// A commit that ends at this version, with this hash.
    Commit(u64, CommitHash),
    /// Something that cannot be read, or was put into quarantine: the next commit is believed.
    Gap,
}

/// The end of every stream seen so far.
#[derive(Default)]
pub(super) struct Chains(HashMap<StreamId, Tail>);

impl Chains {
    /// How many streams there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Checks the next entry of the log.
    pub(super) fn check(&mut self, entry: &Entry, found: &mut Found) {
        match entry {
            Entry::Commit(recorded) => {
                found.commits += 1;
                found.events += recorded.commit.events.len() as u64;
                found.faults.extend(self.fault(recorded));
                self.follow(recorded);
            }
            Entry::Unreadable(unreadable) => self.unreadable(unreadable, found),
        }
    }

    fn unreadable(&mut self, unreadable: &Unreadable, found: &mut Found) {
        let stream = unreadable.stream.clone();
        let named = stream
            .as_ref()
            .map_or_else(String::new, |stream| format!("{stream}: "));
        let text = format!("{}: {named}{}", unreadable.position, unreadable.fault);
        match unreadable.fault {
            // It was never part of its stream.
            Fault::NotAuthentic(_) => {
                return found
                    .notes
                    .push(format!("{text}; every reader passes it over"));
            }
            Fault::Quarantined => found
                .notes
                .push(format!("{text}; every reader passes it over")),
            Fault::NewerProgram(_) => found
                .notes
                .push(format!("{text}; verify with that program")),
            Fault::Undecodable(_)
            | Fault::Changed(_)
            | Fault::Unsealable(_)
            | Fault::KeyMissing(_) => found.faults.push(text),
        }
        if let Some(stream) = stream {
            self.0.insert(stream, Tail::Gap);
        }
    }

    fn fault(&self, recorded: &Recorded) -> Option<String> {
        let (commit, at) = (&recorded.commit, recorded.position);
        let stream = commit.stream();
        let (version, hash) = match self.0.get(&stream) {
            None => (0, None),
            Some(Tail::Commit(version, hash)) => (*version, Some(*hash)),
            Some(Tail::Gap) => (commit.first_version - 1, commit.prev_hash),
        };
        let first = commit.first_version;
        if commit.prev_hash != hash {
            return Some(format!(
                "{at}: {stream} v{first} does not follow the commit before it: one was changed, is missing or was swapped"
            ));
        }
        if first != version + 1 {
            return Some(format!("{at}: {stream} jumps to v{first}"));
        }
        let events = commit.events.iter();
        let mut decoded = events.map(|event| DomainEvent::decode(commit.category.as_str(), event));
        let error = decoded.find_map(Result::err)?;
        Some(format!("{at}: {stream} v{first}: {error}"))
    }

    fn follow(&mut self, recorded: &Recorded) {
        let tail = Tail::Commit(recorded.commit.last_version(), recorded.hash);
        self.0.insert(recorded.commit.stream(), tail);
    }
}
