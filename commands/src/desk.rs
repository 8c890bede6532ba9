//! The one door for changes: load, decide, append; lost races are decided again.
//!
//! A desk is [`Desk::Local`] where this process appends, and [`Desk::Remote`] where another
//! does and this one asks it over NATS (`rapport.cmd.<category>`).

mod local;
mod remote;
mod serve;
mod stores;

use std::sync::Arc;

use cqrs_es::AggregateError;
use domain::event::Decide;
use domain::id::Keyed;
use jiff::Timestamp;
use journal::store::{Loaded, Storable, Store};
use journal::token::{StreamId, Token};
use journal::{Journal, JournalError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Clock;
use crate::origin::Origin;
pub(crate) use local::failed;
pub use remote::{Remote, Unanswered};
pub use serve::serve;
pub use stores::Stores;

/// An aggregate that the desk serves.
pub trait Handled:
    Storable
    + Keyed
    + Decide
    + cqrs_es::Aggregate<
        Command: Serialize + DeserializeOwned + Clone + Send + Sync,
        Error: Serialize + DeserializeOwned + Send + Sync + 'static,
    >
{
    /// Its store.
    fn store(stores: &Stores) -> &Store<Self>;
}

/// What a change leads to: the new state, or why not.
pub type Outcome<A> = Result<Arc<Loaded<A>>, AggregateError<<A as cqrs_es::Aggregate>::Error>>;

/// What the caller knows of the stream that is to be changed.
#[derive(Debug, Clone, Copy, Default, Serialize, serde::Deserialize)]
pub(crate) struct Expected {
    /// Its id was just allocated: it is empty, and need not be read.
    fresh: bool,
    /// It has this version; at another one nothing is to be done.
    #[serde(default)]
    version: Option<u64>,
}

/// The one door for changes. Cheap to clone.
#[derive(Clone)]
pub enum Desk {
    /// Decides and appends here.
    Local(Arc<local::Local>),
    /// Asks another process.
    Remote(Arc<Remote>),
}

impl Desk {
    /// A desk that decides and appends in this process.
    #[must_use]
    pub fn local(journal: Journal, clock: Clock) -> Self {
        Self::Local(Arc::new(local::Local::new(Stores::new(journal), clock)))
    }

    /// A desk that asks the processes with the role `commands`.
    #[must_use]
    pub fn remote(client: async_nats::Client, journal: Journal, clock: Clock) -> Self {
        Self::Remote(Arc::new(Remote::new(client, Stores::new(journal), clock)))
    }

    /// Carries out a command, and answers the state it leaves.
    pub async fn send<A: Handled>(
        &self,
        id: A::Id,
        command: A::Command,
        origin: &Origin,
    ) -> Outcome<A> {
        self.send_if(id, command, origin, Expected::default()).await
    }

    /// Carries out a command on this version of an aggregate, or not at all:
    /// [`AggregateError::AggregateConflict`] where it has another one.
    pub async fn send_at<A: Handled>(
        &self,
        id: A::Id,
        command: A::Command,
        version: u64,
        origin: &Origin,
    ) -> Outcome<A> {
        let expected = Expected {
            fresh: false,
            version: Some(version),
        };
        self.send_if(id, command, origin, expected).await
    }

    /// Carries out the first command of an aggregate whose id was just allocated: its stream
    /// is known to be empty, so it need not be read.
    pub async fn open<A: Handled>(
        &self,
        id: A::Id,
        command: A::Command,
        origin: &Origin,
    ) -> Outcome<A> {
        let expected = Expected {
            fresh: true,
            version: None,
        };
        self.send_if(id, command, origin, expected).await
    }

    async fn send_if<A: Handled>(
        &self,
        id: A::Id,
        command: A::Command,
        origin: &Origin,
        expected: Expected,
    ) -> Outcome<A> {
        match self {
            Self::Local(local) => local.send(id, command, origin, expected).await,
            Self::Remote(remote) => remote.send(id, command, origin, expected).await,
        }
    }

    /// The aggregate as an earlier try of the same request left it, where one has carried out this
    /// command.
    pub async fn earlier<A: Handled>(
        &self,
        id: A::Id,
        command: &A::Command,
        origin: &Origin,
    ) -> Result<Option<Arc<Loaded<A>>>, JournalError> {
        if !origin.retried {
            return Ok(None);
        }
        let (store, stream) = self.stream::<A>(&origin.workspace, id)?;
        let commit_id = origin.commit_id(&stream, &local::command_name(command));
        store.load_after(&stream, commit_id, origin.behind).await
    }

    /// The aggregate as the log has it now.
    pub async fn load<A: Handled>(
        &self,
        workspace: &Token,
        id: A::Id,
    ) -> Result<Arc<Loaded<A>>, JournalError> {
        let (store, stream) = self.stream::<A>(workspace, id)?;
        store.reload(&stream).await
    }

    /// The aggregate as it was at this moment.
    pub async fn load_as_of<A: Handled>(
        &self,
        workspace: &Token,
        id: A::Id,
        at: Timestamp,
    ) -> Result<Loaded<A>, JournalError> {
        let (store, stream) = self.stream::<A>(workspace, id)?;
        store.load_as_of(&stream, at).await
    }

    /// The aggregate as it was before this sequence of the log.
    pub async fn load_before<A: Handled>(
        &self,
        workspace: &Token,
        id: A::Id,
        sequence: u64,
    ) -> Result<Loaded<A>, JournalError> {
        let (store, stream) = self.stream::<A>(workspace, id)?;
        store.load_before(&stream, sequence).await
    }

    /// The log below.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        self.stores().journal()
    }

    /// The clock that stamps what happens.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        match self {
            Self::Local(local) => &local.clock,
            Self::Remote(remote) => &remote.clock,
        }
    }

    fn stores(&self) -> &Stores {
        match self {
            Self::Local(local) => &local.stores,
            Self::Remote(remote) => &remote.stores,
        }
    }

    fn stream<A: Handled>(
        &self,
        workspace: &Token,
        id: A::Id,
    ) -> Result<(&Store<A>, StreamId), JournalError> {
        let store = A::store(self.stores());
        Ok((store, stream_of(store, workspace, id)?))
    }
}

fn stream_of<A: Handled>(
    store: &Store<A>,
    workspace: &Token,
    id: A::Id,
) -> Result<StreamId, JournalError> {
    let id =
        Token::try_new(&id.to_string()).map_err(|bad| JournalError::Malformed(bad.to_string()))?;
    Ok(store.stream(workspace.clone(), id))
}
