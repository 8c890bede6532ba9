//! Who is named in commits, since when, and who of them was erased. It needs no key.

use std::collections::HashMap;

use jiff::Timestamp;
use journal::envelope::Commit;
use journal::line::Line;
use journal::token::{StreamId, Token};
use journal::vault::Subject;

use crate::policies::erasure::erases;

/// Somebody, by workspace and name: `contact-7`.
pub type Person = (Token, String);

/// What the log says of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// When they were named first.
    pub began: Timestamp,
    /// Whether they were erased.
    pub erased: bool,
    /// Whether a commit names them; otherwise one that cannot be read may.
    pub certain: bool,
}

/// Everybody who is named in the commits that were seen.
#[derive(Debug, Default)]
pub struct People(pub HashMap<Person, Known>);

impl People {
    /// Notes who is named in one more commit.
    pub fn see(&mut self, commit: &Commit) {
        for name in &commit.keys {
            self.note(commit, name.clone(), false);
        }
        if erases(commit) {
            self.note(
                commit,
                Subject::of(&commit.stream()).name().to_owned(),
                true,
            );
        }
    }

    /// Notes whom a line of a copied log names.
    pub fn see_line(&mut self, line: &Line) {
        match &line.commit {
            Some(commit) => self.see(commit),
            None => self.see_unreadable(&line.sealed.stream),
        }
    }

    /// What cannot be read may name whom its stream is about: their key comes back with the others.
    pub fn see_unreadable(&mut self, stream: &StreamId) {
        let name = Subject::of(stream).name().to_owned();
        let person = (stream.workspace.clone(), name);
        self.0.entry(person).or_insert(Known {
            began: Timestamp::UNIX_EPOCH,
            erased: false,
            certain: false,
        });
    }

    fn note(&mut self, commit: &Commit, name: String, erased: bool) {
        let person = (commit.workspace.clone(), name);
        let known = self.0.entry(person).or_insert(Known {
            began: commit.at,
            erased: false,
            certain: true,
        });
        known.erased |= erased;
        known.certain = true;
    }

    /// Those of whom something can still be read, if their keys are there.
    #[must_use]
    pub fn living(&self) -> Vec<(String, String)> {
        let living = self
            .0
            .iter()
            .filter(|(_, known)| known.certain && !known.erased);
        living
            .map(|((workspace, name), _)| (workspace.to_string(), name.clone()))
            .collect()
    }

    /// Whether a commit names anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.0.values().any(|known| known.certain)
    }

    /// Those who were erased.
    pub fn erased(&self) -> impl Iterator<Item = Subject> {
        let erased = self.0.iter().filter(|(_, known)| known.erased);
        erased.map(|((workspace, name), _)| Subject::named(workspace.clone(), name.clone()))
    }
}
