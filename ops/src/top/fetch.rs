//! The answers of every process, or why there is none and what to do about it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::{Client, StatusCode};
use serde::Deserialize;

use super::scrape::{self, Sample};
use crate::settings::Secret;

/// How long one answer may take.
const WITHIN: Duration = Duration::from_secs(5);

/// What one process said at one moment.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Where it listens.
    pub url: String,
    /// When it said so.
    pub at: Instant,
    /// Its metrics.
    pub samples: Vec<Sample>,
    /// Every generation of every projection, where it can tell.
    pub projections: Vec<Known>,
    /// Why it said nothing.
    pub problem: Option<String>,
}

/// A generation of a projection, as `/ready` tells it.
#[derive(Debug, Clone, Deserialize)]
pub struct Known {
    pub name: String,
    pub version: u32,
    pub generation: u32,
    pub active: bool,
    pub lag: u64,
    pub parked: Vec<serde::de::IgnoredAny>,
}

/// The part of `/ready` that is read; strangers are told none of it.
#[derive(Deserialize)]
struct Ready {
    #[serde(default)]
    projections: Vec<Known>,
}

/// Asks every process.
pub struct Asker {
    client: Client,
    urls: Vec<String>,
    key: Option<Secret>,
}

impl Asker {
    /// Fails where an address is none.
    pub fn try_new(urls: &[String], key: Option<Secret>) -> anyhow::Result<Self> {
        for url in urls {
            let parsed = reqwest::Url::parse(url);
            anyhow::ensure!(
                parsed.is_ok_and(|url| ["http", "https"].contains(&url.scheme())),
                "--url: '{url}' is no address; one looks like http://127.0.0.1:8000"
            );
        }
        let client = Client::builder().timeout(WITHIN).build();
        Ok(Self {
            client: client.context("a client")?,
            key,
            urls: urls
                .iter()
                .map(|url| url.trim_end_matches('/').to_owned())
                .collect(),
        })
    }

    /// What every process says now, in the order of the addresses.
    pub async fn ask(&self) -> Vec<Shot> {
        futures::future::join_all(self.urls.iter().map(|url| self.shot(url))).await
    }

    async fn shot(&self, url: &str) -> Shot {
        let (metrics, projections) = tokio::join!(self.metrics(url), self.projections(url));
        let (samples, problem) = match metrics {
            Ok(samples) => (samples, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        Shot {
            url: url.to_owned(),
            at: Instant::now(),
            samples,
            projections,
            problem,
        }
    }

    async fn metrics(&self, url: &str) -> Result<Vec<Sample>, String> {
        let answer = self.client.get(format!("{url}/metrics")).send().await;
        let answer = answer.map_err(|error| unanswered(url, &error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(format!(
                    "{url}/metrics is guarded ({}): Rapport asks for no key there, so a proxy does; \
                     use the address of the process behind it",
                    answer.status()
                ));
            }
            status => {
                return Err(format!(
                    "{url}/metrics answers {status}: is this the address of a rapport process, \
                     without a path?"
                ));
            }
        }
        let text = answer
            .text()
            .await
            .map_err(|error| unanswered(url, &error))?;
        let samples = scrape::read(&text);
        if samples
            .iter()
            .any(|sample| sample.name.starts_with("rapport_"))
        {
            Ok(samples)
        } else {
            Err(format!(
                "{url}/metrics has nothing of Rapport: another program listens there; \
                 name the address of a rapport process with --url"
            ))
        }
    }

    /// Nothing where it cannot tell: the metrics tell most of it too.
    async fn projections(&self, url: &str) -> Vec<Known> {
        let mut request = self.client.get(format!("{url}/ready"));
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", &key.0);
        }
        let answer = request.send().await;
        let Ok(answer) = answer else {
            return Vec::new();
        };
        let text = answer.text().await.unwrap_or_default();
        serde_json::from_str(&text).map_or_else(|_| Vec::new(), |ready: Ready| ready.projections)
    }
}

fn unanswered(url: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        format!(
            "{url} does not answer within 5 seconds: is the process stuck, or behind a firewall?"
        )
    } else if error.is_connect() {
        format!(
            "nothing can be reached at {url}: start it with `rapport demo` or `rapport serve`, \
             or name another address with --url"
        )
    } else {
        format!("{url} does not speak HTTP as expected: {error}")
    }
}
