//! Who asked for a change, for which workspace, because of what.

use std::sync::Arc;

use domain::id::Keyed;
use journal::envelope::Asked;
use journal::token::{StreamId, Token};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::fresh_id;
use crate::idempotency::Claimed;
use crate::precondition::{Precondition, VersionMismatch};

/// The most rows of one request.
pub const MAX_ROWS: u16 = 500;

/// Who asked for a change, for which workspace, because of what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Origin {
    /// Whose data.
    pub workspace: Token,
    /// `key:3`, `policy:transfer`, `cli`, `demo`: never a name.
    pub actor: String,
    /// Shared by everything that one request causes.
    pub correlation: Uuid,
    /// The commit that caused this, where one did.
    pub causation: Option<Uuid>,
    /// A sequence of the workspace's partition that everything this causes stands behind: an earlier try is
    /// looked for from there on.
    #[serde(default)]
    pub behind: u64,
    /// Fixes the ids of all commits, so that another try finds what this one did.
    pub seed: Option<Uuid>,
    /// Whether this may be another try.
    pub retried: bool,
    /// What this takes back, where it is an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// The request, where it carries an `Idempotency-Key`: its commits name it.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// The claim behind the seed, where a request carries an `Idempotency-Key`.
    #[serde(skip)]
    pub claim: Option<Arc<Claimed>>,
    /// The row of the request that this is about, where it has many: each has a number of its own.
    #[serde(skip)]
    pub row: Option<u16>,
    /// The version of a record that the request holds for, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precondition: Option<Box<Precondition>>,
}

/// An earlier change to be taken back, and the state on which its undo was prepared: it is appended there,
/// or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The stream of both.
    pub stream: StreamId,
    /// The commit to be taken back.
    pub commit: Uuid,
    /// The sequence of the stream's last commit when the undo was prepared.
    pub behind: u64,
}

/// The step of a request that a row is.
pub(crate) fn row_step(place: u16) -> String {
    format!("row {place}")
}

impl Origin {
    /// A new request of this actor.
    #[must_use]
    pub fn new(workspace: Token, actor: impl Into<String>) -> Self {
        Self {
            workspace,
            actor: actor.into(),
            correlation: fresh_id(),
            causation: None,
            behind: 0,
            seed: None,
            retried: false,
            undo: None,
            asked: None,
            claim: None,
            row: None,
            precondition: None,
        }
    }

    /// A policy's reaction to a commit: whoever reacts to it, and however often, commits under
    /// the same ids.
    #[must_use]
    pub fn because_of(workspace: Token, actor: &str, correlation: Uuid, cause: Uuid) -> Self {
        Self {
            workspace,
            actor: actor.to_owned(),
            correlation,
            causation: Some(cause),
            behind: 0,
            seed: Some(Uuid::new_v5(&cause, actor.as_bytes())),
            retried: true,
            undo: None,
            asked: None,
            claim: None,
            row: None,
            precondition: None,
        }
    }

    /// The same request, where this record is at one of these versions; of every version without any.
    #[must_use]
    pub fn expecting<A: Keyed>(self, id: A::Id, versions: Option<Vec<u64>>) -> Self {
        let precondition = versions.map(|versions| {
            Box::new(Precondition {
                category: A::TYPE.to_owned(),
                id: id.to_string(),
                versions,
            })
        });
        Self {
            precondition,
            ..self
        }
    }

    /// Whether the request holds for this version of a record, before anything is prepared for it. The
    /// desk looks again when it appends. An earlier try may have moved the record itself.
    pub fn holds_for<A: Keyed>(&self, id: A::Id, version: u64) -> Result<(), VersionMismatch> {
        match &self.precondition {
            Some(it) if !self.retried => it.check(A::TYPE, &id, version),
            Some(_) | None => Ok(()),
        }
    }

    /// The same request, after it has itself brought the record that it holds for to this version.
    #[must_use]
    pub fn having_made(mut self, version: u64) -> Self {
        if let Some(precondition) = &mut self.precondition {
            precondition.versions = vec![version];
        }
        self
    }

    /// The same request under ids that a claim fixed. All its tries share the claim's seed as their
    /// correlation, so that the claim can be made again from any of their commits.
    #[must_use]
    pub fn claimed(mut self, claim: Arc<Claimed>) -> Self {
        self.seed = Some(claim.seed());
        self.correlation = claim.seed();
        self.asked = Some(claim.asked().clone());
        self.retried = claim.retried();
        self.claim = Some(claim);
        self
    }

    /// The same request, at one of several places where it does the same: under ids of their own.
    #[must_use]
    pub fn step(&self, place: impl std::fmt::Display) -> Self {
        let seed = self
            .seed
            .map(|seed| Uuid::new_v5(&seed, place.to_string().as_bytes()));
        Self {
            seed,
            ..self.clone()
        }
    }

    /// The same request, at one of its rows.
    #[must_use]
    pub fn row(&self, place: u16) -> Self {
        Self {
            row: Some(place),
            ..self.step(row_step(place))
        }
    }

    /// The same request, taking this back.
    #[must_use]
    pub fn undoing(&self, undo: Undo) -> Self {
        Self {
            undo: Some(undo),
            ..self.clone()
        }
    }

    /// What is taken back in this stream.
    #[must_use]
    pub fn undo_in(&self, stream: &StreamId) -> Option<&Undo> {
        self.undo.as_ref().filter(|undo| undo.stream == *stream)
    }

    /// The id of the commit that this request makes in a stream.
    #[must_use]
    pub fn commit_id(&self, stream: &impl std::fmt::Display, command: &str) -> Uuid {
        match self.seed {
            Some(seed) => Uuid::new_v5(&seed, format!("{stream} {command}").as_bytes()),
            None => fresh_id(),
        }
    }
}
