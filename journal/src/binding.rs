//! The log knows its vault: `vault.bound` stands before the first commit that is sealed.
//!
//! It is a commit like every other: it travels in exports, backups and the archive, and the chain of
//! hashes covers it.

use domain::event::Decide as _;
use domain::vault::{Bind, VaultBinding, VaultBindingError};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

use crate::store::{Meta, Store};
use crate::token::StreamId;
use crate::vault::VaultError;
use crate::{Journal, JournalError};

/// What the one binding of a log may take in memory, in bytes.
const BINDING_BYTES: u64 = 64 * 1024;

/// The workspace of what belongs to no workspace.
const SYSTEM: &str = "_system";
/// There is one vault.
const ID: &str = "keys";

/// Why the vault at hand must not be used with this log.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    /// The log says so.
    #[error(transparent)]
    NotOurs(#[from] VaultBindingError),
    /// The log does not answer, or cannot be read.
    #[error(transparent)]
    Log(#[from] JournalError),
    /// The vault does not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Journal {
    /// The vault that the log says is its own; none where nothing was sealed yet.
    pub async fn binding(&self) -> Result<Option<Bind>, JournalError> {
        let loaded = self.bindings()?.load(&binding_stream()?).await?;
        Ok(loaded.state.bound.clone())
    }

    /// Binds the log to the vault at hand, in this generation; refuses another vault, and an older copy.
    pub async fn bind(&self, generation: u64, now: Timestamp) -> Result<(), BindingError> {
        let ask = Bind {
            vault: self.vault().identity().await?,
            generation,
        };
        let (store, stream) = (self.bindings()?, binding_stream()?);
        loop {
            let seen = store.reload(&stream).await?;
            let events = seen.state.decide(ask.clone())?;
            if events.is_empty() {
                return Ok(());
            }
            match store
                .append(&stream, seen, &events, self.meta(&ask, now))
                .await
            {
                Ok(_) => return Ok(()),
                Err(JournalError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What is about to be sealed needs a log that knows the vault. Asked before every such commit, and
    /// answered from memory but once.
    pub(crate) fn bound(&self, now: Timestamp) -> BoxFuture<'_, Result<(), JournalError>> {
        async move {
            if self.vault().is_in_memory() {
                return Ok(());
            }
            let bind = async {
                let generation = self.vault().state().await?.generation;
                match self.bind(generation, now).await {
                    Ok(()) => Ok(()),
                    Err(BindingError::Log(error)) => Err(error),
                    Err(BindingError::Vault(error)) => Err(error.into()),
                    Err(error @ BindingError::NotOurs(_)) => Err(JournalError::unavailable(error)),
                }
            };
            self.is_bound.get_or_try_init(|| bind).await.copied()
        }
        .boxed()
    }

    fn bindings(&self) -> Result<Store<VaultBinding>, JournalError> {
        Store::try_new(self.clone(), BINDING_BYTES)
            .map_err(|bad| JournalError::Malformed(bad.to_string()))
    }

    /// Processes that bind at once append the same commit, not two.
    fn meta(&self, ask: &Bind, now: Timestamp) -> Meta {
        let said = format!("{} {} {}", self.identity(), ask.vault, ask.generation);
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, said.as_bytes());
        Meta {
            commit_id: id,
            actor: "vault".to_owned(),
            command: "bind".to_owned(),
            correlation: id,
            causation: None,
            traceparent: None,
            undoes: None,
            person: None,
            asked: None,
            at: now,
            retried: true,
        }
    }
}

fn binding_stream() -> Result<StreamId, JournalError> {
    let stream = StreamId::try_new(SYSTEM, <VaultBinding as cqrs_es::Aggregate>::TYPE, ID);
    stream.map_err(|bad| JournalError::Malformed(bad.to_string()))
}
