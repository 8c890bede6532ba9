//! The master key, which wraps every other: `RAPPORT_MASTER_KEY`, or a private file in the data
//! folder, made there where it is missing; and the vault that it opens.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use journal::vault::{self, Place, Row, Vault, VaultError};

use crate::settings::{Database, Settings};
use crate::system::places::{data_dir, lock};

type Key = [u8; 32];

const MAKE_ONE: &str = "make one with: openssl rand -hex 32";

/// Where the vault is: at `VAULT_URL`, beside the read models in PostgreSQL, or in the data folder. A
/// cluster's processes share one, so none of them has it for itself.
pub fn place(settings: &Settings) -> anyhow::Result<Place> {
    match (&settings.vault_url, &settings.database_url) {
        (Some(Database::Postgres(url)), _) | (None, Some(Database::Postgres(url))) => {
            Ok(Place::Postgres(url.0.clone()))
        }
        (Some(Database::Sqlite(path)), _) => Ok(Place::Sqlite(path.clone())),
        (None, Some(Database::Sqlite(_)) | None) => {
            ensure!(
                settings.nats_url.is_none(),
                "with NATS_URL the keys of personal data are shared by every process: set DATABASE_URL to \
                 postgres://…, the same everywhere, or VAULT_URL to where the keys are (for the vault.db of \
                 a single process: sqlite:///PATH)"
            );
            Ok(Place::Sqlite(data_dir(settings)?.join("vault.db")))
        }
    }
}

/// Opens the vault with the master key; makes no vault.
pub async fn open_vault(settings: &Settings) -> anyhow::Result<Vault> {
    if let Some(key) = &settings.master_key {
        let key = from_hex(&key.0)
            .with_context(|| format!("RAPPORT_MASTER_KEY must be 64 hex digits; {MAKE_ONE}"))?;
        return Ok(Vault::open(&place(settings)?, &key).await?);
    }
    ensure!(
        settings.nats_url.is_none(),
        "RAPPORT_MASTER_KEY must be set: every process of a cluster needs the same; {MAKE_ONE}"
    );
    let place = place(settings)?;
    let (path, next) = files(settings)?;
    if !path.exists() {
        ensure!(
            !place.has_vault().await?,
            "{} is missing, and the vault of keys cannot be opened without it: bring it back, or set \
             RAPPORT_MASTER_KEY to what it held",
            path.display()
        );
        write_new(&path, &fresh()?)?;
    }
    match Vault::open(&place, &read(&path)?).await {
        // A rotation that was interrupted after the keys were wrapped anew.
        Err(VaultError::WrongKey) if next.exists() => {
            let vault = Vault::open(&place, &read(&next)?).await?;
            fs::rename(&next, &path)?;
            Ok(vault)
        }
        vault => Ok(vault?),
    }
}

/// Refuses keys of a backup that the master key does not open, and makes none where it is missing;
/// answers which vault they are of.
pub fn check(settings: &Settings, keys: &[Row]) -> anyhow::Result<String> {
    let key = if let Some(key) = &settings.master_key {
        from_hex(&key.0)
            .with_context(|| format!("RAPPORT_MASTER_KEY must be 64 hex digits; {MAKE_ONE}"))?
    } else {
        let path = settings.data_dir.join("master.key");
        ensure!(
            path.exists(),
            "a backup never has the master key: set RAPPORT_MASTER_KEY to that of the lost system, \
             or put its master.key into {}",
            settings.data_dir.display()
        );
        read(&path)?
    };
    vault::check(keys, &key)?;
    Ok(vault::identity_of(keys, &key)?)
}

/// Wraps every key with a new master key; tells how many there were. Processes of a cluster that still
/// run make no key any more until they are started again; a process on files must have been stopped.
pub async fn rotate(settings: &Settings) -> anyhow::Result<usize> {
    let embedded = settings.nats_url.is_none();
    let _lock = embedded.then(|| lock(&settings.data_dir)).transpose()?;
    let vault = open_vault(settings).await?;
    ensure!(
        vault.is_made(),
        "there is no vault of keys here: nothing is wrapped"
    );
    if settings.master_key.is_some() {
        let new = std::env::var("RAPPORT_NEW_MASTER_KEY");
        let new =
            new.with_context(|| format!("set RAPPORT_NEW_MASTER_KEY to the new key; {MAKE_ONE}"))?;
        let new = from_hex(new.trim()).context("RAPPORT_NEW_MASTER_KEY must be 64 hex digits")?;
        return Ok(vault.rotate(&new).await?);
    }
    let (path, next) = files(settings)?;
    if next.exists() {
        fs::remove_file(&next)?;
    }
    let new = fresh()?;
    // Kept before it is used: a crash in between leaves both, and one of them opens the vault.
    write_new(&next, &new)?;
    let count = vault.rotate(&new).await?;
    fs::rename(&next, &path)?;
    Ok(count)
}

fn files(settings: &Settings) -> anyhow::Result<(PathBuf, PathBuf)> {
    let folder = data_dir(settings)?;
    Ok((folder.join("master.key"), folder.join("master.key.next")))
}

fn fresh() -> anyhow::Result<Key> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).context("no randomness")?;
    Ok(key)
}

fn write_new(path: &Path, key: &Key) -> anyhow::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = file.with_context(|| format!("{} cannot be made", path.display()))?;
    file.write_all(hex::encode(key).as_bytes())?;
    Ok(file.sync_all()?)
}

fn read(path: &Path) -> anyhow::Result<Key> {
    let text =
        fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    from_hex(text.trim()).with_context(|| {
        format!(
            "{} must hold 64 hex digits; restore it from your backup",
            path.display()
        )
    })
}

fn from_hex(text: &str) -> anyhow::Result<Key> {
    let key = hex::decode(text)?;
    let Ok(key) = key.try_into() else {
        bail!("it has the wrong length")
    };
    Ok(key)
}
