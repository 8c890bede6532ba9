//! Makes one call, signed, and says what became of it.

use std::error::Error as _;
use std::time::{Duration, Instant};

use commands::clock::Clock;
use commands::desk::Desk;
use commands::effects::{Attempt, Called, Gateway};
use domain::effect::{Outcome, Report};
use domain::webhook::aggregate::{Registered, Webhook};
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, StatusCode};
use standardwebhooks::Webhook as Signer;

use super::address::Allowed;
use super::message::{self, Message};
use super::schedule::Schedule;

/// How long reading the event from our own log may take.
const OWN_TIME: Duration = Duration::from_secs(4);
/// How long to wait where our own log does not answer.
const OWN_FAULT: Duration = Duration::from_secs(5);
/// The longest pause that a receiver may ask for.
const MAX_ASKED: Duration = Duration::from_hours(24);
/// As much of an answer is read as keeps the connection usable.
const MAX_ANSWER: usize = 64 * 1024;

/// How webhooks are called.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// Private networks that may be called.
    pub allowed_networks: Vec<IpNet>,
    /// When a failed call is tried again.
    pub schedule: Schedule,
    /// How long a call may take.
    pub timeout: Duration,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self {
            allowed_networks: Vec::new(),
            schedule: Schedule::default(),
            timeout: Duration::from_secs(15),
        }
    }
}

/// Makes calls.
pub struct Caller {
    desk: Desk,
    client: Client,
    allowed: Allowed,
    schedule: Schedule,
    timeout: Duration,
    clock: Clock,
}

/// Why a call did not reach its end.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error(transparent)]
    Address(#[from] super::address::BadAddress),
    #[error("the secret cannot sign")]
    Secret,
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

impl Caller {
    /// A caller that reads events and their records through this desk.
    ///
    /// # Errors
    ///
    /// Where the HTTP client cannot be made, which a TLS provider that was not chosen causes.
    pub fn try_new(
        desk: Desk,
        clock: Clock,
        settings: CallSettings,
    ) -> Result<Self, reqwest::Error> {
        crate::tls::use_ring();
        let allowed = Allowed::with(settings.allowed_networks);
        let client = Client::builder()
            .user_agent(concat!("Rapport/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(allowed.clone())
            // A proxy would resolve names by itself.
            .no_proxy()
            .timeout(settings.timeout)
            .build()?;
        Ok(Self {
            desk,
            client,
            allowed,
            schedule: settings.schedule,
            timeout: settings.timeout,
            clock,
        })
    }

    async fn post(
        &self,
        known: &Registered,
        message: Message,
    ) -> Result<(StatusCode, Option<Duration>), CallError> {
        let url = self.allowed.check(&known.url)?;
        let timestamp = self.clock.now().as_second();
        let signature = self.signature(known, &message, timestamp)?;
        let request = self
            .client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json");
        let request = request
            .header("webhook-id", message.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature);
        let mut response = request.body(message.body).send().await?;
        let headers = response.headers();
        let asked = retry_after(headers, self.clock.now());
        let status = response.status();
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > MAX_ANSWER {
                break;
            }
        }
        Ok((status, asked))
    }

    /// One signature with each secret that is good now.
    fn signature(
        &self,
        known: &Registered,
        message: &Message,
        timestamp: i64,
    ) -> Result<String, CallError> {
        let now = self.clock.now();
        let old = known.old_secrets.iter();
        let old = old.filter(|(_, until)| *until > now);
        let secrets = std::iter::once(&known.secret).chain(old.map(|(secret, _)| secret));
        let sign = |secret: &String| {
            let signer = Signer::new(secret).map_err(|_| CallError::Secret)?;
            signer
                .sign(&message.id, timestamp, &message.body)
                .map_err(|_| CallError::Secret)
        };
        Ok(secrets.map(sign).collect::<Result<Vec<_>, _>>()?.join(" "))
    }

    /// Tries again later, or gives up where that was the last attempt.
    fn failed(&self, attempt: &Attempt<Webhook>, asked: Option<Duration>) -> Outcome {
        let (number, id) = (attempt.effect.attempt, attempt.effect.intent.id);
        match self.schedule.after(number, id) {
            Some(pause) => self.again_in(pause.max(asked.unwrap_or_default().min(MAX_ASKED))),
            None => Outcome::GaveUp,
        }
    }

    fn again_in(&self, pause: Duration) -> Outcome {
        let later = self.clock.now().saturating_add(pause);
        Outcome::Failed {
            retry_at: later.unwrap_or(Timestamp::MAX),
        }
    }
}

impl Gateway<Webhook> for Caller {
    fn within(&self) -> Duration {
        self.timeout + OWN_TIME
    }

    async fn call(&self, attempt: Attempt<Webhook>) -> Called {
        let Some(known) = &attempt.state.state.registered else {
            return (Outcome::GaveUp, told("the webhook was removed"));
        };
        let delivery = &attempt.effect.intent;
        let message = match message::read(&self.desk, &attempt.workspace, delivery).await {
            Ok(Some(message)) => message,
            Ok(None) => return (Outcome::GaveUp, told("the log does not hold this event")),
            Err(error) => {
                tracing::warn!(%error, "an event is not read yet");
                return (
                    self.again_in(OWN_FAULT),
                    told("our own log does not answer"),
                );
            }
        };
        let begun = Instant::now();
        let answer = self.post(known, message).await;
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (outcome, report) = match answer {
            Ok((status, _)) if status.is_success() => (Outcome::Done, said(status)),
            Ok((StatusCode::GONE, _)) => (Outcome::GaveUp, said(StatusCode::GONE)),
            Ok((status, asked)) => (self.failed(&attempt, asked), said(status)),
            Err(error) => (self.failed(&attempt, None), told(&why(&error))),
        };
        (outcome, Report { took_ms, ..report })
    }

    /// Receivers tell repetitions by `webhook-id`, so that repeating is safe.
    async fn find_out(&self, _attempt: Attempt<Webhook>) -> Option<Called> {
        let report = told("the sender died while it waited for the answer; sent again");
        Some((self.again_in(Duration::ZERO), report))
    }
}

fn said(status: StatusCode) -> Report {
    let detail = (!status.is_success()).then(|| match status.canonical_reason() {
        _ if status.is_redirection() => format!("{status}: redirects are not followed"),
        Some(_) | None => status.to_string(),
    });
    Report {
        code: Some(status.as_u16()),
        detail,
        took_ms: 0,
    }
}

fn told(detail: &str) -> Report {
    Report {
        detail: Some(detail.to_owned()),
        ..Report::default()
    }
}

/// What went wrong, without the address: that is in the webhook, and may hold a token.
fn why(error: &CallError) -> String {
    let CallError::Http(error) = error else {
        return error.to_string();
    };
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause = error.source();
    let mut last = None;
    while let Some(deeper) = cause {
        last = Some(deeper.to_string());
        cause = deeper.source();
    }
    last.unwrap_or_else(|| "the call failed".into())
}

/// `Retry-After`, in seconds or as a date; a date counts from the receiver's own `Date`, where it
/// says one, because its clock may differ from ours.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let date = |text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let asked = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = date(asked)?;
    let now = text(header::DATE).and_then(date).unwrap_or(now);
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::HeaderMap;

    use super::retry_after;

    fn asked(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let pairs = headers.iter();
        let headers: HeaderMap = pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        retry_after(&headers, "2026-11-21T08:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_receiver_says_when_in_seconds_or_as_a_date() {
        let after = "retry-after";
        assert_eq!(asked(&[(after, "120")]), Some(Duration::from_mins(2)));
        let date = "Sat, 21 Nov 2026 08:30:00 GMT";
        assert_eq!(asked(&[(after, date)]), Some(Duration::from_mins(30)));
        let by_its_clock = [(after, date), ("date", "Sat, 21 Nov 2026 08:29:50 GMT")];
        assert_eq!(asked(&by_its_clock), Some(Duration::from_secs(10)));
        let past = "Fri, 20 Nov 2026 08:30:00 GMT";
        assert_eq!(asked(&[(after, past)]), Some(Duration::ZERO));
        assert_eq!(asked(&[(after, "soon")]), None);
        assert_eq!(asked(&[]), None);
    }
}
