//! A message behind an expected one, exactly once: stored, or a lost race, or unknown.

use std::time::Duration;

use async_nats::header::{HeaderName, HeaderValue};
use async_nats::{Client, HeaderMap, Request};
use bytes::Bytes;
use serde::Deserialize;
use uuid::Uuid;

use super::fetch::{Found, Source};
use super::patience::Patience;
use super::signing::SIGNATURE;
use crate::JournalError;

/// How long one request may take before it is made again: the node that it went through may be
/// frozen, and the next one goes through another.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a message may take at most, as its tries are given more and more time: a log that is slow
/// must not be asked for ever more.
const LONGEST_ANSWER: Duration = Duration::from_secs(8);
/// How often a refusal is asked again that nothing explains, over half a second.
const UNEXPLAINED: u32 = 8;
/// How long it is tried to learn what became of a message; an election takes a few seconds.
const GIVE_UP_AFTER: Duration = Duration::from_secs(20);

pub(super) const MESSAGE_ID: HeaderName = HeaderName::from_static("Nats-Msg-Id");
const EXPECTED_STREAM: HeaderName = HeaderName::from_static("Nats-Expected-Stream");
pub(super) const EXPECTED_LAST: HeaderName =
    HeaderName::from_static("Nats-Expected-Last-Subject-Sequence");

/// What is to be stored, and where.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) id: Uuid,
    pub(super) body: Bytes,
    /// The sequence of the subject's last message, 0 where there is none.
    pub(super) expected_last: u64,
    /// Of a commit in a log that is signed.
    pub(super) signature: Option<String>,
}

/// Stores it once, however often it must be sent, and answers its sequence.
///
/// Whenever the answer does not say what happened, the subject does: the first message behind
/// the expected one is ours, or another's who won, or not there yet.
///
/// A node that was frozen takes itself for the leader for a moment, and refuses what stands behind
/// messages that it has not seen. So a refusal that nothing in the subject explains is asked again.
pub(super) async fn put(
    client: &Client,
    source: &Source,
    letter: &Letter,
) -> Result<u64, JournalError> {
    let mut patience = Patience::new(GIVE_UP_AFTER);
    let mut within = ANSWER_WITHIN;
    let mut unexplained = 0;
    loop {
        let outcome = send(client, source, letter, within).await?;
        within = (within * 2).min(LONGEST_ANSWER);
        if let Outcome::Stored(sequence) = outcome {
            return Ok(sequence);
        }
        let unclear = match (outcome, winner(source, letter, &outcome).await) {
            (_, Ok(Some(winner))) if winner.id == Some(letter.id) => return Ok(winner.sequence),
            (_, Ok(Some(_))) => return Err(JournalError::Conflict),
            (Outcome::Behind, Ok(None)) => {
                unexplained += 1;
                if !source.is_replicated() || unexplained > UNEXPLAINED {
                    return Err(JournalError::Conflict);
                }
                JournalError::Conflict
            }
            (_, Ok(None)) => {
                JournalError::unavailable("NATS does not say what became of a message")
            }
            (_, Err(error)) => error,
        };
        if !patience.pause().await {
            return Err(unclear);
        }
    }
}

/// Whoever stands where the letter was to stand.
async fn winner(
    source: &Source,
    letter: &Letter,
    outcome: &Outcome,
) -> Result<Option<Found>, JournalError> {
    match outcome {
        Outcome::Duplicate(sequence) => {
            // The id was seen; it is ours only on our subject.
            let there = source.first_behind(&letter.subject, sequence - 1).await?;
            let other = Found {
                sequence: 0,
                id: None,
            };
            Ok(Some(
                there
                    .filter(|found| found.sequence == *sequence)
                    .unwrap_or(other),
            ))
        }
        Outcome::Stored(_) | Outcome::Behind | Outcome::Unclear => {
            source
                .first_behind(&letter.subject, letter.expected_last)
                .await
        }
    }
}

/// What one sending came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Stored(u64),
    /// The server has seen this id, at this sequence.
    Duplicate(u64),
    /// The subject does not end at the expected sequence.
    Behind,
    /// No answer, or another message for the subject is just being stored.
    Unclear,
}

async fn send(
    client: &Client,
    source: &Source,
    letter: &Letter,
    within: Duration,
) -> Result<Outcome, JournalError> {
    let mut headers = HeaderMap::new();
    let mut id = Uuid::encode_buffer();
    headers.insert(MESSAGE_ID, &*letter.id.hyphenated().encode_lower(&mut id));
    headers.insert(EXPECTED_STREAM, source.name());
    headers.insert(EXPECTED_LAST, HeaderValue::from(letter.expected_last));
    if let Some(signature) = &letter.signature {
        headers.insert(SIGNATURE, signature.as_str());
    }
    let request = Request::new()
        .headers(headers)
        .payload(letter.body.clone())
        .timeout(Some(within));
    match client.send_request(letter.subject.clone(), request).await {
        Ok(answer) => Answer::read(&answer.payload)?.outcome(),
        // No leader, no connection or no time: whether it arrived is what nobody knows.
        Err(error) => {
            tracing::debug!(%error, "an append was not answered");
            Ok(Outcome::Unclear)
        }
    }
}

/// What the server says to a published message.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<Failure>,
}

#[derive(Debug, Deserialize, thiserror::Error)]
#[error("NATS: {description} ({err_code})")]
struct Failure {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// The subject does not end where we said.
const WRONG_LAST_SEQUENCE: u64 = 10071;
/// A message with this id is being stored.
const DUPLICATE_IN_PROCESS: u64 = 10158;
/// The leader is new and does not know the subject's end yet.
const NOT_READY: u64 = 10163;
/// The same as [`WRONG_LAST_SEQUENCE`], where a message of the subject is being stored.
const WRONG_LAST_SEQUENCE_IN_PROCESS: u64 = 10164;
/// The id was seen within a batch.
const DUPLICATE_IN_BATCH: u64 = 10201;

impl Answer {
    pub(super) fn read(payload: &[u8]) -> Result<Self, JournalError> {
        serde_json::from_slice(payload).map_err(JournalError::unavailable)
    }

    /// Fails unless the message was stored.
    pub(super) fn accepted(self) -> Result<(), JournalError> {
        self.error
            .map_or(Ok(()), |error| Err(JournalError::unavailable(error)))
    }

    fn outcome(self) -> Result<Outcome, JournalError> {
        match self.error {
            None if self.duplicate => Ok(Outcome::Duplicate(self.seq)),
            None => Ok(Outcome::Stored(self.seq)),
            Some(error) => match error.err_code {
                WRONG_LAST_SEQUENCE => Ok(Outcome::Behind),
                DUPLICATE_IN_PROCESS
                | NOT_READY
                | WRONG_LAST_SEQUENCE_IN_PROCESS
                | DUPLICATE_IN_BATCH => Ok(Outcome::Unclear),
                _ => Err(JournalError::unavailable(error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Outcome};

    fn outcome(json: &str) -> Outcome {
        Answer::read(json.as_bytes()).unwrap().outcome().unwrap()
    }

    fn error(code: u64) -> String {
        format!(
            r#"{{"error":{{"code":400,"err_code":{code},"description":"x"}},"stream":"","seq":0}}"#
        )
    }

    #[test]
    fn both_codes_of_a_lost_race_are_known() {
        assert_eq!(outcome(r#"{"stream":"S","seq":7}"#), Outcome::Stored(7));
        assert_eq!(
            outcome(r#"{"stream":"S","seq":7,"duplicate":true}"#),
            Outcome::Duplicate(7)
        );
        assert_eq!(outcome(&error(10071)), Outcome::Behind);
        for code in [10158, 10163, 10164, 10201] {
            assert_eq!(outcome(&error(code)), Outcome::Unclear);
        }
        assert!(
            Answer::read(error(10077).as_bytes())
                .unwrap()
                .outcome()
                .is_err()
        );
    }
}
