//! Who calls, for which workspace, as what.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::id::Keyed;
use domain::key::Role;
use journal::token::Token;
use uuid::Uuid;

use super::problem::Problem;
use super::version;
use crate::idempotency::Claimed;
use crate::keys::Holder;
use crate::origin::Origin;

/// Who calls, for which workspace, as what; put there by [`super::access`].
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose data the call may touch.
    pub workspace: Token,
    /// `key:3`, `demo`.
    pub actor: String,
    /// What the caller may do.
    pub role: Role,
    /// The request's claim, where it carries an `Idempotency-Key`.
    pub claim: Option<Arc<Claimed>>,
    /// The versions that the request's `If-Match` names, where it has one.
    pub if_match: Option<Vec<u64>>,
    /// The row of the request that is carried out, where it has many.
    pub row: Option<Row>,
}

/// A row of a request.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Which, from 0 up.
    pub place: u16,
    /// That of the request, which all its rows share.
    pub correlation: Uuid,
}

impl Caller {
    /// Whoever holds a key.
    #[must_use]
    pub fn holding(holder: Holder) -> Self {
        Self {
            workspace: holder.workspace,
            actor: format!("key:{}", holder.id),
            role: holder.role,
            claim: None,
            if_match: None,
            row: None,
        }
    }

    /// The same caller at one row of the request; `If-Match` is no word about rows.
    #[must_use]
    pub fn row(&self, row: Row) -> Self {
        Self {
            row: Some(row),
            if_match: None,
            ..self.clone()
        }
    }

    /// The origin of what this request changes.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let origin = Origin::new(self.workspace.clone(), self.actor.clone());
        let origin = match &self.claim {
            Some(claim) => origin.claimed(Arc::clone(claim)),
            None => origin,
        };
        match self.row {
            Some(row) => Origin {
                correlation: row.correlation,
                ..origin.row(row.place)
            },
            None => origin,
        }
    }

    /// The origin of a change to this record, which holds for what `If-Match` names.
    #[must_use]
    pub fn changing<A: Keyed>(&self, id: A::Id) -> Origin {
        self.origin().expecting::<A>(id, self.if_match.clone())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        let caller =
            caller.ok_or_else(|| Problem::internal(&"a route without the access layer"))?;
        Ok(Self {
            if_match: version::if_match(&parts.headers)?,
            ..caller
        })
    }
}
