//! What may be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::key::Role;
use gateways::webhooks::finding::Finding;
use projections::deliveries::reading::delivery_id;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use uuid::Uuid;

use crate::settings::{Secret, Settings};

/// An event-sourced CRM backend.
#[derive(Parser)]
#[command(
    name = "rapport",
    version,
    about = "An event-sourced CRM backend",
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the whole system on this machine: no server to install, no key, loopback only
    Demo(Settings),
    /// Start this process's roles; callers need an API key
    Serve(Serve),
    /// Read, move and check the event log
    #[command(subcommand)]
    Events(Events),
    /// See and rebuild the read models
    #[command(subcommand)]
    Projections(Projections),
    /// See the policies, what acts by itself on events, and say where one goes on
    #[command(subcommand)]
    Policies(Policies),
    /// API keys, and the keys of personal data
    #[command(subcommand)]
    Keys(Keys),
    /// Phones and emails, each held by the one contact that shows it
    #[command(subcommand)]
    Contacts(Contacts),
    /// Calls to other systems
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Replay history under other rules, without touching anything
    #[command(subcommand)]
    Backtest(Backtest),
    /// Forget a person for ever: the key of their data is destroyed
    Erase {
        /// Who: contact-7
        subject: String,
        #[command(flatten)]
        plain: Plain,
    },
    /// Write the log, and the keys in a file of their own, into a folder; the system may run
    Backup(Backup),
    /// Fill an empty system from a backup; who was erased since stays erased
    Restore(Restore),
    /// Check settings, log and read models, and say what is wrong
    Doctor(Doctor),
    /// Watch running processes: commands, log, requests, projections, policies
    Top(Top),
    /// Print the OpenAPI description of the HTTP API
    Openapi,
}

/// Start this process's roles.
#[derive(Args)]
pub struct Serve {
    /// What this process does; several with commas
    #[arg(long = "role", value_enum, value_delimiter = ',', default_values_t = RoleOf::EMBEDDED)]
    pub roles: Vec<RoleOf>,
    #[command(flatten)]
    pub settings: Settings,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleOf {
    /// Answers HTTP.
    Api,
    /// Decides and appends; runs the policies.
    Commands,
    /// Keeps the read models.
    Projections,
    /// Analyses leads by the automation's rules.
    GatewayAi,
    /// Calls webhooks.
    GatewayWebhooks,
    /// Copies the log into PostgreSQL or KurrentDB.
    Archive,
}

impl RoleOf {
    /// What one process does where there is one.
    pub const EMBEDDED: [Self; 5] = [
        Self::Api,
        Self::Commands,
        Self::Projections,
        Self::GatewayAi,
        Self::GatewayWebhooks,
    ];
}

/// Settings, and how to print.
#[derive(Args)]
pub struct Plain {
    /// Print JSON, for scripts
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub settings: Settings,
}

/// Check everything.
#[derive(Args)]
pub struct Doctor {
    /// Mend what can be mended without a question: streams of NATS that are compressed
    #[arg(long)]
    pub fix: bool,
    #[command(flatten)]
    pub plain: Plain,
}

/// Watch running processes.
#[derive(Args)]
pub struct Top {
    /// Where a process listens; say it once for each process of a cluster
    #[arg(long = "url", default_value = "http://127.0.0.1:8000")]
    pub urls: Vec<String>,
    /// An API key, whose holder may see how far each read model is
    #[arg(long, env = "RAPPORT_API_KEY", hide_env_values = true)]
    pub key: Option<Secret>,
    /// How often to ask, and how long an interval is: 500ms, 1s, 1m
    #[arg(long, default_value = "1s", value_parser = parse_every)]
    pub every: Duration,
    /// Print one interval as text and end; needs no terminal
    #[arg(long)]
    pub once: bool,
    /// Print one interval as JSON and end, for scripts
    #[arg(long)]
    pub json: bool,
}

/// Make a backup.
#[derive(Args)]
pub struct Backup {
    /// The folder of the backups; `BACKUP_DIR` unless named
    pub dir: Option<PathBuf>,
    /// After how many days the keys expire: they still open what is erased meanwhile
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub keys_days: u16,
    #[command(flatten)]
    pub plain: Plain,
}

/// Restore a backup.
#[derive(Args)]
pub struct Restore {
    /// The folder of the backups; `BACKUP_DIR` unless named
    pub dir: Option<PathBuf>,
    /// Which backup, as 20261121T083000.000Z; the newest unless named
    #[arg(long, value_name = "TIME")]
    pub backup: Option<String>,
    /// One more file of who was erased, beside erasures.jsonl in the folder
    #[arg(long, value_name = "FILE")]
    pub erased: Option<PathBuf>,
    /// Take keys that have expired: you are sure that the files name everybody who was erased
    #[arg(long)]
    pub accept_expired_keys: bool,
    #[command(flatten)]
    pub plain: Plain,
}

#[derive(Subcommand)]
pub enum Events {
    /// Print events as they come
    Tail {
        /// Begin behind this position, as 0:1234; otherwise at the end
        #[arg(long)]
        after: Option<journal::position::Position>,
        #[command(flatten)]
        plain: Plain,
    },
    /// Print everything that happened to one aggregate
    Show {
        /// Its category: lead, sale, contact, …
        category: String,
        /// Its id
        id: String,
        #[command(flatten)]
        plain: Plain,
    },
    /// Write the whole log to a file, one commit a line
    Export {
        /// The file; - for standard output
        file: PathBuf,
        #[command(flatten)]
        plain: Plain,
    },
    /// Append the commits of an exported file to an empty log, ids and order kept
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        plain: Plain,
    },
    /// Check every commit: readable, in order, chained to the one before
    Verify {
        /// Compare with the archive too, and name the first difference
        #[arg(long)]
        archive: bool,
        #[command(flatten)]
        plain: Plain,
    },
    /// Let every reader pass over a position that nobody can read any more; recorded in the log
    Quarantine {
        /// As events verify names it: 0:1234
        position: journal::position::Position,
        #[command(flatten)]
        plain: Plain,
    },
    /// Append everything that the archive has to a lost log, at the same positions
    Restore(Plain),
}

#[derive(Subcommand)]
pub enum Projections {
    /// Print every read model, how far it is and what is parked
    List(Plain),
    /// Build a read model anew beside the old one, then switch
    Rebuild {
        /// Its name
        name: String,
        #[command(flatten)]
        plain: Plain,
    },
}

#[derive(Subcommand)]
pub enum Policies {
    /// Print every policy, how far it is and which aggregates it leaves aside
    List(Plain),
    /// Let a policy go on from another place; it acts on everything behind that
    Start {
        /// Its name, as the list has it
        name: String,
        /// Where: now (only on what comes), beginning, or behind a position as 0:1234, for each partition
        #[arg(
            long,
            value_name = "now|beginning|POSITION",
            value_delimiter = ',',
            required = true
        )]
        from: Vec<String>,
        #[command(flatten)]
        plain: Plain,
    },
}

#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub enum Backtest {
    /// Print both funnels: by today's scoring rules, and by those of a file
    Scoring {
        /// The rules, as JSON; what is left out is as today
        #[arg(long)]
        rules: PathBuf,
        /// The first day leads came in, of `TIME_ZONE`, as 2026-11-01, or a moment with its offset
        #[arg(long)]
        from: Option<String>,
        /// The last day leads came in, or the moment before which they did
        #[arg(long)]
        to: Option<String>,
        #[command(flatten)]
        plain: Plain,
    },
    /// Print today's scoring rules, to begin a file with
    Rules,
}

/// Take over keys.
#[derive(Args)]
pub struct ImportKeys {
    /// The file: keys-TIME.json of a backup, or what rapport keys export wrote
    pub file: PathBuf,
    /// One more file of who was erased, beside erasures.jsonl in the file's folder
    #[arg(long, value_name = "FILE")]
    pub erased: Option<PathBuf>,
    /// Take keys that have expired: you are sure that the files name everybody who was erased
    #[arg(long)]
    pub accept_expired_keys: bool,
    /// Give up what only the keys of people can open who came after these keys were taken
    #[arg(long)]
    pub accept_missing: bool,
    #[command(flatten)]
    pub plain: Plain,
}

#[derive(Subcommand)]
pub enum Contacts {
    /// Let every contact hold what it alone shows; the system may run. `doctor` says whether any does not
    Repair(Plain),
}

#[derive(Subcommand)]
pub enum Webhooks {
    /// Say what became of a delivery with the status `unknown`: its sender died before it could
    Settle {
        /// Which webhook: 3
        webhook: u64,
        /// Which delivery: `msg_0190…`
        #[arg(value_parser = parse_delivery)]
        delivery: Uuid,
        /// delivered: the receiver has it; retry: send it again, now; dead: it is not to have it
        #[arg(value_parser = parse_finding)]
        outcome: Finding,
        #[command(flatten)]
        plain: Plain,
    },
}

#[derive(Subcommand)]
pub enum Keys {
    /// Make a key; it is printed once
    Create {
        /// What people call it
        name: String,
        /// What it may do: form (hands in leads with a contact), analyst, operator, admin, owner
        #[arg(long, value_parser = parse_role)]
        role: Role,
        #[command(flatten)]
        plain: Plain,
    },
    /// Print every key, without its secret
    List(Plain),
    /// Wrap the keys of personal data with a new master key; stop every process first
    Rotate(Plain),
    /// Write the keys of personal data to a file of their own, wrapped by the master key
    Export {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        plain: Plain,
    },
    /// Take over the keys of an export or of a backup, under the same master key: into an empty vault, or
    /// what its own one lacks
    Import(ImportKeys),
    /// Check that the vault is the log's and has the key of everybody whom the log names
    Verify {
        /// Give up what only the missing keys can open, and go on without them
        #[arg(long)]
        accept_missing: bool,
        #[command(flatten)]
        plain: Plain,
    },
    /// Let a key open nothing any more
    Revoke {
        /// Its number
        id: u64,
        #[command(flatten)]
        plain: Plain,
    },
}

fn parse_every(text: &str) -> Result<Duration, String> {
    let wrong = || "say how many ms, s or m, as 500ms, 1s, 1m".to_owned();
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        _ => return Err(wrong()),
    };
    let every = unit * number;
    if every < Duration::from_millis(100) {
        return Err("less than 100ms tells nothing".to_owned());
    }
    Ok(every)
}

fn parse_role(text: &str) -> Result<Role, String> {
    let names = || {
        Role::ALL
            .iter()
            .map(|role| role.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    Role::parse(text).ok_or_else(|| format!("the roles are {}", names()))
}

fn parse_delivery(text: &str) -> Result<Uuid, String> {
    delivery_id(text)
        .ok_or_else(|| "a delivery is msg_ and 32 digits, as its webhook-id".to_owned())
}

fn parse_finding(text: &str) -> Result<Finding, serde::de::value::Error> {
    Finding::deserialize(text.into_deserializer())
}

impl Cli {
    /// Does what was typed.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Demo(settings) => crate::demo::run(settings).await,
            Command::Serve(serve) => crate::server::serve(serve).await,
            Command::Events(events) => crate::events::run(events).await,
            Command::Projections(projections) => crate::projections_cmd::run(projections).await,
            Command::Policies(policies) => crate::policies_cmd::run(policies).await,
            Command::Keys(keys) => Box::pin(crate::keys::run(keys)).await,
            Command::Contacts(contacts) => crate::contacts::run(contacts).await,
            Command::Webhooks(webhooks) => crate::webhooks::run(webhooks).await,
            Command::Backtest(backtest) => crate::backtest::run(backtest).await,
            Command::Erase { subject, plain } => crate::erase::run(&subject, &plain).await,
            Command::Backup(backup) => crate::backup::run(backup).await,
            Command::Restore(restore) => crate::backup::restore::run(restore).await,
            Command::Doctor(doctor) => crate::doctor::run(doctor).await,
            Command::Top(top) => crate::top::run(top).await,
            Command::Openapi => crate::openapi::print().await,
        }
    }
}
