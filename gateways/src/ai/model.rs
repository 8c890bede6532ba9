//! A language model as an analyst: one question, a checked answer, bounded retries.
//!
//! - `answer`: what it must answer
//! - `failure`: why a call failed, and whether to call again

mod answer;
mod failure;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::lead::scoring::Inputs;
use futures::future::{BoxFuture, FutureExt};
use genai::adapter::AdapterKind;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, JsonSpec};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget};
use tokio::time::{Instant, sleep, timeout};

use self::answer::Answer;
use self::failure::{Again, Failure};
use super::settings::{AiSettings, ModelSettings};
use super::{Analyst, AnalystError, Judgement};
use crate::tls;

const PROMPT: &str = include_str!("prompts/analyze_lead.md");
/// Calls that a failing provider gets, the first one included.
const TRIES: u32 = 3;
/// The first pause; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Room for the answer and for a thinking model's thoughts.
const MAX_TOKENS: u32 = 4096;

/// A language model behind an HTTP API.
pub struct Model {
    name: String,
    variable: &'static str,
    target: ServiceTarget,
    /// The error is kept and told with each judgement: a machine without certificates can still
    /// run everything else.
    client: Result<Client, String>,
    options: ChatOptions,
    try_timeout: Duration,
    patience: Duration,
}

impl Model {
    /// The model whose key is set; `None` without one.
    #[must_use]
    pub fn from_settings(settings: &AiSettings) -> Option<Self> {
        let gemini = || {
            Self::new(
                AdapterKind::Gemini,
                "gemini",
                "GEMINI_API_KEY",
                &settings.gemini,
                settings,
            )
        };
        let openai = || {
            Self::new(
                AdapterKind::OpenAI,
                "openai",
                "OPENAI_API_KEY",
                &settings.openai,
                settings,
            )
        };
        gemini().or_else(openai)
    }

    fn new(
        protocol: AdapterKind,
        provider: &str,
        variable: &'static str,
        settings: &ModelSettings,
        limits: &AiSettings,
    ) -> Option<Self> {
        let ModelSettings {
            key,
            model,
            base_url,
        } = settings;
        let key = key.as_ref()?;
        // genai appends the path to the base as it is.
        let base_url = format!("{}/", base_url.trim_end_matches('/'));
        Some(Self {
            name: format!("{provider}/{model}"),
            variable,
            target: ServiceTarget {
                endpoint: Endpoint::from_owned(base_url),
                auth: AuthData::from_single(key.reveal()),
                model: ModelIden::new(protocol, model.as_str()),
            },
            client: client(),
            options: ChatOptions::default()
                .with_response_format(JsonSpec::new("judgement", answer::schema()))
                .with_max_tokens(MAX_TOKENS)
                // Why a prompt was blocked is found nowhere else.
                .with_capture_raw_body(true),
            try_timeout: limits.try_timeout,
            patience: limits.patience,
        })
    }

    /// Asks until there is an answer that holds, as long as that is worth it.
    async fn answer(&self, inputs: &Inputs) -> Result<Answer, Failure> {
        let until = Instant::now() + self.patience;
        let (mut failures, mut objection) = (0, None);
        loop {
            let failure = match self.ask(inputs, objection.as_deref(), until).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause = match failure.again {
                Again::No => return Err(failure),
                Again::Ask if objection.is_some() => return Err(failure),
                Again::Ask => {
                    objection = Some(failure.detail.clone());
                    Duration::ZERO
                }
                Again::After(asked) => {
                    failures += 1;
                    if failures == TRIES {
                        return Err(failure);
                    }
                    asked.unwrap_or(FIRST_PAUSE * 2_u32.pow(failures - 1))
                }
            };
            // Whoever asks for more time than the caller has gets none.
            if Instant::now() + pause >= until {
                return Err(failure);
            }
            tracing::warn!(
                analyst = self.name,
                detail = failure.detail,
                pause_ms = pause.as_millis(),
                "asking again"
            );
            sleep(pause).await;
        }
    }

    async fn ask(
        &self,
        inputs: &Inputs,
        objection: Option<&str>,
        until: Instant,
    ) -> Result<Answer, Failure> {
        let client = self.client.as_ref();
        let client = client.map_err(|detail| Failure {
            detail: detail.clone(),
            again: Again::No,
        })?;
        let limit = self
            .try_timeout
            .min(until.saturating_duration_since(Instant::now()));
        let call = client.exec_chat(
            self.target.clone(),
            request(inputs, objection),
            Some(&self.options),
        );
        let response = timeout(limit, call)
            .await
            .map_err(|_| Failure::timeout(limit))??;
        answer::read(failure::text_of(&response)?).map_err(|why| Failure::refused(&why))
    }
}

impl Analyst for Model {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&self, inputs: Inputs) -> BoxFuture<'_, Result<Judgement, AnalystError>> {
        async move {
            match self.answer(&inputs).await {
                Ok(Answer {
                    score,
                    recommendation,
                    reason,
                }) => Ok(Judgement {
                    score,
                    recommendation,
                    reason,
                    analyst: self.name.clone(),
                }),
                Err(Failure { detail, .. }) => {
                    tracing::warn!(analyst = self.name, detail, "no judgement");
                    Err(AnalystError::Unavailable {
                        variable: self.variable,
                        detail,
                    })
                }
            }
        }
        .boxed()
    }
}

fn client() -> Result<Client, String> {
    tls::use_ring();
    let http = reqwest::Client::builder()
        // A provider that redirects would be handed the key again somewhere else.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| format!("no HTTP client can be made: {error}"))?;
    let client = Client::builder().with_reqwest(http).build();
    client.map_err(|error| format!("no client can be made: {error}"))
}

fn request(inputs: &Inputs, objection: Option<&str>) -> ChatRequest {
    let facts = serde_json::json!(inputs).to_string();
    let question = match objection {
        Some(objection) => format!("{facts}\n\nYour last answer did not hold: {objection}"),
        None => facts,
    };
    ChatRequest::from_system(PROMPT).append_message(ChatMessage::user(question))
}
