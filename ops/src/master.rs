//! The master key, which wraps every other: `RAPPORT_MASTER_KEY`, or a private file in the data
//! folder, made there where it is missing.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use journal::vault::{self, Row, Vault, VaultError};

use crate::settings::{Database, Settings};
use crate::system::places::data_dir;

type Key = [u8; 32];

const MAKE_ONE: &str = "make one with: openssl rand -hex 32";

/// Opens the vault with the master key.
pub async fn open_vault(settings: &Settings) -> anyhow::Result<Vault> {
    if let Some(key) = &settings.master_key {
        let key = from_hex(&key.0)
            .with_context(|| format!("RAPPORT_MASTER_KEY must be 64 hex digits; {MAKE_ONE}"))?;
        return Ok(open(settings, &key).await?);
    }
    ensure!(
        settings.nats_url.is_none(),
        "RAPPORT_MASTER_KEY must be set: every process of a cluster needs the same; {MAKE_ONE}"
    );
    let (path, next) = files(settings)?;
    if !path.exists() {
        write_new(&path, &fresh()?)?;
    }
    match open(settings, &read(&path)?).await {
        // A rotation that was interrupted after the keys were wrapped anew.
        Err(VaultError::WrongKey) if next.exists() => {
            let vault = open(settings, &read(&next)?).await?;
            fs::rename(&next, &path)?;
            Ok(vault)
        }
        vault => Ok(vault?),
    }
}

/// Refuses keys of a backup that the master key does not open, and makes none where it is missing.
pub fn check(settings: &Settings, keys: &[Row]) -> anyhow::Result<()> {
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
    Ok(vault::check(keys, &key)?)
}

/// Wraps every key with a new master key; tells how many there were.
pub async fn rotate(settings: &Settings) -> anyhow::Result<usize> {
    let vault = open_vault(settings).await?;
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

async fn open(settings: &Settings, master: &Key) -> Result<Vault, VaultError> {
    match &settings.database_url {
        Some(Database::Postgres(url)) => Vault::postgres(&url.0, master).await,
        Some(Database::Sqlite(_)) | None => {
            let folder = data_dir(settings)
                .map_err(|error| VaultError::Unavailable(format!("{error:#}")))?;
            Vault::sqlite(&folder.join("vault.db"), master).await
        }
    }
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
