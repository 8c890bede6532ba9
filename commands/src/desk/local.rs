//! The desk that decides and appends in this process.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use cqrs_es::{Aggregate as _, AggregateError};
use domain::contact::aggregate::Contact;
use domain::event::{About, Sealer, Stored as _};
use domain::id::Keyed as _;
use domain::lead::aggregate::Lead;
use journal::store::{Loaded, Meta};
use journal::token::StreamId;
use journal::vault::Subject;
use journal::{JournalError, failpoint};
use opentelemetry::trace::TraceContextExt as _;
use tokio::sync::Mutex;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{Expected, Handled, Outcome, Stores, stream_of};
use crate::clock::Clock;
use crate::meters::{self, Commands};
use crate::origin::Origin;
use crate::precondition::mismatch;

/// How often a lost race is decided again before the caller is told to come back.
const MAX_TRIES: u32 = 64;
/// Writers of one stream in this process wait for each other here instead of losing races.
const STRIPES: usize = 4096;

/// The desk that decides and appends in this process.
pub struct Local {
    pub(super) stores: Stores,
    pub(super) clock: Clock,
    stripes: Box<[Mutex<()>]>,
    hasher: RandomState,
    meters: Commands,
}

impl Local {
    pub(super) fn new(stores: Stores, clock: Clock) -> Self {
        Self {
            stores,
            clock,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
            meters: Commands::of(Stores::CATEGORIES),
        }
    }

    /// See [`super::Desk::send`], [`super::Desk::send_at`] and [`super::Desk::open`].
    #[tracing::instrument(name = "command", skip_all, fields(category = A::TYPE, id = %id))]
    pub(super) async fn send<A: Handled>(
        &self,
        id: A::Id,
        command: A::Command,
        origin: &Origin,
        expected: Expected,
    ) -> Outcome<A> {
        let outcome = self.carry_out(id, command, origin, expected).await;
        if let Some(meters) = self.meters.get(A::TYPE) {
            let ended = match &outcome {
                Ok(_) => &meters.done,
                Err(AggregateError::UserError(_)) => &meters.refused,
                Err(error) if mismatch(error).is_some() => &meters.refused,
                Err(AggregateError::AggregateConflict) => &meters.conflict,
                Err(
                    AggregateError::DatabaseConnectionError(_)
                    | AggregateError::DeserializationError(_)
                    | AggregateError::UnexpectedError(_),
                ) => &meters.failed,
            };
            ended.increment(1);
        }
        outcome
    }

    async fn carry_out<A: Handled>(
        &self,
        id: A::Id,
        command: A::Command,
        origin: &Origin,
        expected: Expected,
    ) -> Outcome<A> {
        let stream = stream_of(A::store(&self.stores), &origin.workspace, id).map_err(failed)?;
        let name = command_name(&command);
        let commit_id = origin.commit_id(&stream, &name);
        if origin.retried
            && let Some(done) = self.done_before::<A>(&stream, commit_id, origin).await?
        {
            meters::appended_before();
            return Ok(done);
        }
        let _turn = if expected.fresh {
            None
        } else {
            Some(self.stripe(&stream).lock().await)
        };
        let is_empty = expected.fresh || expected.version == Some(0);
        let mut seen = if is_empty {
            Arc::new(Loaded::default())
        } else {
            A::store(&self.stores).load(&stream).await.map_err(failed)?
        };
        let mut certain = false;
        let undo = origin.undo_in(&stream);
        for _ in 0..MAX_TRIES {
            let moved = expected
                .version
                .is_some_and(|version| version != seen.version)
                || undo.is_some_and(|undo| undo.behind != seen.last);
            let precondition = origin.precondition.as_ref();
            let precondition = precondition.map(|it| it.check(A::TYPE, &stream.id, seen.version));
            let mismatch = precondition.and_then(Result::err);
            if moved || mismatch.is_some() {
                if certain {
                    // Perhaps it moved on because of an ask before this one.
                    let done = match origin.seed {
                        Some(_) => self.done_before::<A>(&stream, commit_id, origin).await?,
                        None => None,
                    };
                    let refused = mismatch.map(Into::into);
                    return done.ok_or(refused.unwrap_or(AggregateError::AggregateConflict));
                }
                // What was cached may be older than what the caller has seen.
                seen = A::store(&self.stores)
                    .reload(&stream)
                    .await
                    .map_err(failed)?;
                certain = true;
                continue;
            }
            let events = match seen.state.decide(command.clone()) {
                Ok(events) if !events.is_empty() => events,
                Ok(_) if certain => return Ok(seen),
                Err(refusal) if certain => return Err(AggregateError::UserError(refusal)),
                // Another process may have changed it since it was cached: look before refusing.
                Ok(_) | Err(_) => {
                    seen = A::store(&self.stores)
                        .reload(&stream)
                        .await
                        .map_err(failed)?;
                    certain = true;
                    continue;
                }
            };
            failpoint::reach("command.decided");
            let person = self.person::<A>(&stream, &seen.state, &events).await?;
            let meta = Meta {
                person,
                ..self.meta(&stream, commit_id, name.clone(), origin)
            };
            match A::store(&self.stores)
                .append(&stream, seen, &events, meta)
                .await
            {
                Ok(loaded) => {
                    failpoint::reach("command.appended");
                    return Ok(loaded);
                }
                Err(JournalError::Conflict) => {
                    tracing::debug!(%stream, "lost a race; deciding again");
                    let meters = self.meters.get(A::TYPE);
                    meters.inspect(|meters| meters.lost.increment(1));
                    seen = A::store(&self.stores)
                        .reload(&stream)
                        .await
                        .map_err(failed)?;
                    if seen.remembers(commit_id)
                        && let Some(done) =
                            self.done_before::<A>(&stream, commit_id, origin).await?
                    {
                        meters::appended_before();
                        return Ok(done);
                    }
                    meters.inspect(|meters| meters.again.increment(1));
                    certain = true;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(AggregateError::AggregateConflict)
    }

    /// What an earlier try of the same request left behind.
    async fn done_before<A: Handled>(
        &self,
        stream: &StreamId,
        commit_id: uuid::Uuid,
        origin: &Origin,
    ) -> Result<Option<Arc<Loaded<A>>>, AggregateError<A::Error>> {
        A::store(&self.stores)
            .load_after(stream, commit_id, origin.behind)
            .await
            .map_err(failed)
    }

    /// Whose key seals what these events say of the person whom the aggregate is about.
    async fn person<A: Handled>(
        &self,
        stream: &StreamId,
        before: &A,
        events: &[A::Event],
    ) -> Result<Option<Subject>, AggregateError<A::Error>> {
        let fields = events.iter().flat_map(|event| event.kind().personal);
        if !fields
            .into_iter()
            .any(|field| field.subject == Sealer::Person)
        {
            return Ok(None);
        }
        let mut after = before.clone();
        for event in events {
            after.apply(event.clone());
        }
        let mut about = after.about();
        let mut name = None;
        if let About::Lead(lead) = about {
            let stream = stream_of(Lead::store(&self.stores), &stream.workspace, lead);
            let stream = stream.map_err(failed)?;
            let lead_now = Lead::store(&self.stores).load(&stream).await;
            about = lead_now.map_err(failed)?.state.about();
            name = Some(Subject::of(&stream));
        }
        Ok(match about {
            About::Contact(contact) => {
                let name = format!("{}-{contact}", Contact::TYPE);
                Some(Subject::named(stream.workspace.clone(), name))
            }
            About::Itself | About::Lead(_) => name,
        })
    }

    fn stripe(&self, stream: &StreamId) -> &Mutex<()> {
        let hash = self.hasher.hash_one(stream);
        &self.stripes[usize::try_from(hash % STRIPES as u64).unwrap_or_default()]
    }

    fn meta(
        &self,
        stream: &StreamId,
        commit_id: uuid::Uuid,
        command: String,
        origin: &Origin,
    ) -> Meta {
        Meta {
            commit_id,
            actor: origin.actor.clone(),
            command,
            correlation: origin.correlation,
            causation: origin.causation,
            undoes: origin.undo_in(stream).map(|undo| undo.commit),
            person: None,
            traceparent: traceparent(),
            asked: origin.asked.clone(),
            at: self.clock.now(),
            retried: origin.seed.is_some(),
        }
    }
}

/// The variant's name as it travels: commands are tagged enums, or one struct.
pub(super) fn command_name<C: serde::Serialize>(command: &C) -> String {
    #[derive(serde::Deserialize)]
    struct Tag {
        command: Option<String>,
    }
    let json = serde_json::to_string(command).unwrap_or_default();
    let tag = serde_json::from_str(&json)
        .ok()
        .and_then(|Tag { command }| command);
    tag.unwrap_or_else(|| "change".into())
}

/// The W3C trace context of the current span, where it is recorded.
pub(super) fn traceparent() -> Option<String> {
    let context = tracing::Span::current().context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut headers = std::collections::HashMap::new();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut headers);
    });
    headers.remove("traceparent")
}

/// The log's failures in the write model's vocabulary.
pub(crate) fn failed<E: std::error::Error>(error: JournalError) -> AggregateError<E> {
    match error {
        JournalError::Conflict => AggregateError::AggregateConflict,
        error @ JournalError::Unavailable(_) => {
            AggregateError::DatabaseConnectionError(error.into())
        }
        error @ (JournalError::Corrupt { .. } | JournalError::Damaged(_)) => {
            AggregateError::DeserializationError(error.into())
        }
        error @ (JournalError::TooLarge { .. } | JournalError::Malformed(_)) => {
            AggregateError::UnexpectedError(error.into())
        }
    }
}
