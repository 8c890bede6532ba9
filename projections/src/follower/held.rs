//! A generation in our hands, and what a batch of changes does to it.

use std::collections::HashSet;
use std::time::Instant;

use jiff::Timestamp;
use journal::failpoint;
use journal::position::Position;
use journal::token::StreamId;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::FollowError;
use crate::change::{Change, Followed};
use crate::db::{DbError, Statement};
use crate::meters;
use crate::projection::{Plan, Poison, Screen};
use crate::registry::{Checkpoint, Generation, Registry, State};

/// With this many commits to write, one transaction less is worth less than a second hand.
const MANY: usize = 512;

/// A generation that this process keeps.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) generation: Generation,
    /// Its place among the screens.
    pub(super) screen: usize,
    checkpoints: Vec<Checkpoint>,
    parked: HashSet<StreamId>,
}

impl Held {
    pub(super) async fn load(
        registry: &Registry,
        screen: usize,
        generation: Generation,
    ) -> Result<Self, DbError> {
        let checkpoints = registry
            .checkpoints(&generation.name, generation.number)
            .await?;
        let parked = registry.parked().await?.into_iter().filter(|parked| {
            parked.projection == generation.name && parked.generation == generation.number
        });
        let parked = parked
            .filter_map(|parked| parked.stream.parse().ok())
            .collect();
        Ok(Self {
            generation,
            screen,
            checkpoints,
            parked,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.generation.name
    }

    pub(super) fn is_active(&self) -> bool {
        self.generation.state == State::Active
    }

    pub(super) fn checkpoints(&self) -> impl Iterator<Item = Position> {
        self.checkpoints
            .iter()
            .map(|checkpoint| checkpoint.position)
    }

    pub(super) fn checkpoint(&self, partition: u16) -> Position {
        self.checkpoints()
            .find(|position| position.partition == partition)
            .unwrap_or(Position {
                partition,
                sequence: 0,
            })
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    pub(super) fn lag(&self, heads: &[Position]) -> f64 {
        let behind = |head: &Position| {
            head.sequence
                .saturating_sub(self.checkpoint(head.partition).sequence)
        };
        heads.iter().map(behind).sum::<u64>() as f64
    }

    /// Seconds since the last commit that it shows, where there are later ones.
    pub(super) fn lag_seconds(&self, heads: &[Position], now: Timestamp) -> f64 {
        let late = self.checkpoints.iter().filter(|checkpoint| {
            heads.iter().any(|head| {
                head.partition == checkpoint.position.partition
                    && head.sequence > checkpoint.position.sequence
            })
        });
        late.map(|checkpoint| now.duration_since(checkpoint.at).as_secs_f64())
            .fold(0.0, f64::max)
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    pub(super) fn parked_count(&self) -> f64 {
        self.parked.len() as f64
    }

    /// The part of a batch that it has not seen.
    fn unseen<'a>(&self, batch: &'a [Followed]) -> &'a [Followed] {
        let Some(first) = batch.first() else {
            return batch;
        };
        let seen = self.checkpoint(first.position().partition).sequence;
        &batch[batch.partition_point(|change| change.position().sequence <= seen)..]
    }

    /// What must be written so that it has seen these.
    async fn statements(
        &self,
        registry: &Registry,
        screens: &[Box<dyn Screen>],
        unseen: &[Followed],
    ) -> Result<(Vec<Statement>, Vec<Poison>), DbError> {
        let Some(last) = unseen.last() else {
            return Ok((Vec::new(), Vec::new()));
        };
        let screen = &screens[self.screen];
        let Plan {
            mut statements,
            poisoned,
        } = screen
            .plan(registry.db(), self.generation.number, unseen, &self.parked)
            .await?;
        statements.extend(
            poisoned
                .iter()
                .map(|poison| registry.park(&self.generation, poison)),
        );
        let erased = unseen.iter().filter_map(Followed::change);
        let erased = erased.filter(|change| change.erases());
        let erased = erased.map(Change::stream).filter(|stream| {
            self.parked.contains(stream) || poisoned.iter().any(|poison| poison.stream == *stream)
        });
        statements.extend(erased.map(|stream| registry.hush(&self.generation, &stream)));
        let (from, to) = (self.checkpoint(last.position().partition), last.position());
        statements.push(registry.advance(&self.generation, from, to, self.seen_until(unseen)));
        Ok((statements, poisoned))
    }

    /// When the last of these was made; what cannot be read tells no time.
    fn seen_until(&self, unseen: &[Followed]) -> Timestamp {
        let made = unseen.iter().rev().find_map(Followed::change);
        let before = |last: &Followed| {
            let partition = last.position().partition;
            let known = self.checkpoints.iter();
            known
                .filter(|known| known.position.partition == partition)
                .map(|known| known.at)
                .next()
        };
        made.map(|change| change.recorded.commit.at)
            .or_else(|| unseen.last().and_then(before))
            .unwrap_or_default()
    }

    /// What was written has been seen.
    fn advanced(&mut self, unseen: &[Followed], poisoned: Vec<Poison>) {
        let Some(last) = unseen.last() else { return };
        let at = self.seen_until(unseen);
        for poison in poisoned {
            tracing::error!(
                projection = self.name(), stream = %poison.stream, position = %poison.position, reason = poison.reason,
                "parked: this screen does not follow this record any more; see rapport projections list"
            );
            self.parked.insert(poison.stream);
        }
        let partition = last.position().partition;
        if let Some(known) = self
            .checkpoints
            .iter_mut()
            .find(|known| known.position.partition == partition)
        {
            known.position = last.position();
            known.at = at;
        }
    }
}

/// Lets all of these see a batch, each with its checkpoint in one transaction. `false` where another process keeps one
/// of them by now.
pub(super) async fn apply(
    registry: &Registry,
    screens: &[Box<dyn Screen>],
    front: &mut [Held],
    batch: &[Followed],
) -> Result<bool, FollowError> {
    let (spans, begun) = (spans(batch), Instant::now());
    let done = match together(registry, screens, front, batch).await {
        Err(DbError::Refused(reason)) => {
            tracing::warn!(
                reason,
                "a batch was refused; its changes are tried one by one"
            );
            one_by_one(registry, screens, front, batch).await
        }
        done => done,
    };
    drop(spans);
    match done {
        Ok(()) => {
            meters::wrote(batch.len(), begun);
            forget(registry, screens, front, batch).await;
            Ok(true)
        }
        Err(DbError::Fenced | DbError::Gone(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Where a person was erased, nothing of the old rows may stay on disk.
async fn forget(
    registry: &Registry,
    screens: &[Box<dyn Screen>],
    front: &[Held],
    batch: &[Followed],
) {
    let mut changes = batch.iter().filter_map(Followed::change);
    if !changes.any(Change::erases) {
        return;
    }
    let tables = front
        .iter()
        .flat_map(|held| screens[held.screen].tables(held.generation.number));
    let tables: Vec<_> = tables.chain([Registry::parked_table()]).collect();
    if let Err(error) = registry.db().scrub(&tables).await {
        tracing::warn!(%error, "old rows of an erased person may stay on disk until the next erasure");
    }
}

/// In one transaction; where many commits wait and the database has a hand for each, in one
/// transaction per generation.
async fn together(
    registry: &Registry,
    screens: &[Box<dyn Screen>],
    front: &mut [Held],
    batch: &[Followed],
) -> Result<(), DbError> {
    if batch.len() < MANY || !registry.db().writes_side_by_side() {
        return at_once(registry, screens, front, batch).await;
    }
    let each = front
        .iter_mut()
        .map(|held| at_once(registry, screens, std::slice::from_mut(held), batch));
    // Each to its end: what was written must be known.
    futures::future::join_all(each).await.into_iter().collect()
}

async fn at_once(
    registry: &Registry,
    screens: &[Box<dyn Screen>],
    front: &mut [Held],
    batch: &[Followed],
) -> Result<(), DbError> {
    let plans = front
        .iter()
        .map(|held| held.statements(registry, screens, held.unseen(batch)));
    let plans = futures::future::try_join_all(plans).await?;
    let (statements, poisoned): (Vec<_>, Vec<_>) = plans.into_iter().unzip();
    failpoint::reach("follow.planned");
    registry
        .db()
        .transact(statements.into_iter().flatten().collect())
        .await?;
    failpoint::reach("follow.written");
    for (held, poisoned) in front.iter_mut().zip(poisoned) {
        let unseen = held.unseen(batch);
        held.advanced(unseen, poisoned);
    }
    Ok(())
}

/// Finds the change that is refused, and parks its aggregate.
async fn one_by_one(
    registry: &Registry,
    screens: &[Box<dyn Screen>],
    front: &mut [Held],
    batch: &[Followed],
) -> Result<(), DbError> {
    for held in front {
        for change in batch {
            let one = std::slice::from_mut(held);
            match together(registry, screens, one, std::slice::from_ref(change)).await {
                Err(DbError::Refused(reason)) => pass_over(registry, held, change, reason).await?,
                done => done?,
            }
        }
    }
    Ok(())
}

async fn pass_over(
    registry: &Registry,
    held: &mut Held,
    change: &Followed,
    reason: String,
) -> Result<(), DbError> {
    let position = change.position();
    let poison = change.stream().map(|stream| Poison {
        stream,
        position,
        reason,
    });
    let one = std::slice::from_ref(change);
    let (from, at) = (held.checkpoint(position.partition), held.seen_until(one));
    let advance = registry.advance(&held.generation, from, position, at);
    let park = poison
        .iter()
        .map(|poison| registry.park(&held.generation, poison));
    let statements = park.chain([advance]).collect();
    registry.db().transact(statements).await?;
    held.advanced(one, poison.into_iter().collect());
    Ok(())
}

/// A span for each change that was traced, in the trace of the request that made it.
fn spans(batch: &[Followed]) -> Vec<Span> {
    let traced = batch.iter().filter_map(Followed::change);
    let traced = traced.filter_map(|change| {
        let commit = &change.recorded.commit;
        let traceparent = commit.traceparent.clone()?;
        let span = tracing::info_span!("project", category = %commit.category, id = %commit.id);
        let headers = std::collections::HashMap::from([("traceparent".to_owned(), traceparent)]);
        let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.extract(&headers)
        });
        drop(span.set_parent(parent));
        Some(span)
    });
    traced.collect()
}
