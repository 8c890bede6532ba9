//! Why a call of a model failed, and whether to call again.
//!
//! A detail is put together from statuses and codes only: providers quote the key and the
//! request in their messages.

use std::time::Duration;

use genai::chat::{ChatResponse, StopReason};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// A failed call.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) detail: String,
    pub(super) again: Again,
}

/// Whether to call again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It would fail the same way.
    No,
    /// After a pause; the provider may have said how long.
    After(Option<Duration>),
    /// The answer was no good; ask once more.
    Ask,
}

impl Failure {
    /// No answer in time.
    pub(super) fn timeout(after: Duration) -> Self {
        let detail = format!("no answer within {:.1} s", after.as_secs_f32());
        Self {
            detail,
            again: Again::After(None),
        }
    }

    /// An answer that does not hold.
    pub(super) fn refused(why: &str) -> Self {
        Self {
            detail: format!("the model's answer was refused: {why}"),
            again: Again::Ask,
        }
    }

    fn blocked(reason: &str) -> Self {
        let detail = format!(
            "the provider blocked the request or the answer ({})",
            code(reason)
        );
        Self {
            detail,
            again: Again::No,
        }
    }
}

/// The answer's text.
pub(super) fn text_of(response: &ChatResponse) -> Result<&str, Failure> {
    match &response.stop_reason {
        Some(StopReason::ContentFilter(reason)) => return Err(Failure::blocked(reason)),
        Some(StopReason::MaxTokens(_)) => return Err(Failure::refused("it was cut off")),
        Some(
            StopReason::Completed(_)
            | StopReason::ToolCall(_)
            | StopReason::StopSequence(_)
            | StopReason::Other(_),
        )
        | None => {}
    }
    response
        .first_text()
        .ok_or_else(|| Failure::refused("it is empty"))
}

impl From<genai::Error> for Failure {
    fn from(error: genai::Error) -> Self {
        if let genai::Error::ChatResponseGeneration { response_body, .. } = &error {
            let block = &response_body["promptFeedback"]["blockReason"];
            return match block.as_str() {
                Some(reason) => Self::blocked(reason),
                None => Self::refused("it is not in the provider's format"),
            };
        }
        if let genai::Error::WebModelCall { webc_error, .. } = &error {
            return from_web(webc_error);
        }
        // What is left never left the process, and would fail the same way again.
        Self {
            detail: "the call could not be made; check the model's name".into(),
            again: Again::No,
        }
    }
}

fn from_web(error: &genai::webc::Error) -> Failure {
    use genai::webc::Error;
    match error {
        Error::ResponseFailedStatus {
            status,
            body,
            headers,
        } => from_status(*status, headers, body),
        Error::ResponseFailedNotJson { .. }
        | Error::ResponseFailedInvalidJson { .. }
        | Error::JsonValueExt(_) => Failure::refused("it is not JSON"),
        Error::Reqwest(error) => {
            let what = if error.is_timeout() {
                "the provider did not answer in time"
            } else if error.is_connect() {
                "the provider cannot be reached"
            } else {
                "the connection to the provider broke"
            };
            Failure {
                detail: what.into(),
                again: Again::After(None),
            }
        }
    }
}

fn from_status(status: StatusCode, headers: &HeaderMap, body: &str) -> Failure {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    // Gemini's error body may be an array of one.
    let error = body
        .get(0)
        .unwrap_or(&body)
        .get("error")
        .unwrap_or(&Value::Null);
    let word = ["status", "code", "type"]
        .iter()
        .find_map(|field| error[*field].as_str());
    let word = word
        .map(|word| format!(" {}", code(word)))
        .unwrap_or_default();
    let detail = format!("the provider answered {}{word}", status.as_u16());
    let again = if status == StatusCode::TOO_MANY_REQUESTS && is_daily_quota(error) {
        Again::No
    } else if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        Again::After(retry_after(headers).or_else(|| retry_delay(error)))
    } else {
        Again::No
    };
    Failure { detail, again }
}

/// A provider's code word; anything else in its place (a key, a sentence) is not repeated.
fn code(word: &str) -> &str {
    let is_code = word.len() <= 40 && word.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    if is_code { word } else { "unknown code" }
}

/// `retry-after` in seconds; its form as a date is rare, and a pause of our own serves as well.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    seconds(headers.get(RETRY_AFTER)?.to_str().ok()?)
}

/// Gemini's `RetryInfo`: `"retryDelay": "1.5s"`.
fn retry_delay(error: &Value) -> Option<Duration> {
    let details = error["details"].as_array()?;
    let delay = details
        .iter()
        .find_map(|detail| detail["retryDelay"].as_str())?;
    seconds(delay.strip_suffix('s')?)
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

/// A used-up day is not worth waiting for.
fn is_daily_quota(error: &Value) -> bool {
    let details = error["details"].as_array().into_iter().flatten();
    let mut violations = details
        .filter_map(|detail| detail["violations"].as_array())
        .flatten();
    violations.any(|violation| {
        violation["quotaId"]
            .as_str()
            .is_some_and(|id| id.contains("PerDay"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: u16, retry_after: Option<&'static str>, body: &str) -> Failure {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        from_status(StatusCode::from_u16(status).unwrap(), &headers, body)
    }

    #[test]
    fn only_a_full_queue_and_a_broken_server_are_asked_again() {
        for status in [400, 401, 403, 404, 422] {
            assert_eq!(failed(status, Some("1"), "{}").again, Again::No, "{status}");
        }
        for status in [429, 500, 502, 503, 529] {
            assert_eq!(
                failed(status, None, "").again,
                Again::After(None),
                "{status}"
            );
        }
    }

    #[test]
    fn the_pause_is_the_one_that_the_provider_asks_for() {
        let pause = |seconds| Again::After(Some(Duration::from_secs_f64(seconds)));
        assert_eq!(failed(429, Some("3"), "").again, pause(3.0));
        let body = r#"[{"error":{"details":[{"a":1},{"retryDelay":"1.5s"}]}}]"#;
        assert_eq!(failed(429, None, body).again, pause(1.5));
        assert_eq!(failed(429, Some("-1"), "").again, Again::After(None));
    }

    #[test]
    fn a_used_up_day_is_not_waited_for() {
        let body = r#"{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},{"retryDelay":"37s"}]}}"#;
        let failure = failed(429, None, body);
        assert_eq!(failure.again, Again::No);
        assert_eq!(
            failure.detail,
            "the provider answered 429 RESOURCE_EXHAUSTED"
        );
    }

    #[test]
    fn a_key_that_the_provider_repeats_goes_no_further() {
        let body = r#"{"error":{"code":"sk-secret-1","message":"bad key sk-secret-1"}}"#;
        assert_eq!(
            failed(401, None, body).detail,
            "the provider answered 401 unknown code"
        );
    }
}
