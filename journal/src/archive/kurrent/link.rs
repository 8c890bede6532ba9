//! The client of KurrentDB, made anew after it has given up.
//!
//! What `eventstore` 4.0 does, and we go around: it makes aws-lc the process's TLS provider, and
//! panics where another was chosen before ([`go_first`]); once it could not connect it never tries
//! again; and it waits for ever on a server that is silent.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventstore::{Client, ClientSettings, Error};
use rustls::crypto::CryptoProvider;
use tokio::sync::OnceCell;

use crate::JournalError;

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets the client choose aws-lc as the TLS provider of this process, before anybody chooses ring.
pub(in crate::archive) async fn go_first() -> Result<(), JournalError> {
    static DONE: OnceCell<()> = OnceCell::const_new();
    let go = async || {
        if CryptoProvider::get_default().is_some() {
            return Err(JournalError::unavailable(
                "the client of KurrentDB must choose how this process does TLS, and came too late",
            ));
        }
        // It connects to nothing: its first step is to choose.
        let client = client(&settings("esdb://127.0.0.1?tls=false")?);
        while CryptoProvider::get_default().is_none() {
            tokio::task::yield_now().await;
        }
        client.map(drop).map_err(unavailable)
    };
    DONE.get_or_try_init(go).await.copied()
}

/// One client for everything, as long as it works. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    settings: ClientSettings,
    client: Mutex<Option<Client>>,
}

impl fmt::Debug for Link {
    /// Without the settings: they have the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(url: &str) -> Result<Self, JournalError> {
        // The database has changed its name, and this client knows the old one.
        let settings = settings(&url.replacen("kurrentdb", "esdb", 1))?;
        let client = Mutex::default();
        Ok(Self(Arc::new(Inner { settings, client })))
    }

    /// Works with the client, for a limited time.
    pub(super) async fn within<T>(
        &self,
        work: impl AsyncFnOnce(Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let client = self.client()?;
        let done = tokio::time::timeout(PATIENCE, work(client)).await;
        let done = done.unwrap_or(Err(Error::DeadlineExceeded));
        if matches!(
            done,
            Err(Error::ConnectionClosed | Error::GrpcConnectionError(_))
        ) {
            self.lock().take();
        }
        done
    }

    fn client(&self) -> Result<Client, Error> {
        let mut held = self.lock();
        if let Some(client) = &*held {
            return Ok(client.clone());
        }
        Ok(held.insert(client(&self.0.settings)?).clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Client>> {
        self.0.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client cannot do now.
pub(super) fn unavailable(error: Error) -> JournalError {
    JournalError::unavailable(error)
}

fn settings(url: &str) -> Result<ClientSettings, JournalError> {
    // The client's own words may repeat the address, with its password.
    url.parse().map_err(|_| {
        JournalError::Malformed(
            "an address of KurrentDB looks like kurrentdb://user:password@host:2113?tls=true"
                .into(),
        )
    })
}

fn client(settings: &ClientSettings) -> Result<Client, Error> {
    Client::new(settings.clone())
}
