//! Stories against a local provider that speaks both protocols and misbehaves.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use domain::lead::scoring::{Inputs, Recommendation};
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::pipeline::built_in;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::ai::settings::AiSettings;
use crate::ai::{Analyst, AnalystError, Judgement, from_settings};

const KEY: &str = "sk-very-secret";
const GOOD: &str =
    r#"{"score":0.75,"recommendation":"transfer_to_sales","reason":"Busy partner lead."}"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Gemini,
    OpenAi,
}
use Protocol::{Gemini, OpenAi};

/// What the provider does with one call.
#[derive(Debug, Clone)]
enum Act {
    /// The model says this.
    Say(&'static str),
    /// The whole answer, as it is.
    Answer(u16, &'static str, &'static str),
    /// 429, with this in `retry-after`.
    Full(&'static str),
    /// Nothing, until the caller has gone.
    Hang,
}

#[derive(Debug, Clone)]
struct Call {
    path: String,
    headers: HeaderMap,
    body: Value,
    at: Instant,
}

#[derive(Debug, Clone, Default)]
struct Provider {
    acts: Arc<Mutex<VecDeque<Act>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Provider {
    fn calls(&self) -> Vec<Call> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn provide(
    State(provider): State<Provider>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let body = serde_json::from_slice(&body).unwrap();
    let call = Call {
        path: path.clone(),
        headers,
        body,
        at: Instant::now(),
    };
    provider.calls.lock().unwrap().push(call);
    let act = provider
        .acts
        .lock()
        .unwrap()
        .pop_front()
        .expect("no more calls were expected");
    let json = [("content-type", "application/json")];
    match act {
        Act::Say(text) => {
            let answer = if path.ends_with(":generateContent") {
                json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}]})
            } else {
                json!({"id": "1", "object": "chat.completion", "model": "m", "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]})
            };
            (json, answer.to_string()).into_response()
        }
        Act::Answer(status, content_type, body) => (
            StatusCode::from_u16(status).unwrap(),
            [("content-type", content_type)],
            body,
        )
            .into_response(),
        Act::Full(after) => (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", after)],
            "{}",
        )
            .into_response(),
        Act::Hang => std::future::pending().await,
    }
}

async fn given(protocol: Protocol, acts: &[Act]) -> (Provider, Arc<dyn Analyst>) {
    given_patience(protocol, acts, Duration::from_secs(5)).await
}

/// A caller who waits this long for each call.
async fn given_patience(
    protocol: Protocol,
    acts: &[Act],
    try_timeout: Duration,
) -> (Provider, Arc<dyn Analyst>) {
    let provider = Provider::default();
    provider.acts.lock().unwrap().extend(acts.iter().cloned());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let app = Router::new().fallback(provide).with_state(provider.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let prefix = match protocol {
        Gemini => "GEMINI",
        OpenAi => "OPENAI",
    };
    let settings = AiSettings::read(|name| match name.strip_prefix(prefix)? {
        "_API_KEY" => Some(KEY.to_owned()),
        "_BASE_URL" => Some(base.clone()),
        "_MODEL" => Some("test-model".to_owned()),
        _ => None,
    });
    let settings = AiSettings {
        try_timeout,
        ..settings
    };
    (provider, from_settings(&settings))
}

fn inputs() -> Inputs {
    Inputs {
        source: LeadSource::Partner,
        stage: built_in::QUALIFIED,
        message_count: 5,
        has_business_domain: true,
        business_domain: Some(BusinessDomain::First),
        days_since_created: 3,
    }
}

fn detail(outcome: Result<Judgement, AnalystError>) -> (&'static str, String) {
    let error = outcome.expect_err("an error");
    assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
    let AnalystError::Unavailable { variable, detail } = error;
    (variable, detail)
}

#[tokio::test]
async fn both_protocols_carry_the_facts_and_the_judgement() {
    for (protocol, name, path) in [
        (
            Gemini,
            "gemini/test-model",
            "/v1/models/test-model:generateContent",
        ),
        (OpenAi, "openai/test-model", "/v1/chat/completions"),
    ] {
        let (provider, analyst) = given(protocol, &[Act::Say(GOOD)]).await;
        let judgement = analyst.judge(inputs()).await.unwrap();
        assert_eq!(judgement.score.thousandths(), 750);
        assert_eq!(judgement.recommendation, Recommendation::TransferToSales);
        assert_eq!(judgement.reason, "Busy partner lead.");
        assert_eq!(judgement.analyst, name);

        let calls = provider.calls();
        let call = &calls[0];
        assert_eq!(call.path, path);
        let (key, schema, question) = match protocol {
            Gemini => (
                call.headers["x-goog-api-key"].to_str().unwrap(),
                &call.body["generationConfig"]["responseJsonSchema"],
                &call.body["contents"][0]["parts"][0]["text"],
            ),
            OpenAi => (
                call.headers["authorization"]
                    .to_str()
                    .unwrap()
                    .strip_prefix("Bearer ")
                    .unwrap(),
                &call.body["response_format"]["json_schema"]["schema"],
                &call.body["messages"][1]["content"],
            ),
        };
        assert_eq!(key, KEY);
        assert_eq!(
            schema["additionalProperties"],
            json!(false),
            "{}",
            call.body
        );
        let question: Value = serde_json::from_str(question.as_str().unwrap()).unwrap();
        assert_eq!(question, json!(inputs()));
    }
}

#[tokio::test]
async fn a_full_provider_is_asked_again_after_the_pause_it_names() {
    for protocol in [Gemini, OpenAi] {
        let (provider, analyst) = given(protocol, &[Act::Full("1"), Act::Say(GOOD)]).await;
        assert!(analyst.judge(inputs()).await.is_ok());
        let calls = provider.calls();
        assert_eq!(calls.len(), 2);
        assert!(calls[1].at - calls[0].at >= Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_provider_that_names_a_pause_too_long_is_not_waited_for() {
    let (provider, analyst) = given(OpenAi, &[Act::Full("3600")]).await;
    let (variable, detail) = detail(analyst.judge(inputs()).await);
    assert_eq!(
        (variable, detail.as_str()),
        ("OPENAI_API_KEY", "the provider answered 429")
    );
    assert_eq!(provider.calls().len(), 1);
}

#[tokio::test]
async fn a_broken_provider_is_asked_three_times() {
    let broken = Act::Answer(500, "text/plain", "oops");
    let (provider, analyst) = given(Gemini, &[broken.clone(), broken.clone(), broken]).await;
    let (variable, detail) = detail(analyst.judge(inputs()).await);
    assert_eq!(
        (variable, detail.as_str()),
        ("GEMINI_API_KEY", "the provider answered 500")
    );
    assert_eq!(provider.calls().len(), 3);
}

#[tokio::test]
async fn a_wrong_key_is_not_tried_twice() {
    let body = r#"{"error":{"code":"invalid_api_key","message":"Incorrect API key provided: sk-very-secret"}}"#;
    let (provider, analyst) = given(OpenAi, &[Act::Answer(401, "application/json", body)]).await;
    let (_, detail) = detail(analyst.judge(inputs()).await);
    assert_eq!(detail, "the provider answered 401 invalid_api_key");
    assert_eq!(provider.calls().len(), 1);
}

#[tokio::test]
async fn a_silent_provider_is_given_up_on_in_time() {
    let impatient = Duration::from_millis(50);
    let (provider, analyst) =
        given_patience(OpenAi, &[Act::Hang, Act::Hang, Act::Hang], impatient).await;
    let (_, detail) = detail(analyst.judge(inputs()).await);
    assert!(detail.starts_with("no answer within"), "{detail}");
    assert_eq!(provider.calls().len(), 3);
}

#[tokio::test]
async fn an_answer_that_does_not_hold_is_objected_to_once() {
    let seven = r#"{"score":7,"recommendation":"transfer_to_sales","reason":"r"}"#;
    for protocol in [Gemini, OpenAi] {
        let (provider, analyst) = given(protocol, &[Act::Say(seven), Act::Say(GOOD)]).await;
        assert!(analyst.judge(inputs()).await.is_ok());
        let second = provider.calls()[1].body.to_string();
        assert!(
            second.contains("score 7 is not between 0 and 1"),
            "{second}"
        );

        let (provider, analyst) =
            given(protocol, &[Act::Say(seven), Act::Say("no JSON at all")]).await;
        let (_, detail) = detail(analyst.judge(inputs()).await);
        assert!(detail.contains("not one JSON object"), "{detail}");
        assert_eq!(provider.calls().len(), 2);
    }
}

#[tokio::test]
async fn garbage_instead_of_the_protocol_is_refused() {
    for garbage in [
        Act::Answer(200, "application/json", "{{{"),
        Act::Answer(200, "text/html", "<html>proxy login</html>"),
        Act::Answer(200, "application/json", "{}"),
    ] {
        for protocol in [Gemini, OpenAi] {
            let (provider, analyst) = given(protocol, &[garbage.clone(), garbage.clone()]).await;
            let (_, detail) = detail(analyst.judge(inputs()).await);
            assert!(
                detail.starts_with("the model's answer was refused"),
                "{protocol:?} {garbage:?}: {detail}"
            );
            assert_eq!(provider.calls().len(), 2, "{protocol:?} {garbage:?}");
        }
    }
}

#[tokio::test]
async fn a_blocked_prompt_or_answer_is_not_asked_again() {
    for (protocol, body, reason) in [
        (
            Gemini,
            r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}"#,
            "PROHIBITED_CONTENT",
        ),
        (
            Gemini,
            r#"{"candidates":[{"finishReason":"SAFETY"}]}"#,
            "SAFETY",
        ),
        (
            OpenAi,
            r#"{"choices":[{"message":{"role":"assistant","content":""},"finish_reason":"content_filter"}]}"#,
            "content_filter",
        ),
    ] {
        let (provider, analyst) =
            given(protocol, &[Act::Answer(200, "application/json", body)]).await;
        let (_, detail) = detail(analyst.judge(inputs()).await);
        assert!(
            detail.contains(&format!("blocked the request or the answer ({reason})")),
            "{detail}"
        );
        assert_eq!(provider.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_named_so() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let settings = AiSettings::read(|name| match name {
        "GEMINI_API_KEY" => Some(KEY.to_owned()),
        "GEMINI_BASE_URL" => Some(format!("http://{gone}/v1beta/")),
        _ => None,
    });
    let (variable, detail) = detail(from_settings(&settings).judge(inputs()).await);
    assert_eq!(variable, "GEMINI_API_KEY");
    assert_eq!(detail, "the provider cannot be reached");
}
