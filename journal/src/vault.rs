//! Keys of personal data: one per person, wrapped by one per workspace, wrapped by the master key.
//!
//! Erasing a person destroys one key; every ciphertext under it, in the log, in snapshots, in
//! exports and in backups of them, is unreadable from then on. XChaCha20-Poly1305 with random
//! nonces (`chacha20poly1305`).
//!
//! - `shelf`: where wrapped keys are kept; the only data of ours that is not made from the log

mod shelf;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use quick_cache::sync::Cache;

use crate::token::{StreamId, Token};
pub use shelf::Row;
use shelf::{Kept, Shelf};

/// How long a key is used without looking whether it was destroyed meanwhile by another process.
const TRUSTED_FOR: Duration = Duration::from_secs(5);
/// Keys held in memory.
const CACHED: usize = 20_000;
const NONCE: usize = 24;
/// The workspace of what belongs to no workspace.
pub const OURS: &str = "_vault";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The person was erased: nothing can be sealed for them any more.
    #[error("{0} was erased")]
    Erased(String),
    /// The keys were wrapped by another master key.
    #[error(
        "RAPPORT_MASTER_KEY (or master.key in DATA_DIR) is not the one that these keys were wrapped with: \
         bring back the right one; without it nobody can read what they seal"
    )]
    WrongKey,
    /// Keys were made here already.
    #[error("this vault holds keys already: import into a new one, before anything else")]
    Used,
    /// The database of the keys does not answer.
    #[error("the keys' database does not answer: {0}")]
    Unavailable(String),
}

/// Whom data is about: `contact-7` of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    workspace: Token,
    name: String,
}

impl Subject {
    /// Whom a stream is about.
    #[must_use]
    pub fn of(stream: &StreamId) -> Self {
        let name = format!("{}-{}", stream.category, stream.id);
        Self {
            workspace: stream.workspace.clone(),
            name,
        }
    }

    /// Somebody by name: `contact-7`.
    #[must_use]
    pub fn named(workspace: Token, name: impl Into<String>) -> Self {
        Self {
            workspace,
            name: name.into(),
        }
    }

    /// Its name within its workspace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A key that seals and opens.
#[derive(Clone)]
pub struct DataKey(XChaCha20Poly1305);

impl DataKey {
    fn new(bytes: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(bytes.into()))
    }

    /// The ciphertext, bound to a context that opening must name again.
    #[must_use]
    pub fn seal(&self, context: &str, plain: &[u8]) -> String {
        BASE64.encode(self.seal_bytes(context, plain))
    }

    fn seal_bytes(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = random();
        let payload = Payload {
            msg: plain,
            aad: context.as_bytes(),
        };
        // It fails for messages of more than 256 GB only.
        let mut sealed = self
            .0
            .encrypt(XNonce::from_slice(&nonce), payload)
            .unwrap_or_default();
        sealed.splice(0..0, nonce);
        sealed
    }

    /// What was sealed in this context; `None` where anything was changed.
    #[must_use]
    pub fn open(&self, context: &str, sealed: &str) -> Option<Vec<u8>> {
        self.open_bytes(context, &BASE64.decode(sealed).ok()?)
    }

    fn open_bytes(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let payload = Payload {
            msg: sealed,
            aad: context.as_bytes(),
        };
        self.0.decrypt(XNonce::from_slice(nonce), payload).ok()
    }
}

/// What the vault knows of a person's key.
#[derive(Clone)]
pub enum KeyState {
    /// It is there.
    Kept(DataKey),
    /// The person was erased, and it was destroyed: only then may anything say "erased".
    Destroyed,
    /// This vault never had it, or has lost it: a fault, of this person's data alone.
    Missing,
}

impl KeyState {
    /// The key, where it is there.
    #[must_use]
    pub fn kept(self) -> Option<DataKey> {
        match self {
            Self::Kept(key) => Some(key),
            Self::Destroyed | Self::Missing => None,
        }
    }
}

/// The vault. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    shelf: Shelf,
    master: DataKey,
    known: Cache<Subject, (KeyState, Instant)>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// A vault that is forgotten with the process, for tests.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::over(Shelf::in_memory(), &random())
    }

    /// The vault in a SQLite file, made where there is none.
    pub async fn sqlite(path: &Path, master: &[u8; 32]) -> Result<Self, VaultError> {
        Self::over(Shelf::sqlite(path)?, master).checked().await
    }

    /// The vault in PostgreSQL, made where there is none.
    pub async fn postgres(url: &str, master: &[u8; 32]) -> Result<Self, VaultError> {
        Self::over(Shelf::postgres(url).await?, master)
            .checked()
            .await
    }

    fn over(shelf: Shelf, master: &[u8; 32]) -> Self {
        Self(Arc::new(Inner {
            shelf,
            master: DataKey::new(master),
            known: Cache::new(CACHED),
        }))
    }

    async fn checked(self) -> Result<Self, VaultError> {
        self.secret("check").await?;
        Ok(self)
    }

    /// A secret of the whole installation, made when it is first asked for.
    pub async fn secret(&self, name: &str) -> Result<[u8; 32], VaultError> {
        self.wrapped(&self.0.master, OURS, name)
            .await?
            .ok_or_else(|| VaultError::Erased(name.to_owned()))
    }

    /// The key of a person, made where there is none; refused where it was destroyed.
    pub async fn key(&self, subject: &Subject) -> Result<DataKey, VaultError> {
        if let Some(KeyState::Kept(key)) = self.remembered(subject) {
            return Ok(key);
        }
        let workspace = self.workspace_key(&subject.workspace).await?;
        let key = self
            .wrapped(&workspace, subject.workspace.as_str(), &subject.name)
            .await?;
        let key = key.map_or(KeyState::Destroyed, |bytes| {
            KeyState::Kept(DataKey::new(&bytes))
        });
        self.remember(subject, key.clone());
        key.kept()
            .ok_or_else(|| VaultError::Erased(subject.name.clone()))
    }

    /// The key of a person, never made.
    pub async fn find(&self, subject: &Subject) -> Result<KeyState, VaultError> {
        if let Some(known) = self.remembered(subject) {
            return Ok(known);
        }
        let key = match self
            .0
            .shelf
            .get(subject.workspace.as_str(), &subject.name)
            .await?
        {
            Kept::Wrapped(wrapped) => {
                let workspace = self.workspace_key(&subject.workspace).await?;
                let context = context(subject.workspace.as_str(), &subject.name);
                KeyState::Kept(DataKey::new(&unwrap(&workspace, &context, &wrapped)?))
            }
            Kept::Destroyed => KeyState::Destroyed,
            Kept::Never => KeyState::Missing,
        };
        self.remember(subject, key.clone());
        Ok(key)
    }

    /// Destroys the key of a person, for ever. Doing it again changes nothing.
    pub async fn destroy(&self, subject: &Subject) -> Result<(), VaultError> {
        self.0
            .shelf
            .destroy(subject.workspace.as_str(), &subject.name)
            .await?;
        self.remember(subject, KeyState::Destroyed);
        Ok(())
    }

    /// Wraps every workspace's key with a new master key; tells how many there were. From then on
    /// only the new one opens the vault.
    pub async fn rotate(&self, new: &[u8; 32]) -> Result<usize, VaultError> {
        let new = DataKey::new(new);
        let mut wrapped = Vec::new();
        for (workspace, name, old) in self.0.shelf.wrapped_by_master(OURS).await? {
            let context = context(&workspace, &name);
            let key = unwrap(&self.0.master, &context, &old)?;
            wrapped.push((workspace, name, new.seal_bytes(&context, &key)));
        }
        let count = wrapped.len();
        self.0.shelf.replace(wrapped).await?;
        Ok(count)
    }

    /// Every key as it is kept, wrapped: useless without the master key.
    pub async fn export(&self) -> Result<Vec<Row>, VaultError> {
        self.0.shelf.all().await
    }

    /// Whether keys of people were made in it.
    pub async fn is_used(&self) -> Result<bool, VaultError> {
        let kept = self.0.shelf.all().await?;
        Ok(kept.iter().any(|(workspace, _, _)| workspace != OURS))
    }

    /// Keeps the keys of another vault instead of its own, which must be unused.
    pub async fn import(&self, rows: &[Row]) -> Result<(), VaultError> {
        if self.is_used().await? {
            return Err(VaultError::Used);
        }
        all_open(rows, &self.0.master)?;
        self.0.shelf.become_these(rows).await
    }

    async fn workspace_key(&self, workspace: &Token) -> Result<DataKey, VaultError> {
        let subject = Subject {
            workspace: workspace.clone(),
            name: String::new(),
        };
        if let Some((KeyState::Kept(key), _)) = self.0.known.get(&subject) {
            return Ok(key);
        }
        let key = self.wrapped(&self.0.master, workspace.as_str(), "").await?;
        let key = DataKey::new(&key.ok_or_else(|| VaultError::Erased(workspace.to_string()))?);
        self.remember(&subject, KeyState::Kept(key.clone()));
        Ok(key)
    }

    /// A key as the shelf has it, made where there is none; `None` where it was destroyed.
    async fn wrapped(
        &self,
        by: &DataKey,
        workspace: &str,
        name: &str,
    ) -> Result<Option<[u8; 32]>, VaultError> {
        let context = context(workspace, name);
        let kept = match self.0.shelf.get(workspace, name).await? {
            Kept::Never => {
                let fresh = by.seal_bytes(&context, &random::<32>());
                // Another process may have been faster: what is kept counts.
                self.0.shelf.put_first(workspace, name, fresh).await?;
                self.0.shelf.get(workspace, name).await?
            }
            kept @ (Kept::Destroyed | Kept::Wrapped(_)) => kept,
        };
        match kept {
            Kept::Wrapped(wrapped) => unwrap(by, &context, &wrapped).map(Some),
            Kept::Destroyed | Kept::Never => Ok(None),
        }
    }

    fn remembered(&self, subject: &Subject) -> Option<KeyState> {
        let (key, since) = self.0.known.get(subject)?;
        (since.elapsed() < TRUSTED_FOR).then_some(key)
    }

    fn remember(&self, subject: &Subject, key: KeyState) {
        self.0.known.insert(subject.clone(), (key, Instant::now()));
    }
}

/// Refuses exported keys that were wrapped by another master key.
pub fn check(rows: &[Row], master: &[u8; 32]) -> Result<(), VaultError> {
    all_open(rows, &DataKey::new(master))
}

/// What the master key wraps: the keys of workspaces, and our own.
fn all_open(rows: &[Row], master: &DataKey) -> Result<(), VaultError> {
    let by_master = rows
        .iter()
        .filter(|(workspace, name, _)| workspace == OURS || name.is_empty());
    for (workspace, name, wrapped) in by_master {
        let wrapped = hex::decode(wrapped.as_deref().unwrap_or_default())
            .map_err(|_| VaultError::WrongKey)?;
        unwrap(master, &context(workspace, name), &wrapped)?;
    }
    Ok(())
}

fn context(workspace: &str, name: &str) -> String {
    format!("key {workspace} {name}")
}

fn unwrap(by: &DataKey, context: &str, wrapped: &[u8]) -> Result<[u8; 32], VaultError> {
    let key = by
        .open_bytes(context, wrapped)
        .ok_or(VaultError::WrongKey)?;
    key.try_into().map_err(|_| VaultError::WrongKey)
}

fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    #[expect(
        clippy::expect_used,
        reason = "a machine without randomness must not seal anything"
    )]
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

#[cfg(test)]
mod tests;
