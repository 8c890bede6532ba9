//! Who asked for a change, for which workspace, because of what.

use std::sync::Arc;

use journal::token::Token;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::fresh_id;
use crate::idempotency::Claimed;

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
    /// Fixes the ids of all commits, so that another try finds what this one did.
    pub seed: Option<Uuid>,
    /// Whether this may be another try.
    pub retried: bool,
    /// The claim behind the seed, where a request carries an `Idempotency-Key`.
    #[serde(skip)]
    pub claim: Option<Arc<Claimed>>,
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
            seed: None,
            retried: false,
            claim: None,
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
            seed: Some(Uuid::new_v5(&cause, actor.as_bytes())),
            retried: true,
            claim: None,
        }
    }

    /// The same request under ids that a claim fixed.
    #[must_use]
    pub fn claimed(mut self, claim: Arc<Claimed>) -> Self {
        self.seed = Some(claim.seed());
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

    /// The id of the commit that this request makes in a stream.
    #[must_use]
    pub fn commit_id(&self, stream: &impl std::fmt::Display, command: &str) -> Uuid {
        match self.seed {
            Some(seed) => Uuid::new_v5(&seed, format!("{stream} {command}").as_bytes()),
            None => fresh_id(),
        }
    }
}
