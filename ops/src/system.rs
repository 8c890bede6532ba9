//! The parts of a process, put together by its settings and roles.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use commands::clock::{Clock, fresh_id};
use commands::contacts::Contacts;
use commands::desk::{self, Desk};
use commands::http::answer::Acknowledged;
use commands::http::api::{self, Api};
use commands::keys::Keys;
use commands::numbers::Allocator;
use commands::origin::Origin;
use commands::policies;
use commands::policies::erasure::DestroyKeys;
use commands::policies::transfer::OpenSales;
use gateways::ai;
use gateways::ai::settings::AiSettings;
use gateways::analysis::Analyses;
use gateways::automation::Automatic;
use gateways::webhooks::Service as Webhooks;
use gateways::webhooks::address::Allowed;
use gateways::webhooks::call::{CallSettings, Caller};
use jiff::SignedDuration;
use journal::archive::Archive;
use journal::memory::MemoryJournal;
use journal::nats::{NatsJournal, NatsOptions};
use journal::sqlite::SqliteJournal;
use journal::vault::Row;
use journal::{Backend, Journal};
use projections::db::Db;
use projections::follower::Follower;
use projections::progress::Progress;
use projections::registry::Registry;
use projections::ticker::Ticker;
use projections::views::Views;
use tokio::task::JoinSet;

use crate::backup::noting::NoteErasures;
use crate::cli::RoleOf;
use crate::master;
use crate::settings::{Database, Settings};

/// The vault's secret behind the hashes that keep phones and emails unique.
const UNIQUE: &str = "unique";

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
        choose_tls(settings).await;
        let journal = open_journal(settings).await?;
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
        let journal = open_journal_as(settings, Some(identity.clone())).await?;
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

/// A process and its roles.
pub struct System {
    /// What the write routes work with.
    pub api: Api,
    /// What the read routes work with.
    pub views: Views,
    /// Analyses leads.
    pub analyses: Analyses,
    /// Who holds which key.
    pub keys: Keys,
    /// The log.
    pub journal: Journal,
    roles: Vec<RoleOf>,
    follower: Arc<Follower>,
    archive: Option<Archive>,
    webhooks: CallSettings,
    backup_dir: Option<PathBuf>,
    /// Held as long as the process lives: two processes must not share a data folder.
    _lock: Option<File>,
}

impl System {
    /// Puts a process together.
    pub async fn open(settings: &Settings, roles: &[RoleOf]) -> anyhow::Result<Self> {
        let embedded = settings.nats_url.is_none();
        ensure!(
            !embedded || RoleOf::EMBEDDED.iter().all(|role| roles.contains(role)),
            "without NATS_URL one process does everything: leave --role away, or set NATS_URL"
        );
        let lock = embedded.then(|| lock(&settings.data_dir)).transpose()?;
        let journal = open_journal(settings).await?;
        let secret = journal.vault().secret(UNIQUE).await?;
        let desk = desk_for(&journal, roles)?;
        let api = Api::new(desk.clone(), settings.api(), &secret);
        // What was acknowledged before this process began must be read from it too.
        journal
            .heads()
            .await?
            .into_iter()
            .for_each(|head| api.acknowledged.tell(head));
        let registry = open_registry(settings).await?;
        let progress = Progress::default();
        let me = if embedded {
            "embedded".to_owned()
        } else {
            fresh_id().to_string()
        };
        let screens = projections::screens();
        let follower = Follower::new(
            journal.clone(),
            registry.clone(),
            screens,
            progress.clone(),
            Clock::System,
            me,
        );
        follower.check().await?;
        let analyst = ai::from_settings(&settings.ai());
        let ttl = SignedDuration::from_secs(settings.ai_cache_ttl.into());
        Ok(Self {
            analyses: Analyses::new(desk.clone(), analyst, ttl),
            views: Views::new(registry, progress),
            keys: Keys::new(desk.clone(), Allocator::new(desk)),
            follower: Arc::new(follower),
            archive: if roles.contains(&RoleOf::Archive) {
                Some(open_archive(settings).await?)
            } else {
                None
            },
            webhooks: settings.webhooks(),
            backup_dir: settings.backup_dir.clone(),
            roles: roles.to_vec(),
            journal,
            api,
            _lock: lock,
        })
    }

    /// A system over an empty log in memory, to describe its routes.
    pub async fn for_description() -> anyhow::Result<Self> {
        let journal = Journal::from(MemoryJournal::new());
        let desk = Desk::local(journal.clone(), Clock::System);
        let db = Db::sqlite(Path::new(":memory:"))?;
        let (registry, progress) = (Registry::open(db).await?, Progress::default());
        let follower = Follower::new(
            journal.clone(),
            registry.clone(),
            projections::screens(),
            progress.clone(),
            Clock::System,
            "none",
        );
        Ok(Self {
            analyses: Analyses::new(
                desk.clone(),
                ai::from_settings(&AiSettings::default()),
                SignedDuration::ZERO,
            ),
            views: Views::new(registry, progress),
            keys: Keys::new(desk.clone(), Allocator::new(desk.clone())),
            follower: Arc::new(follower),
            archive: None,
            webhooks: CallSettings::default(),
            backup_dir: None,
            roles: Vec::new(),
            api: Api::new(desk, api::Settings::default(), &[]),
            journal,
            _lock: None,
        })
    }

    /// What callers of this process were told.
    pub fn acknowledged(&self) -> Acknowledged {
        self.api.acknowledged.clone()
    }

    /// Which addresses webhooks may call.
    pub fn allowed(&self) -> Allowed {
        Allowed::with(self.webhooks.allowed_networks.clone())
    }

    /// Starts what the roles do beside HTTP, until the set is dropped.
    pub fn start(&self) -> anyhow::Result<JoinSet<()>> {
        let mut tasks = JoinSet::new();
        let (desk, journal) = (self.api.desk.clone(), self.journal.clone());
        if self.plays(RoleOf::Commands) {
            tasks.spawn(policies::run(
                OpenSales::new(desk.clone()),
                journal.clone(),
                Clock::System,
            ));
            let vault = journal.vault().clone();
            tasks.spawn(policies::run(
                DestroyKeys::new(vault),
                journal.clone(),
                Clock::System,
            ));
            let ticker = Ticker::new(desk.clone(), self.views.clone(), Clock::System);
            tasks.spawn(ticker.run());
            if let Some(folder) = self.backup_dir.clone() {
                let noting = NoteErasures::new(folder);
                tasks.spawn(policies::run(noting, journal.clone(), Clock::System));
            }
            if let Backend::Nats(nats) = journal.backend() {
                tasks.spawn(answer_asks(desk.clone(), nats.client().clone()));
            }
        }
        if self.plays(RoleOf::Projections) {
            let follower = Arc::clone(&self.follower);
            tasks.spawn(async move { follower.run().await });
        }
        if let Some(archive) = self.archive.clone() {
            let journal = journal.clone();
            tasks.spawn(async move { archive.copy(&journal).await });
        }
        if self.plays(RoleOf::GatewayAi) {
            let automatic = Automatic::new(self.api.clone(), self.analyses.clone());
            tasks.spawn(policies::run(automatic, journal.clone(), Clock::System));
        }
        if self.plays(RoleOf::GatewayWebhooks) {
            let caller = Caller::try_new(journal, Clock::System, self.webhooks.clone());
            let caller = caller.context("the HTTP client of webhooks")?;
            tasks.spawn(Webhooks::new(desk, self.views.clone(), caller).run());
        }
        Ok(tasks)
    }

    /// Whether this process has a role.
    pub fn plays(&self, role: RoleOf) -> bool {
        self.roles.contains(&role)
    }

    /// Lets other processes go on at once.
    pub async fn stop(&self) {
        self.follower.give_back().await;
    }
}

async fn answer_asks(desk: Desk, client: async_nats::Client) {
    if let Err(error) = desk::serve(desk, client).await {
        tracing::error!(%error, "commands of other processes are not answered any more");
    }
}

fn desk_for(journal: &Journal, roles: &[RoleOf]) -> anyhow::Result<Desk> {
    match journal.backend() {
        Backend::Nats(nats) if !roles.contains(&RoleOf::Commands) => Ok(Desk::remote(
            nats.client().clone(),
            journal.clone(),
            Clock::System,
        )),
        Backend::Nats(_) | Backend::Sqlite(_) => Ok(Desk::local(journal.clone(), Clock::System)),
        Backend::Memory(_) => bail!("a log in memory is for tests"),
    }
}

async fn open_journal(settings: &Settings) -> anyhow::Result<Journal> {
    open_journal_as(settings, None).await
}

/// A new log gets this identity.
async fn open_journal_as(settings: &Settings, identity: Option<String>) -> anyhow::Result<Journal> {
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
        ..NatsOptions::new(&url.0)
    };
    let journal = NatsJournal::connect(options)
        .await
        .context("the event log in NATS (NATS_URL)")?;
    Ok(Journal::new(Backend::Nats(journal), vault))
}

/// The archive at `ARCHIVE_URL`, or beside the read models.
async fn open_archive(settings: &Settings) -> anyhow::Result<Archive> {
    Archive::open(archive_url(settings)?)
        .await
        .context("the archive (ARCHIVE_URL)")
}

/// Chooses how a process that may need the archive does TLS, before anything connects: by ring,
/// unless the archive's client insists on another.
pub async fn choose_tls(settings: &Settings) {
    if let Ok(url) = archive_url(settings) {
        Archive::go_first(url).await;
    }
    gateways::tls::use_ring();
}

fn archive_url(settings: &Settings) -> anyhow::Result<&str> {
    match (&settings.archive_url, &settings.database_url) {
        (Some(url), _) | (None, Some(Database::Postgres(url))) => Ok(&url.0),
        (None, Some(Database::Sqlite(_)) | None) => bail!(
            "the archive is in PostgreSQL or KurrentDB: set ARCHIVE_URL to postgres://… or \
             kurrentdb://…, or DATABASE_URL to postgres://…"
        ),
    }
}

async fn open_registry(settings: &Settings) -> anyhow::Result<Registry> {
    let db = match &settings.database_url {
        Some(Database::Postgres(url)) => Db::postgres(&url.0),
        Some(Database::Sqlite(path)) => Db::sqlite(path),
        None => Db::sqlite(&data_dir(settings)?.join("views.db")),
    };
    Registry::open(db.context("DATABASE_URL")?)
        .await
        .context("the read models (DATABASE_URL)")
}

pub(crate) fn data_dir(settings: &Settings) -> anyhow::Result<&Path> {
    let path = settings.data_dir.as_path();
    fs::create_dir_all(path)
        .with_context(|| format!("DATA_DIR {} cannot be made", path.display()))?;
    Ok(path)
}

fn lock(data_dir: &Path) -> anyhow::Result<File> {
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
