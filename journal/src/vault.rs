//! Keys of personal data: one per person, wrapped by one per workspace, wrapped by the master key.
//!
//! Erasing a person destroys one key; every ciphertext under it, in the log, in snapshots, in
//! exports and in backups of them, is unreadable from then on.
//!
//! - `key`: a key, what it seals, and the keys that it wraps
//! - `export`: wrapped keys that leave a vault and come into another
//! - `shelf`: where wrapped keys are kept; the only data of ours that is not made from the log
//! - `state`: what the vault says of itself, beside its keys
//!
//! Invariant: a key is made only in the vault that was opened. Where that was emptied, replaced or
//! wrapped anew meanwhile, nothing is sealed any more.

mod export;
mod key;
mod shelf;
mod state;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use export::{check, identity_of};
pub use key::DataKey;
use key::{context, random, unwrap};
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
pub use shelf::Row;
use shelf::{Kept, Shelf, Statement};
pub use state::VaultState;

use crate::token::{StreamId, Token};

/// How long a key is used without looking whether it was destroyed meanwhile by another process.
const TRUSTED_FOR: Duration = Duration::from_secs(5);
/// Keys held in memory.
const CACHED: usize = 20_000;
/// The workspace of what belongs to no workspace.
pub const OURS: &str = "_vault";
/// The secret that every vault has: it tells whether the master key is the right one, and which vault
/// this is.
const CHECK: &str = "check";

/// Where a vault is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A table in PostgreSQL, by its URL.
    Postgres(String),
}

impl Place {
    /// Whether a vault was made here; makes none.
    pub async fn has_vault(&self) -> Result<bool, VaultError> {
        if let Self::Sqlite(path) = self
            && !path.exists()
        {
            return Ok(false);
        }
        Ok(self.shelf().await?.get(OURS, CHECK).await? != Kept::Never)
    }

    async fn shelf(&self) -> Result<Shelf, VaultError> {
        match self {
            Self::Sqlite(path) => Shelf::sqlite(path),
            Self::Postgres(url) => Shelf::postgres(url).await,
        }
    }
}

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
    /// Keys of another vault were made here already.
    #[error(
        "this vault holds keys of its own: import into an empty one, and never into that of another log"
    )]
    Used,
    /// The key of a person is not here, and nobody erased them.
    #[error(
        "the key of {0} is missing from this vault: rapport keys import brings it back from a backup's keys"
    )]
    Missing(String),
    /// There is no vault.
    #[error("there is no vault of keys here")]
    Absent,
    /// The vault is not the one that was opened.
    #[error(
        "the vault of keys was emptied, replaced or wrapped anew (rapport keys rotate) while this process \
         ran: start it again, with the right RAPPORT_MASTER_KEY"
    )]
    Replaced,
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
    /// The check as it is kept: another vault has another, and so has this one once it is wrapped anew.
    check: Mutex<Option<String>>,
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
        let vault = Self::over(Shelf::in_memory(), &random());
        *vault.check() = Some(String::new());
        vault
    }

    /// The vault in a SQLite file, made where there is none.
    pub async fn sqlite(path: &Path, master: &[u8; 32]) -> Result<Self, VaultError> {
        let vault = Self::open(&Place::Sqlite(path.to_owned()), master).await?;
        vault.make().await?;
        Ok(vault)
    }

    /// The vault in PostgreSQL, made where there is none.
    pub async fn postgres(url: &str, master: &[u8; 32]) -> Result<Self, VaultError> {
        let vault = Self::open(&Place::Postgres(url.to_owned()), master).await?;
        vault.make().await?;
        Ok(vault)
    }

    /// The vault at a place. Where there is none, nothing can be sealed until [`Self::make`].
    pub async fn open(place: &Place, master: &[u8; 32]) -> Result<Self, VaultError> {
        let vault = Self::over(place.shelf().await?, master);
        vault.look().await?;
        Ok(vault)
    }

    /// Makes the vault, where there is none.
    pub async fn make(&self) -> Result<(), VaultError> {
        let fresh = random::<32>();
        let wrapped = self.0.master.seal_bytes(&context(OURS, CHECK), &fresh);
        self.0.shelf.make(&wrapped).await?;
        self.look().await
    }

    /// Whether there is a vault.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.check().is_some()
    }

    /// Whether it is forgotten with the process.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.0.shelf, Shelf::Memory(_))
    }

    /// Takes the vault for what it is now; refuses one that the master key does not open.
    async fn look(&self) -> Result<(), VaultError> {
        let check = match self.0.shelf.get(OURS, CHECK).await? {
            Kept::Wrapped(wrapped) => {
                unwrap(&self.0.master, &context(OURS, CHECK), &wrapped)?;
                Some(hex::encode(wrapped))
            }
            Kept::Never | Kept::Destroyed | Kept::Lost => None,
        };
        *self.check() = check;
        Ok(())
    }

    /// Refuses where the vault was emptied, replaced or wrapped anew since it was opened.
    pub async fn is_the_same(&self) -> Result<(), VaultError> {
        let now = match self.0.shelf.get(OURS, CHECK).await? {
            Kept::Wrapped(wrapped) => Some(hex::encode(wrapped)),
            Kept::Never | Kept::Destroyed | Kept::Lost => None,
        };
        if now == *self.check() {
            Ok(())
        } else {
            Err(VaultError::Replaced)
        }
    }

    /// Makes no key any more: somebody has seen that this is not the vault that was opened.
    pub fn distrust(&self) {
        *self.check() = Some(String::new());
    }

    fn check(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.0.check.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn over(shelf: Shelf, master: &[u8; 32]) -> Self {
        Self(Arc::new(Inner {
            shelf,
            master: DataKey::new(master),
            known: Cache::new(CACHED),
            check: Mutex::default(),
        }))
    }

    /// Tells this vault from every other, for ever: copies and new wraps of it are the same one.
    pub async fn identity(&self) -> Result<String, VaultError> {
        Ok(identity(&self.secret(CHECK).await?))
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
            Kept::Never | Kept::Lost => KeyState::Missing,
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
    /// only the new one opens the vault, and it is of the next generation.
    pub async fn rotate(&self, new: &[u8; 32]) -> Result<usize, VaultError> {
        let new = DataKey::new(new);
        let mut statements = Vec::new();
        for (workspace, name, old) in self.0.shelf.wrapped_by_master(OURS).await? {
            let context = context(&workspace, &name);
            let key = unwrap(&self.0.master, &context, &old)?;
            let wrapped = new.seal_bytes(&context, &key);
            statements.push(Statement::replace((workspace, name, wrapped)));
        }
        let count = statements.len();
        statements.push(Self::raised(self.state().await?.generation + 1));
        self.0.shelf.carry_out(statements).await?;
        Ok(count)
    }

    /// Those of these people of whom it knows nothing: neither a key, nor that it was destroyed, nor
    /// that it is lost.
    pub async fn unknown(
        &self,
        people: &[(String, String)],
    ) -> Result<Vec<(String, String)>, VaultError> {
        let known = self.0.shelf.known_of(people).await?;
        let known: std::collections::HashSet<_> = known.into_iter().collect();
        let unknown = people.iter().filter(|one| !known.contains(*one));
        Ok(unknown.cloned().collect())
    }

    /// Notes that the keys of these people are lost: none is ever made for them again, unless an import
    /// brings it back.
    pub async fn note_lost(&self, people: &[(String, String)]) -> Result<(), VaultError> {
        let lost = people
            .iter()
            .cloned()
            .map(|(workspace, name)| Statement::add((workspace, name, Some(String::new()))));
        self.0.shelf.carry_out(lost.collect()).await
    }

    /// Those whose keys were noted as lost.
    pub async fn lost(&self) -> Result<Vec<(String, String)>, VaultError> {
        self.0.shelf.lost().await
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
        let mut kept = self.0.shelf.get(workspace, name).await?;
        if kept == Kept::Never {
            let fresh = by.seal_bytes(&context, &random::<32>());
            let check = self.check().clone().ok_or(VaultError::Absent)?;
            // Another process may have been faster: what is kept counts.
            self.0
                .shelf
                .put_first(workspace, name, fresh, &check)
                .await?;
            kept = self.0.shelf.get(workspace, name).await?;
        }
        match kept {
            Kept::Wrapped(wrapped) => unwrap(by, &context, &wrapped).map(Some),
            Kept::Destroyed => Ok(None),
            Kept::Lost => Err(VaultError::Missing(name.to_owned())),
            Kept::Never => Err(VaultError::Replaced),
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

fn identity(check: &[u8; 32]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"rapport vault\0");
    hash.update(check);
    format!("vault-{}", hex::encode(&hash.finalize()[..16]))
}

#[cfg(test)]
mod tests;
