//! What the tools work with: the log without roles, and an empty place for a restore.

use std::fs::File;

use anyhow::{Context as _, ensure};
use commands::clock::{Clock, fresh_id};
use commands::contacts::Contacts;
use commands::desk::Desk;
use commands::keys::Keys;
use commands::numbers::Allocator;
use commands::origin::Origin;
use journal::Journal;
use journal::archive::Archive;
use journal::vault::Row;
use projections::follower::Follower;
use projections::progress::Progress;
use projections::registry::Registry;

use super::choose_tls;
use super::places::{
    Holding, UNIQUE, lock, open_archive, open_journal, open_journal_as, open_registry,
};
use crate::master;
use crate::settings::{Database, Settings};

/// What a tool needs: the log, and a desk over it.
pub struct Tools {
    /// The log.
    pub journal: Journal,
    desk: Desk,
    settings: Settings,
}

impl Tools {
    /// Opens the log.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        Self::open_holding(settings, Holding::Changes).await
    }

    /// Opens the log to look at it: what holds it stays as it is.
    pub async fn look(settings: &Settings) -> anyhow::Result<Self> {
        Self::open_holding(settings, Holding::Keeps).await
    }

    async fn open_holding(settings: &Settings, holding: Holding) -> anyhow::Result<Self> {
        choose_tls(settings).await;
        let journal = open_journal(settings, holding).await?;
        let desk = Desk::local(journal.clone(), Clock::System);
        Ok(Self {
            journal,
            desk,
            settings: settings.clone(),
        })
    }

    /// The keys.
    pub fn keys(&self) -> Keys {
        Keys::new(self.desk.clone(), Allocator::new(self.desk.clone()))
    }

    /// Whoever sits at this terminal.
    pub fn origin(&self) -> Origin {
        Origin::new(self.settings.workspace.clone(), "cli")
    }

    /// Contacts, with what keeps their phones and emails unique.
    pub async fn contacts(&self) -> anyhow::Result<Contacts> {
        let secret = self.journal.vault().secret(UNIQUE).await?;
        Ok(Contacts::new(
            self.desk.clone(),
            Allocator::new(self.desk.clone()),
            &secret,
        ))
    }

    /// The copy of the log.
    pub async fn archive(&self) -> anyhow::Result<Archive> {
        open_archive(&self.settings).await
    }

    /// Opens a log that is lost, and makes it with the identity of its archive.
    pub async fn open_lost(settings: &Settings) -> anyhow::Result<(Self, Archive)> {
        ensure!(
            settings.nats_url.is_some(),
            "a lost log in NATS is restored: set NATS_URL; a file is restored from its backup"
        );
        choose_tls(settings).await;
        let archive = open_archive(settings).await?;
        let identity = archive
            .identity()
            .await?
            .context("the archive is empty: there is nothing to restore")?;
        let journal = open_journal_as(settings, Holding::Changes, Some(identity.clone())).await?;
        ensure!(
            journal.identity() == identity,
            "this log is {}, and the archive is a copy of {identity}: restore into an empty NATS",
            journal.identity()
        );
        let desk = Desk::local(journal.clone(), Clock::System);
        Ok((
            Self {
                journal,
                desk,
                settings: settings.clone(),
            },
            archive,
        ))
    }

    /// Whether nothing has ever happened here.
    async fn check_empty(&self) -> anyhow::Result<()> {
        let heads = self.journal.heads().await?;
        let commits: u64 = heads.iter().map(|head| head.sequence).sum();
        ensure!(
            commits == 0,
            "the log here holds {commits} commits: a backup is restored into an empty one"
        );
        ensure!(
            !self.journal.vault().is_used().await?,
            "the vault here holds keys: a backup is restored into an empty one. If it is the vault of \
             the lost log, keep it, and rapport events import the backup's log file"
        );
        ensure!(
            self.registry().await?.generations().await?.is_empty(),
            "the read models here are of another log: a backup is restored into an empty database"
        );
        Ok(())
    }

    /// Whether there are read models to compare with: on a server that is named, or in a file.
    pub fn has_read_models(&self) -> bool {
        match &self.settings.database_url {
            Some(Database::Postgres(_)) => true,
            Some(Database::Sqlite(path)) => path.exists(),
            None => self.settings.data_dir.join("views.db").exists(),
        }
    }

    /// The read models' registry.
    pub async fn registry(&self) -> anyhow::Result<Registry> {
        open_registry(&self.settings).await
    }

    /// A follower of its own name, for a tool that builds a read model.
    pub async fn follower(&self) -> anyhow::Result<Follower> {
        let me = format!("cli-{}", fresh_id());
        let registry = self.registry().await?;
        let screens = projections::screens();
        Ok(Follower::new(
            self.journal.clone(),
            registry,
            screens,
            Progress::default(),
            Clock::System,
            me,
        ))
    }
}

/// A place where nothing has ever happened, held for a restore.
pub struct Empty {
    /// Its log.
    pub tools: Tools,
    _lock: Option<File>,
}

impl Empty {
    /// Refuses a place where something is, and a master key that does not open these keys; touches
    /// nothing then.
    pub async fn open(settings: &Settings, keys: &[Row]) -> anyhow::Result<Self> {
        master::check(settings, keys)?;
        let embedded = settings.nats_url.is_none();
        let lock = embedded.then(|| lock(&settings.data_dir)).transpose()?;
        let tools = Tools::open(settings).await?;
        tools.check_empty().await?;
        Ok(Self { tools, _lock: lock })
    }
}
