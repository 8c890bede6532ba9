//! What every process works with, opened by its settings: the log, its archive, the read models and
//! the data folder.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context as _, bail};
use journal::archive::Archive;
use journal::nats::{NatsJournal, NatsOptions};
use journal::sqlite::SqliteJournal;
use journal::{Backend, Journal};
use projections::db::Db;
use projections::registry::Registry;

use crate::master;
use crate::settings::{Database, Settings};

/// The vault's secret behind the hashes that keep phones and emails unique.
pub(super) const UNIQUE: &str = "unique";

/// What whoever opens the log may do to what holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// Leaves it as it is.
    Keeps,
    /// Changes streams that were made with settings that we do not use any more.
    Changes,
}

/// The log, with the keys that open it.
pub(super) async fn open_journal(settings: &Settings, holding: Holding) -> anyhow::Result<Journal> {
    open_journal_as(settings, holding, None).await
}

/// The same; a new log gets this identity.
pub(super) async fn open_journal_as(
    settings: &Settings,
    holding: Holding,
    identity: Option<String>,
) -> anyhow::Result<Journal> {
    let vault = master::open_vault(settings).await?;
    let Some(url) = &settings.nats_url else {
        let path = data_dir(settings)?.join("log.db");
        let journal = SqliteJournal::open(&path)
            .with_context(|| format!("the event log {}", path.display()))?;
        return Ok(Journal::new(Backend::Sqlite(journal), vault));
    };
    let options = NatsOptions {
        partitions: settings.partitions,
        replicas: settings.replicas.into(),
        allow_lazy_sync: settings.allow_lazy_sync,
        monitor_url: settings.nats_monitor_url.clone(),
        identity,
        change_streams: holding == Holding::Changes,
        ..NatsOptions::new(&url.0)
    };
    let journal = NatsJournal::connect(options)
        .await
        .context("the event log in NATS (NATS_URL)")?;
    Ok(Journal::new(Backend::Nats(journal), vault))
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
pub(super) fn lock(data_dir: &Path) -> anyhow::Result<File> {
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
