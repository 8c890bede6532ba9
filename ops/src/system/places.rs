//! What every process works with, opened by its settings: the log, its archive, the read models and
//! the data folder.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use commands::clock::Clock;
use commands::vault;
use journal::archive::Archive;
use journal::nats::{NatsJournal, NatsOptions, SigningKey};
use journal::sqlite::SqliteJournal;
use journal::vault::Vault;
use journal::{Backend, Journal};
use projections::db::Db;
use projections::registry::Registry;

use crate::master;
use crate::settings::{Database, Settings};
use crate::unfinished::Unfinished;

/// The vault's secret behind the hashes that keep phones and emails unique.
pub(super) const UNIQUE: &str = "unique";

/// What a process opens the log for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To work with the log that is there, and to leave what holds it as it is. In NATS none is made; a
    /// file is, where nothing is yet.
    Look,
    /// The same; streams that were made with settings that we do not use any more are changed.
    Use,
    /// To begin, where nothing is yet.
    Begin,
}

/// The log, with the keys that open it: refused where the two do not belong together.
pub(super) async fn open_journal(settings: &Settings, purpose: Purpose) -> anyhow::Result<Journal> {
    let keys = master::open_vault(settings).await?;
    Unfinished::refuse(&keys).await?;
    let lost = keys.state().await?.log;
    let make = match &settings.nats_url {
        // A log that is gone is restored, and not begun anew because a process was started again.
        Some(_) => purpose == Purpose::Begin && lost.is_none(),
        None => true,
    };
    if settings.nats_url.is_none() && !settings.data_dir.join("log.db").exists() {
        ensure!(
            lost.is_none(),
            "log.db is missing from {}, and the vault of keys there is that of a log that was in use: \
             restore it from a backup, or take another folder with DATA_DIR",
            settings.data_dir.display()
        );
    }
    let opening = Opening {
        make,
        change_streams: purpose != Purpose::Look,
        identity: None,
    };
    let journal = connect(settings, keys, opening).await?;
    let begins = purpose == Purpose::Begin;
    let lost = vault::check(&journal, Clock::System.now(), begins).await?;
    if !lost.is_empty() {
        tracing::warn!(
            "the keys of {} are lost: what they seal cannot be read",
            vault::named(&lost)
        );
    }
    if !journal.vault().is_made() {
        ensure!(
            begins || settings.nats_url.is_none(),
            "there is no vault of keys yet: start a process with the role commands first"
        );
        journal.vault().make().await?;
    }
    Ok(journal)
}

/// How a log in NATS is opened.
#[derive(Debug, Clone, Default)]
pub(super) struct Opening {
    /// Made, where there is none.
    pub(super) make: bool,
    /// Its streams changed, where they were made with settings that we do not use any more.
    pub(super) change_streams: bool,
    /// The identity that a new one gets.
    pub(super) identity: Option<String>,
}

/// The log and the keys at hand, whatever they are.
pub(super) async fn connect(
    settings: &Settings,
    vault: Vault,
    opening: Opening,
) -> anyhow::Result<Journal> {
    let Some(url) = &settings.nats_url else {
        let path = data_dir(settings)?.join("log.db");
        let journal = SqliteJournal::open(&path)
            .with_context(|| format!("the event log {}", path.display()))?;
        return known(Journal::new(Backend::Sqlite(journal), vault)).await;
    };
    let options = NatsOptions {
        partitions: settings.partitions,
        replicas: settings.replicas.into(),
        allow_lazy_sync: settings.allow_lazy_sync,
        monitor_url: settings.nats_monitor_url.clone(),
        identity: opening.identity,
        make: opening.make,
        change_streams: opening.change_streams,
        signing_key: signing_key(settings)?,
        ..NatsOptions::new(&url.0)
    };
    let journal = NatsJournal::connect(options)
        .await
        .context("the event log in NATS (NATS_URL)")?;
    known(Journal::new(Backend::Nats(journal), vault)).await
}

/// The log, knowing what of it is in quarantine.
async fn known(journal: Journal) -> anyhow::Result<Journal> {
    journal.learn_quarantine().await?;
    Ok(journal)
}

/// The key of the role `commands`: whoever does not have it cannot append.
fn signing_key(settings: &Settings) -> anyhow::Result<Option<SigningKey>> {
    let Some(key) = &settings.signing_key else {
        return Ok(None);
    };
    let mut seed = [0; 32];
    hex::decode_to_slice(key.0.trim(), &mut seed).context(
        "RAPPORT_SIGNING_KEY must be 64 hex digits; make one with: openssl rand -hex 32",
    )?;
    Ok(Some(SigningKey::try_new(&seed)?))
}

/// The archive at `ARCHIVE_URL`, or beside the read models.
pub(super) async fn open_archive(settings: &Settings) -> anyhow::Result<Archive> {
    Archive::open(archive_url(settings)?)
        .await
        .context("the archive (ARCHIVE_URL)")
}

/// Where the archive is.
pub(super) fn archive_url(settings: &Settings) -> anyhow::Result<&str> {
    match (&settings.archive_url, &settings.database_url) {
        (Some(url), _) | (None, Some(Database::Postgres(url))) => Ok(&url.0),
        (None, Some(Database::Sqlite(_)) | None) => bail!(
            "the archive is in PostgreSQL or KurrentDB: set ARCHIVE_URL to postgres://… or \
             kurrentdb://…, or DATABASE_URL to postgres://…"
        ),
    }
}

/// The read models' registry, at `DATABASE_URL` or in a file.
pub(super) async fn open_registry(settings: &Settings) -> anyhow::Result<Registry> {
    let db = match &settings.database_url {
        Some(Database::Postgres(url)) => Db::postgres(&url.0),
        Some(Database::Sqlite(path)) => Db::sqlite(path),
        None => Db::sqlite(&data_dir(settings)?.join("views.db")),
    };
    Registry::open(db.context("DATABASE_URL")?)
        .await
        .context("the read models (DATABASE_URL)")
}

/// The data folder, made where there is none.
pub(crate) fn data_dir(settings: &Settings) -> anyhow::Result<&Path> {
    let path = settings.data_dir.as_path();
    fs::create_dir_all(path)
        .with_context(|| format!("DATA_DIR {} cannot be made", path.display()))?;
    Ok(path)
}

/// The folder of backups, where one is named: made where it is missing, and written to once, so that a
/// wrong one is known at the start and not at the first erasure.
pub(crate) fn check_backup_dir(settings: &Settings) -> anyhow::Result<()> {
    let Some(folder) = &settings.backup_dir else {
        return Ok(());
    };
    let probe = folder.join(format!(".rapport-{}", std::process::id()));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&probe, b""))
        .and_then(|()| fs::remove_file(&probe))
        .with_context(|| format!("BACKUP_DIR {} cannot be written to", folder.display()))
}

/// The data folder, for this process alone.
pub(crate) fn lock(data_dir: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(data_dir)
        .with_context(|| format!("DATA_DIR {} cannot be made", data_dir.display()))?;
    let file = File::create(data_dir.join("lock"))
        .with_context(|| format!("{} cannot be written", data_dir.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another rapport runs on {}: stop it, or choose another folder with DATA_DIR",
            data_dir.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).context("the data folder cannot be locked"),
    }
}
