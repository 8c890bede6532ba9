//! What may be set: by flag, by environment, by `.env`, in this order.
//!
//! - here: the settings, and what the parts of the program need of them
//! - [`parse`]: values, checked at start

pub mod parse;

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use commands::http::api;
use commands::http::limits::Limits;
use commands::phones::PhoneRegion;
use domain::lead::scoring::Score;
use domain::money::Currency;
use gateways::ai::settings::AiSettings;
use gateways::webhooks::call::CallSettings;
use gateways::webhooks::schedule::Schedule;
use ipnet::IpNet;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use journal::token::Token;

use crate::server::public::PublicUrl;

/// What may be set.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// The address to listen on; 0.0.0.0 for every one
    #[arg(long, env = "APP_HOST", default_value = "127.0.0.1")]
    pub app_host: IpAddr,
    /// The port to listen on; 0 for a free one
    #[arg(long, env = "APP_PORT", default_value_t = 8000)]
    pub app_port: u16,
    /// The folder of everything that is kept on this machine
    #[arg(long, env = "DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// The folder of backups, where every erasure is noted as it happens
    #[arg(long, env = "BACKUP_DIR")]
    pub backup_dir: Option<PathBuf>,
    /// The NATS servers of the event log; without them it is a file in `DATA_DIR`
    #[arg(long, env = "NATS_URL", hide_env_values = true, value_parser = parse::nats_servers)]
    pub nats_url: Option<Secret>,
    /// The HTTP monitoring address of a NATS server, to check that it syncs always
    #[arg(long, env = "NATS_MONITOR_URL", value_parser = parse::monitors)]
    pub nats_monitor_url: Option<String>,
    /// Accept NATS servers that acknowledge what a power failure may lose
    #[arg(long, env = "RAPPORT_ALLOW_LAZY_SYNC", default_value_t = false)]
    pub allow_lazy_sync: bool,
    /// Copies of each message that NATS keeps
    #[arg(long, env = "RAPPORT_REPLICAS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub replicas: u8,
    /// Partitions of the log; fixed when it is made
    #[arg(long, env = "RAPPORT_PARTITIONS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub partitions: u16,
    /// The read models: postgres://…; without it they are a file in `DATA_DIR`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_parser = parse_database)]
    pub database_url: Option<Database>,
    /// The keys of personal data, a URL as in `DATABASE_URL`; beside the read models in PostgreSQL, or in `DATA_DIR`, unless set
    #[arg(long, env = "VAULT_URL", hide_env_values = true, value_parser = parse_database)]
    pub vault_url: Option<Database>,
    /// The archive of the log: postgres://… or kurrentdb://…; beside the read models unless set
    #[arg(long, env = "ARCHIVE_URL", hide_env_values = true, value_parser = parse::archive)]
    pub archive_url: Option<Secret>,
    /// The workspace that the demo and the tools work in
    #[arg(long, env = "RAPPORT_WORKSPACE", default_value = "main", value_parser = Token::try_new)]
    pub workspace: Token,
    /// The secret behind everything that is hashed or sealed; made in `DATA_DIR` where it is not set
    #[arg(long, env = "RAPPORT_MASTER_KEY", hide_env_values = true, hide = true, value_parser = parse::key)]
    pub master_key: Option<Secret>,
    /// The zone whose days periods are made of, by IANA's name: Europe/Kyiv
    #[arg(long, env = "TIME_ZONE", default_value = "UTC", value_parser = parse_zone)]
    pub time_zone: TimeZone,
    /// What the role commands and the tools sign commits with in NATS: 64 hex digits; from then on
    /// readers refuse what is not signed
    #[arg(long, env = "RAPPORT_SIGNING_KEY", hide_env_values = true, hide = true, value_parser = parse::key)]
    pub signing_key: Option<Secret>,
    /// The currency of amounts that name none
    #[arg(long, env = "DEFAULT_CURRENCY", default_value = "UAH", value_parser = parse_currency)]
    pub default_currency: Currency,
    /// The country of phones that are written without a country code, as UA
    #[arg(long, env = "DEFAULT_PHONE_REGION", default_value = "UA")]
    pub default_phone_region: PhoneRegion,
    /// The lowest score, from 0 to 1, that a transfer lets pass
    #[arg(long, env = "MIN_TRANSFER_SCORE", default_value = "0.6", value_parser = parse_score)]
    pub min_transfer_score: Score,
    /// For how many seconds an analysis is given again instead of made anew
    #[arg(long, env = "AI_CACHE_TTL", default_value_t = 3600)]
    pub ai_cache_ttl: u32,
    /// After how many days an analysis is too old for a transfer
    #[arg(long, env = "AI_ANALYSIS_STALE_DAYS", default_value_t = 7)]
    pub ai_analysis_stale_days: u16,
    /// A key for Google Gemini; with it a language model analyses leads
    #[arg(long, env = "GEMINI_API_KEY", hide_env_values = true, hide = true, value_parser = parse::foreign_key)]
    pub gemini_api_key: Option<Secret>,
    /// The Gemini model
    #[arg(long, env = "GEMINI_MODEL", default_value = "gemini-3.8-flash")]
    pub gemini_model: String,
    /// Another address of the Gemini API
    #[arg(long, env = "GEMINI_BASE_URL", value_parser = parse::web_address)]
    pub gemini_base_url: Option<String>,
    /// A key for OpenAI or whoever speaks its protocol
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true, hide = true, value_parser = parse::foreign_key)]
    pub openai_api_key: Option<Secret>,
    /// The model there
    #[arg(long, env = "OPENAI_MODEL", default_value = "gpt-4o-mini")]
    pub openai_model: String,
    /// Another address that speaks OpenAI's protocol
    #[arg(long, env = "OPENAI_BASE_URL", value_parser = parse::web_address)]
    pub openai_base_url: Option<String>,
    /// Private networks that webhooks may call, with commas: `127.0.0.0/8,::1/128`
    #[arg(long, env = "WEBHOOK_ALLOWED_NETWORKS", value_delimiter = ',', value_parser = parse::network)]
    pub webhook_allowed_networks: Vec<IpNet>,
    /// Pauses between attempts of a webhook's call, with commas: 5s,5m,2h; a list over three days unless set
    #[arg(long, env = "WEBHOOK_RETRIES")]
    pub webhook_retries: Option<Schedule>,
    /// How many seconds a webhook's call may take
    #[arg(long, env = "WEBHOOK_TIMEOUT", default_value_t = 15, value_parser = clap::value_parser!(u8).range(1..=60))]
    pub webhook_timeout: u8,
    /// Requests a minute from one address without a key
    #[arg(long, env = "RATE_LIMIT_ANONYMOUS", default_value = "100")]
    pub rate_limit_anonymous: NonZeroU32,
    /// Requests a minute with one key
    #[arg(long, env = "RATE_LIMIT_KEY", default_value = "1000")]
    pub rate_limit_key: NonZeroU32,
    /// Connections from one address at once; never more than half of what the process may open
    #[arg(long, env = "MAX_CONNECTIONS_PER_ADDRESS", default_value = "500")]
    pub max_connections_per_address: NonZeroUsize,
    /// Origins whose pages may call the API, with commas; * for every one
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',', value_parser = parse::origin)]
    pub cors_origins: Vec<String>,
    /// Where callers reach the API, for the links in its answers, as `https://example.com/crm`; paths unless set
    #[arg(long, env = "PUBLIC_URL")]
    pub public_url: Option<PublicUrl>,
    /// Where traces and metrics go, OTLP over HTTP; nowhere unless set
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = parse::web_address)]
    pub otlp_endpoint: Option<String>,
    /// How logs look
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_enum)]
    pub log_format: LogFormat,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Where the read models are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A file; relative to the working folder.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Secret),
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// `postgres://…`, or SQLite in the spellings of the seeds: `sqlite+aiosqlite:///./crm.db`.
fn parse_database(url: &str) -> Result<Database, String> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return parse::postgres(url).map(Database::Postgres);
    }
    let path = url
        .split_once(":///")
        .filter(|(scheme, _)| scheme.starts_with("sqlite"))
        .map(|(_, path)| path);
    match path {
        Some(path) if !path.is_empty() => Ok(Database::Sqlite(path.into())),
        _ => Err("must begin with postgres:// or sqlite:///".into()),
    }
}

fn parse_currency(text: &str) -> Result<Currency, String> {
    let names = || {
        Currency::ALL
            .iter()
            .map(|currency| currency.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    Currency::parse(&text.to_ascii_uppercase()).ok_or_else(|| format!("must be one of {}", names()))
}

fn parse_zone(text: &str) -> Result<TimeZone, String> {
    let zone = TimeZone::get(text.trim()).ok();
    let named = zone.filter(|zone| zone.iana_name().is_some());
    named.ok_or_else(|| "must be a zone of IANA's list, such as Europe/Kyiv or UTC".into())
}

fn parse_score(text: &str) -> Result<Score, String> {
    let score = text.parse().ok().and_then(Score::from_fraction);
    score.ok_or_else(|| "must be a number from 0 to 1".into())
}

impl Settings {
    /// What the write routes need.
    #[must_use]
    pub fn api(&self) -> api::Settings {
        api::Settings {
            currency: self.default_currency,
            phone_region: self.default_phone_region,
            min_score: self.min_transfer_score,
            stale_after: SignedDuration::from_hours(24 * i64::from(self.ai_analysis_stale_days)),
        }
    }

    /// Which analyst judges leads.
    #[must_use]
    pub fn ai(&self) -> AiSettings {
        let key = |key: &Option<Secret>| key.as_ref().map(|key| key.0.clone());
        AiSettings::read(|name| match name {
            "GEMINI_API_KEY" => key(&self.gemini_api_key),
            "GEMINI_MODEL" => Some(self.gemini_model.clone()),
            "GEMINI_BASE_URL" => self.gemini_base_url.clone(),
            "OPENAI_API_KEY" => key(&self.openai_api_key),
            "OPENAI_MODEL" => Some(self.openai_model.clone()),
            "OPENAI_BASE_URL" => self.openai_base_url.clone(),
            _ => None,
        })
    }

    /// How webhooks are called.
    #[must_use]
    pub fn webhooks(&self) -> CallSettings {
        CallSettings {
            allowed_networks: self.webhook_allowed_networks.clone(),
            schedule: self.webhook_retries.clone().unwrap_or_default(),
            timeout: Duration::from_secs(self.webhook_timeout.into()),
        }
    }

    /// How often clients may call.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        Limits {
            anonymous: self.rate_limit_anonymous,
            key: self.rate_limit_key,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Database, Settings, parse_database};

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn databases_of_the_seeds_are_understood() {
        let sqlite = parse_database("sqlite+aiosqlite:///./crm.db");
        assert_eq!(sqlite, Ok(Database::Sqlite("./crm.db".into())));
        assert!(matches!(
            parse_database("postgresql://u:p@h/db"),
            Ok(Database::Postgres(_))
        ));
        assert!(parse_database("mysql://x").is_err());
    }

    #[test]
    fn a_wrong_setting_is_one_clear_sentence() {
        let error = |arguments: &[&str]| {
            let typed = Typed::try_parse_from([&["rapport"], arguments].concat());
            typed.map(|typed| typed.settings).unwrap_err().to_string()
        };
        assert!(error(&["--app-port", "99999"]).contains("99999 is not in 0..=65535"));
        assert!(error(&["--min-transfer-score", "6"]).contains("must be a number from 0 to 1"));
        assert!(error(&["--default-currency", "XYZ"]).contains("must be one of UAH"));
        assert!(error(&["--default-phone-region", "UKR"]).contains("two letters, for example UA"));
        assert!(error(&["--time-zone", "Kiev time"]).contains("such as Europe/Kyiv"));
        assert!(error(&["--workspace", "a.b"]).contains("must be 1 to 64 characters"));
    }

    #[test]
    fn secrets_are_never_printed() {
        let typed = Typed::try_parse_from(["rapport", "--openai-api-key", "sk-123"]).unwrap();
        assert!(!format!("{:?}", typed.settings).contains("sk-123"));
    }
}
