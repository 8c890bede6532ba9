//! The other end of [`super::Remote`]: a process with the role `commands` answers asks.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::Client;
use bytes::Bytes;
use cqrs_es::AggregateError;
use futures::StreamExt as _;
use journal::JournalError;
use journal::health::{Part, supervised};
use journal::store::Loaded;
use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::local::Local;
use super::remote::{Answer, Ask, SUBJECT};
use super::stores::dispatch;
use super::{Desk, Handled};
use crate::precondition::mismatch;

/// Processes of this group share the asks.
const GROUP: &str = "desks";
/// Asks in work at once; more wait in the subscription.
const IN_WORK: usize = 1024;

/// Answers asks for ever; does nothing for a desk that asks others.
pub async fn serve(desk: Desk, client: Client) {
    let part = desk.journal().health().part("desk");
    let (desk, client) = (&desk, &client);
    supervised(part, |part| async move {
        if let Err(error) = answer_asks(desk, client, &part).await {
            tracing::error!(%error, "commands of other processes are not answered");
        }
    })
    .await;
}

/// Until the connection is closed.
async fn answer_asks(desk: &Desk, client: &Client, part: &Part) -> Result<(), JournalError> {
    let Desk::Local(local) = desk else {
        part.waits();
        return std::future::pending().await;
    };
    let subject = format!("{SUBJECT}.*");
    let asks = client.queue_subscribe(subject, GROUP.into()).await;
    let mut asks = asks.map_err(JournalError::unavailable)?;
    let places = Arc::new(Semaphore::new(IN_WORK));
    loop {
        part.waits();
        let Some(message) = asks.next().await else {
            return Ok(());
        };
        part.works();
        let Some(reply) = message.reply else { continue };
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .map_err(JournalError::unavailable)?;
        let (local, client) = (Arc::clone(local), client.clone());
        tokio::spawn(async move {
            let category = message.subject.rsplit('.').next().unwrap_or_default();
            let most = client.server_info().max_payload;
            let answer = dispatch(&local, category, &message.payload, most).await;
            // Whoever got no answer asks again.
            drop(client.publish(reply, Bytes::from(answer)).await);
            drop(place);
        });
    }
}

/// Carries out one ask for aggregates of this kind, and answers in at most so many bytes.
pub(super) async fn answer<A: Handled>(local: &Local, ask: &[u8], most: usize) -> Vec<u8> {
    let answer: Answer<Loaded<A>, A::Error> = match serde_json::from_slice(ask) {
        Ok(Ask::<A::Id, A::Command> {
            id,
            command,
            origin,
            expected,
            traceparent,
        }) => match local
            .send::<A>(id, command, &origin, expected)
            .instrument(asked_in(traceparent))
            .await
        {
            Ok(loaded) => Answer::Done(Loaded::clone(&loaded)),
            Err(AggregateError::UserError(refusal)) => Answer::Refused(refusal),
            Err(AggregateError::AggregateConflict) => Answer::Conflict,
            Err(error) if mismatch(&error).is_some() => {
                Answer::Mismatch(mismatch(&error).map_or(0, |moved| moved.current))
            }
            Err(AggregateError::DatabaseConnectionError(error)) => {
                Answer::Unavailable(error.to_string())
            }
            Err(AggregateError::DeserializationError(error)) => {
                Answer::Unreadable(error.to_string())
            }
            Err(AggregateError::UnexpectedError(error)) => Answer::Failed(error.to_string()),
        },
        Err(error) => Answer::Failed(format!("the ask cannot be read: {error}")),
    };
    let whole = serde_json::to_vec(&answer).unwrap_or_default();
    if whole.len() <= most {
        return whole;
    }
    let short = match answer {
        Answer::Done(_) | Answer::DoneUnsent => Answer::<(), ()>::DoneUnsent,
        Answer::Refused(_)
        | Answer::Conflict
        | Answer::Mismatch(_)
        | Answer::Unavailable(_)
        | Answer::Unreadable(_)
        | Answer::Failed(_) => Answer::Failed(format!(
            "an answer of {} bytes is too large; NATS takes messages of {most}",
            whole.len()
        )),
    };
    serde_json::to_vec(&short).unwrap_or_default()
}

/// There is no such category here: a newer program asked.
pub(super) fn unknown(category: &str) -> Vec<u8> {
    let answer = Answer::<(), ()>::Failed(format!("no aggregate is called {category}"));
    serde_json::to_vec(&answer).unwrap_or_default()
}

/// A span in the trace of the process that asks.
fn asked_in(traceparent: Option<String>) -> Span {
    let span = tracing::info_span!("ask");
    if let Some(traceparent) = traceparent {
        let headers = HashMap::from([("traceparent".to_owned(), traceparent)]);
        let asking =
            opentelemetry::global::get_text_map_propagator(|traces| traces.extract(&headers));
        // An error means that nobody listens to traces here.
        drop(span.set_parent(asking));
    }
    span
}
