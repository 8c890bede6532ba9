//! A whole Rapport of real processes, on either profile, and what may be asked of it.
//!
//! - here: how it is started, and what it is made of
//! - `asking`: requests over HTTP
//! - `program`: commands of the program beside the processes
//! - `given`: what stories begin with

mod asking;
mod given;
mod program;

use reqwest::RequestBuilder;
use serde_json::Value;

use crate::dice::Dice;
use crate::process::{Environment, Rapport};
use crate::servers::{Folder, NatsServer, Postgres, Proxy};

/// A whole Rapport with one API key of the role owner.
pub struct Crm {
    // Dropped in this order: first those who use, then those who are used.
    processes: Vec<Rapport>,
    proxies: Option<(Proxy, Proxy)>,
    nats: Option<NatsServer>,
    postgres: Option<Postgres>,
    environment: Environment,
    folder: Folder,
    client: reqwest::Client,
    key: String,
}

/// Of every cluster: a byte of the key that its commits are signed with.
pub const SIGNING_KEY: &str = "6b";

/// Which processes make up a cluster unless a story says otherwise.
const CLUSTER: [&str; 3] = ["commands", "projections,gateway-ai,gateway-webhooks", "api"];

impl Crm {
    /// One process, everything in files.
    pub async fn embedded() -> Self {
        Self::embedded_with(&[]).await
    }

    /// One process, everything in files, with these settings.
    pub async fn embedded_with(settings: &[(&str, &str)]) -> Self {
        let mut crm = Self::prepared(settings);
        crm.key = crm.new_key("main", "owner");
        let serve = Rapport::start("serve", crm.folder.path(), &crm.environment, &["serve"]).await;
        crm.processes.push(serve);
        crm
    }

    /// One process over an imported log and its keys, under their master key.
    ///
    /// # Panics
    ///
    /// Where the files cannot be imported.
    pub async fn embedded_from(
        log: &std::path::Path,
        keys: &std::path::Path,
        master: &str,
    ) -> Self {
        let mut crm = Self::prepared(&[("RAPPORT_MASTER_KEY", master)]);
        std::fs::copy(keys, crm.folder.path().join("keys.json")).expect("the keys can be copied");
        crm.cli_good(&["keys", "import", "keys.json"]);
        std::fs::copy(log, crm.folder.path().join("log.jsonl")).expect("the log can be copied");
        let _ = crm.cli_good(&["events", "import", "log.jsonl"]);
        // How far they were stands beside the log that was left, not in it.
        crm.policies_start_now();
        crm.key = crm.new_key("main", "owner");
        let serve = Rapport::start("serve", crm.folder.path(), &crm.environment, &["serve"]).await;
        crm.processes.push(serve);
        crm
    }

    /// A process per role, with NATS and PostgreSQL.
    pub async fn cluster() -> Self {
        Self::cluster_of(&CLUSTER, &[]).await
    }

    /// A process per role, with NATS, PostgreSQL and these settings.
    pub async fn cluster_with(settings: &[(&str, &str)]) -> Self {
        Self::cluster_of(&CLUSTER, settings).await
    }

    /// A process per list of roles, with NATS and PostgreSQL and these settings. The last one
    /// is asked, unless a story names another.
    pub async fn cluster_of(roles: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::cluster_at(roles, settings, None).await
    }

    /// The same with a proxy before NATS and one before PostgreSQL, for the processes and for
    /// every command of the program.
    pub async fn cluster_behind_proxies(
        roles: &[&str],
        settings: &[(&str, &str)],
        dice: &Dice,
    ) -> Self {
        Self::cluster_at(roles, settings, Some(dice)).await
    }

    async fn cluster_at(roles: &[&str], settings: &[(&str, &str)], dice: Option<&Dice>) -> Self {
        let mut crm = Self::prepared(settings);
        let (nats, postgres) = tokio::join!(NatsServer::start(), Postgres::start());
        let (mut log, mut views) = (nats.url(), postgres.url());
        if let Some(dice) = dice {
            let before_nats = Proxy::start(nats.port(), dice.for_place(1)).await;
            let before_postgres = Proxy::start(postgres.port(), dice.for_place(2)).await;
            log = before_nats.before(&log, nats.port());
            views = before_postgres.before(&views, postgres.port());
            crm.proxies = Some((before_nats, before_postgres));
        }
        let set = [
            ("NATS_URL", log),
            ("NATS_MONITOR_URL", nats.monitor_url()),
            ("DATABASE_URL", views),
            ("RAPPORT_MASTER_KEY", "5a".repeat(32)),
            ("RAPPORT_SIGNING_KEY", SIGNING_KEY.repeat(32)),
        ];
        crm.environment
            .extend(set.map(|(name, value)| (name.to_owned(), value)));
        (crm.nats, crm.postgres) = (Some(nats), Some(postgres));
        crm.key = crm.new_key("main", "owner");
        for (number, roles) in roles.iter().enumerate() {
            let name = format!("{number}-{}", roles.replace(',', "-"));
            let arguments = ["serve", "--role", roles];
            let started =
                Rapport::start(&name, crm.folder.path(), &crm.environment, &arguments).await;
            crm.processes.push(started);
        }
        crm
    }

    /// A process per list of roles, each as a user of this NATS; the program's commands are the user
    /// `commands`.
    pub async fn cluster_of_users(nats: NatsServer, roles: &[(&str, &str)]) -> Self {
        let mut crm = Self::prepared(&[]);
        let postgres = Postgres::start().await;
        let set = [
            ("NATS_URL", nats.url_as("commands")),
            ("NATS_MONITOR_URL", nats.monitor_url()),
            ("DATABASE_URL", postgres.url()),
            ("RAPPORT_MASTER_KEY", "5a".repeat(32)),
            ("RAPPORT_SIGNING_KEY", SIGNING_KEY.repeat(32)),
        ];
        let set = set.map(|(name, value)| (name.to_owned(), value));
        crm.environment.extend(set);
        crm.key = crm.new_key("main", "owner");
        for (roles, user) in roles {
            let mut environment = crm.environment.clone();
            environment.retain(|(name, _)| name != "NATS_URL" && name != "RAPPORT_SIGNING_KEY");
            environment.push(("NATS_URL".into(), nats.url_as(user)));
            if roles.split(',').any(|role| role == "commands") {
                environment.push(("RAPPORT_SIGNING_KEY".into(), SIGNING_KEY.repeat(32)));
            }
            let (folder, arguments) = (crm.folder.path(), ["serve", "--role", roles]);
            let started = Rapport::start(user, folder, &environment, &arguments).await;
            crm.processes.push(started);
        }
        (crm.nats, crm.postgres) = (Some(nats), Some(postgres));
        crm
    }

    /// The demo: one process, nobody needs a key.
    pub async fn demo() -> Self {
        let mut crm = Self::prepared(&[]);
        let demo = Rapport::start("demo", crm.folder.path(), &crm.environment, &["demo"]).await;
        crm.processes.push(demo);
        crm
    }

    fn prepared(settings: &[(&str, &str)]) -> Self {
        choose_tls();
        let defaults = [
            ("RATE_LIMIT_KEY", "100000000"),
            ("RATE_LIMIT_ANONYMOUS", "100000000"),
        ];
        let set = defaults.iter().chain(settings);
        Self {
            processes: Vec::new(),
            proxies: None,
            nats: None,
            postgres: None,
            environment: set
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            folder: Folder::new("crm"),
            client: reqwest::Client::new(),
            key: String::new(),
        }
    }

    /// Kills every process and loses log, vault and read models; the folder of backups, the settings
    /// and the master key are left.
    ///
    /// # Panics
    ///
    /// Where there is nothing to lose.
    pub async fn lose_everything(&mut self) {
        for process in &mut self.processes {
            process.kill_hard();
        }
        if let Some(postgres) = &mut self.postgres {
            postgres.lose_everything().await;
        }
        if let Some(nats) = &mut self.nats {
            nats.lose_everything().await;
            return;
        }
        let (data, master) = (self.folder.path().join("data"), self.master_key());
        std::fs::remove_dir_all(&data).expect("there was something");
        std::fs::create_dir(&data).expect("a folder");
        std::fs::write(data.join("master.key"), master).expect("the master key is brought back");
    }

    /// The owner's key; empty where nobody needs one.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where a process listens.
    #[must_use]
    pub fn url(&self, process: usize) -> &str {
        self.processes[process].url()
    }

    /// How many processes there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.processes.len()
    }

    /// The processes, in the order of their start.
    pub fn processes(&mut self) -> &mut [Rapport] {
        &mut self.processes
    }

    /// The process that is asked unless a story names another.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub fn last(&mut self) -> &mut Rapport {
        self.processes.last_mut().expect("a process")
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// NATS, where it has one.
    pub fn nats(&mut self) -> Option<&mut NatsServer> {
        self.nats.as_mut()
    }

    /// PostgreSQL, where it has one.
    pub fn postgres(&mut self) -> Option<&mut Postgres> {
        self.postgres.as_mut()
    }

    /// The proxies before NATS and before PostgreSQL, where there are any.
    #[must_use]
    pub const fn proxies(&self) -> Option<&(Proxy, Proxy)> {
        self.proxies.as_ref()
    }
}

/// Chooses the TLS provider, as `reqwest` without one of its own demands.
pub fn choose_tls() {
    // An error means that another test of this process did it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The request with a JSON body.
pub fn with(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request
        .header("Content-Type", "application/json")
        .body(body.to_string())
}
