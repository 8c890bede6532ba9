//! The parts of a process, put together by its settings and roles.
//!
//! - here: a process and what it does
//! - [`copies`]: the copies of the log in NATS, watched
//! - `disk`: whether there is room
//! - [`places`]: the log, its archive and the read models, opened
//! - [`tools`]: what a command works with that is no such process

pub mod copies;
mod disk;
pub mod places;
pub mod tools;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use commands::clock::{Clock, fresh_id};
use commands::desk::{self, Desk};
use commands::http::answer::Acknowledged;
use commands::http::api::{self, Api};
use commands::keys::Keys;
use commands::numbers::Allocator;
use commands::policies;
use commands::policies::erasure::DestroyKeys;
use commands::policies::transfer::OpenSales;
use commands::vault;
use gateways::ai;
use gateways::ai::settings::AiSettings;
use gateways::analysis::Analyses;
use gateways::automation::Automatic;
use gateways::webhooks::Service as Webhooks;
use gateways::webhooks::address::Allowed;
use gateways::webhooks::call::{CallSettings, Caller};
use jiff::SignedDuration;
use journal::archive::Archive;
use journal::health::{Health, supervised};
use journal::memory::MemoryJournal;
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
use crate::settings::Settings;
use copies::Copies;
use places::{
    Purpose, UNIQUE, archive_url, check_backup_dir, lock, open_archive, open_journal, open_registry,
};

/// How old the gauges of standing still may be.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

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
    /// How its copies in NATS are.
    pub copies: Copies,
    roles: Vec<RoleOf>,
    follower: Arc<Follower>,
    archive: Option<Archive>,
    webhooks: CallSettings,
    backup_dir: Option<PathBuf>,
    /// Where files are kept on this machine; a process of a cluster may have none.
    data_dir: Option<PathBuf>,
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
        check_backup_dir(settings)?;
        let lock = embedded.then(|| lock(&settings.data_dir)).transpose()?;
        let purpose = if roles.contains(&RoleOf::Commands) {
            Purpose::Begin
        } else {
            Purpose::Look
        };
        // Whoever decides nothing signs nothing, whatever is set.
        let signs = roles.contains(&RoleOf::Commands);
        let signing_key = settings.signing_key.clone().filter(|_| signs);
        let signing = Settings {
            signing_key,
            ..settings.clone()
        };
        let journal = open_journal(&signing, purpose).await?;
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
            data_dir: settings
                .data_dir
                .exists()
                .then(|| settings.data_dir.clone()),
            roles: roles.to_vec(),
            copies: Copies::default(),
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
            data_dir: None,
            roles: Vec::new(),
            copies: Copies::default(),
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
        tasks.spawn(measure_health(journal.health().clone()));
        if let Backend::Nats(nats) = journal.backend() {
            let copies = self.copies.clone();
            tasks.spawn(copies.watch(nats.clone(), journal.health().clone()));
        }
        let folders = [self.data_dir.clone(), self.backup_dir.clone()];
        for folder in folders.into_iter().flatten() {
            tasks.spawn(disk::watch(journal.health().clone(), folder));
        }
        if self.plays(RoleOf::Commands) {
            let sales = OpenSales::new(desk.clone());
            tasks.spawn(policies::run(sales, desk.clone(), Clock::System));
            tasks.spawn(vault::watch(journal.clone()));
            let keys = DestroyKeys::new(desk.clone());
            tasks.spawn(policies::run(keys, desk.clone(), Clock::System));
            let ticker = Ticker::new(desk.clone(), self.views.clone(), Clock::System);
            tasks.spawn(ticker.run());
            if let Some(folder) = self.backup_dir.clone() {
                let noting = NoteErasures::new(folder);
                tasks.spawn(policies::run(noting, desk.clone(), Clock::System));
            }
            if let Backend::Nats(nats) = journal.backend() {
                tasks.spawn(desk::serve(desk.clone(), nats.client().clone()));
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
            tasks.spawn(policies::run(automatic, desk.clone(), Clock::System));
        }
        if self.plays(RoleOf::GatewayWebhooks) {
            let caller = Caller::try_new(desk.clone(), Clock::System, self.webhooks.clone());
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

/// Also where nobody reads `/metrics`, because metrics are sent elsewhere.
async fn measure_health(health: Health) {
    supervised(health.part("health"), |part| {
        let health = health.clone();
        async move {
            loop {
                part.works();
                health.measure();
                tokio::time::sleep(MEASURE_EVERY).await;
            }
        }
    })
    .await;
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

/// Chooses how a process that may need the archive does TLS, before anything connects: by ring,
/// unless the archive's client insists on another.
pub async fn choose_tls(settings: &Settings) {
    if let Ok(url) = archive_url(settings) {
        Archive::go_first(url).await;
    }
    gateways::tls::use_ring();
}
