//! What the tools work with: the log without roles, a place that is filled, and a vault that is mended.

use std::fs::File;

use anyhow::{Context as _, bail, ensure};
use commands::clock::{Clock, fresh_id};
use commands::contacts::Contacts;
use commands::desk::Desk;
use commands::keys::Keys;
use commands::numbers::Allocator;
use commands::origin::Origin;
use journal::archive::Archive;
use journal::nats::Refusal;
use journal::vault::Vault;
use journal::{Journal, JournalError};
use projections::follower::Follower;
use projections::progress::Progress;
use projections::registry::Registry;

use super::choose_tls;
use super::places::{
    Opening, Purpose, UNIQUE, connect, lock, open_archive, open_journal, open_registry,
};
use crate::master;
use crate::settings::{Database, Settings};
use crate::unfinished::Unfinished;

/// What a tool needs: the log, and a desk over it.
pub struct Tools {
    /// The log.
    pub journal: Journal,
    desk: Desk,
    settings: Settings,
}

impl Tools {
    /// Opens the log that is there.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        Self::open_for(settings, Purpose::Use).await
    }

    /// Opens the log to look at it: what holds it stays as it is.
    pub async fn look(settings: &Settings) -> anyhow::Result<Self> {
        Self::open_for(settings, Purpose::Look).await
    }

    /// Opens the log, and makes it where nothing is yet.
    pub async fn begin(settings: &Settings) -> anyhow::Result<Self> {
        Self::open_for(settings, Purpose::Begin).await
    }

    async fn open_for(settings: &Settings, purpose: Purpose) -> anyhow::Result<Self> {
        choose_tls(settings).await;
        let journal = open_journal(settings, purpose).await?;
        Ok(Self::over(journal, settings))
    }

    fn over(journal: Journal, settings: &Settings) -> Self {
        Self {
            desk: Desk::local(journal.clone(), Clock::System),
            journal,
            settings: settings.clone(),
        }
    }

    /// The keys.
    pub fn keys(&self) -> Keys {
        Keys::new(self.desk.clone(), Allocator::new(self.desk.clone()))
    }

    /// The desk over the log.
    pub const fn desk(&self) -> &Desk {
        &self.desk
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

    /// Opens a log that is lost, and makes it with the identity of its archive; it is marked as
    /// unfinished.
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
        let vault = master::open_vault(settings).await?;
        // One that does not answer is told before anything is marked.
        drop(log_if_any(settings, vault.clone()).await?);
        let restoring = Unfinished {
            what: format!("the restore of {identity} from its archive"),
            go_on: "rapport events restore".into(),
        };
        if !restoring.goes_on(&vault).await? {
            restoring.begin(&vault).await?;
        }
        let opening = Opening {
            identity: Some(identity.clone()),
            ..filling()
        };
        let journal = connect(settings, vault, opening).await?;
        if journal.identity() != identity {
            // Nothing was touched.
            journal.vault().finished().await?;
            bail!(
                "this log is {}, and the archive is a copy of {identity}: restore into an empty NATS",
                journal.identity()
            );
        }
        Ok((Self::over(journal, settings), archive))
    }

    /// Refuses a place where something has happened.
    pub async fn check_empty(&self) -> anyhow::Result<()> {
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

/// A place that is filled by a restore or an import, and held meanwhile.
pub struct Filling {
    /// Its log.
    pub tools: Tools,
    /// Whether an earlier try has begun with it.
    pub goes_on: bool,
    _lock: Option<File>,
}

impl Filling {
    /// Opens a place, whatever is in it; refuses one where something else was begun.
    pub async fn open(settings: &Settings, what: &Unfinished) -> anyhow::Result<Self> {
        choose_tls(settings).await;
        let embedded = settings.nats_url.is_none();
        let lock = embedded.then(|| lock(&settings.data_dir)).transpose()?;
        let vault = master::open_vault(settings).await?;
        let goes_on = what.goes_on(&vault).await?;
        let journal = connect(settings, vault, filling()).await?;
        Ok(Self {
            tools: Tools::over(journal, settings),
            goes_on,
            _lock: lock,
        })
    }
}

/// The vault and its log as they are, to mend the vault.
pub struct Mending {
    /// Its log; none where there is none yet.
    pub tools: Option<Tools>,
    /// The vault, which may be none.
    pub vault: Vault,
    _lock: Option<File>,
}

impl Mending {
    /// Opens what is there; nobody else works on it where it is in files.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        choose_tls(settings).await;
        let embedded = settings.nats_url.is_none();
        let lock = embedded.then(|| lock(&settings.data_dir)).transpose()?;
        let vault = master::open_vault(settings).await?;
        Unfinished::refuse(&vault).await?;
        let there = !embedded || settings.data_dir.join("log.db").exists();
        let tools = if there {
            log_if_any(settings, vault.clone()).await?
        } else {
            None
        };
        Ok(Self {
            tools,
            vault,
            _lock: lock,
        })
    }
}

async fn log_if_any(settings: &Settings, vault: Vault) -> anyhow::Result<Option<Tools>> {
    match connect(settings, vault, Opening::default()).await {
        Ok(journal) => Ok(Some(Tools::over(journal, settings))),
        Err(error) => {
            if error.chain().any(says_no_log) {
                Ok(None)
            } else {
                Err(error)
            }
        }
    }
}

fn says_no_log(cause: &(dyn std::error::Error + 'static)) -> bool {
    let Some(JournalError::Unavailable(source)) = cause.downcast_ref() else {
        return false;
    };
    matches!(source.downcast_ref(), Some(Refusal::NoLog { .. }))
}

/// What is filled is made.
const fn filling() -> Opening {
    Opening {
        make: true,
        change_streams: true,
        identity: None,
    }
}
