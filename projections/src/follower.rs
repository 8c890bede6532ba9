//! Keeps the read models: follows the log, and writes rows and checkpoint in one transaction.
//!
//! - here: which generations this process keeps
//! - [`feed`]: the log, decoded; the active ones share one
//! - [`held`]: a generation in our hands, and what a batch does to it
//! - [`build`]: generations that catch up beside the active ones, and take their places
//!
//! Invariant: what reads see never goes back, and no event counts twice.

mod build;
mod feed;
mod held;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use commands::clock::Clock;
use commands::lease::Watch;
use futures::StreamExt as _;
use jiff::Timestamp;
use journal::health::{Part, supervised};
use journal::position::Position;
use journal::{Journal, JournalError};
use tokio::task::JoinSet;

use crate::db::DbError;
use crate::meters::{self, Far};
use crate::progress::Progress;
use crate::projection::{Screen, newest};
use crate::registry::{Generation, LEASE, Registry, State};
use build::Site;
use feed::feed;
use held::Held;

/// How often leases are renewed and new generations are looked for.
const TICK: Duration = Duration::from_secs(1);

/// Why read models are not kept.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The log does not answer.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database does not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The checkpoint is of another log.
    #[error(
        "the read models of {projection} were made from another event log ({theirs}, not {ours}): \
         point DATABASE_URL to a new database, or NATS_URL or DATA_DIR to their log"
    )]
    OtherLog {
        /// Which projection.
        projection: String,
        /// The log it follows.
        theirs: String,
        /// The log that is here.
        ours: String,
    },
    /// The checkpoint is ahead of the log.
    #[error(
        "{projection} has seen {checkpoint}, but the log ends at {head}: the log has lost commits. \
         Restore it before going on; nothing was changed"
    )]
    LostData {
        /// Which projection.
        projection: String,
        /// How far it is.
        checkpoint: Position,
        /// How far the log is.
        head: Position,
    },
}

/// Keeps the read models of one database.
pub struct Follower {
    journal: Journal,
    registry: Registry,
    screens: Arc<[Box<dyn Screen>]>,
    progress: Progress,
    clock: Clock,
    /// Names this process to others.
    me: String,
    held: Mutex<Vec<Generation>>,
    watched: Mutex<Watched>,
}

/// The leases of others, by projection and generation; every renewal changes the mark.
type Watched = HashMap<(String, u32), Watch<(i64, Timestamp)>>;

/// Why a session ended in peace: who keeps what has changed.
struct Regroup;

impl Follower {
    /// A follower of these screens. `me` names the process; two that run at once need two names.
    #[must_use]
    pub fn new(
        journal: Journal,
        registry: Registry,
        screens: Arc<[Box<dyn Screen>]>,
        progress: Progress,
        clock: Clock,
        me: impl Into<String>,
    ) -> Self {
        Self {
            journal,
            registry,
            screens,
            progress,
            clock,
            me: me.into(),
            held: Mutex::default(),
            watched: Mutex::default(),
        }
    }

    /// Refuses read models that belong to another log, or that have seen more than the log holds.
    pub async fn check(&self) -> Result<(), FollowError> {
        let mut seen = Vec::new();
        for generation in self.registry.generations().await? {
            let number = generation.number;
            let checkpoints = self.registry.checkpoints(&generation.name, number).await?;
            seen.extend(
                checkpoints
                    .into_iter()
                    .map(|seen| (generation.name.clone(), seen)),
            );
        }
        // Asked after the checkpoints: others append and follow meanwhile.
        let (ours, heads) = (self.journal.identity(), self.journal.heads().await?);
        for (projection, checkpoint) in seen {
            if checkpoint.log != ours {
                return Err(FollowError::OtherLog {
                    projection,
                    theirs: checkpoint.log,
                    ours,
                });
            }
            let position = checkpoint.position;
            let head = heads
                .iter()
                .find(|head| head.partition == position.partition);
            if let Some(head) = head.filter(|head| head.sequence < position.sequence) {
                return Err(FollowError::LostData {
                    projection,
                    checkpoint: position,
                    head: *head,
                });
            }
        }
        Ok(())
    }

    /// Follows for ever.
    pub async fn run(&self) {
        let part = self.journal.health().part("follower");
        supervised(part, |part| self.keep_following(part)).await;
    }

    async fn keep_following(&self, part: Part) {
        loop {
            match self.session(&part).await {
                Ok(Regroup) => {}
                Err(error) => {
                    part.fails(&error);
                    meters::kept_by_others(&self.screens, std::iter::empty());
                    tracing::warn!(%error, "the read models are not kept for a moment");
                    tokio::time::sleep(TICK).await;
                }
            }
        }
    }

    /// Lets other processes take what this one keeps, without waiting for the lease.
    pub async fn give_back(&self) {
        let held = std::mem::take(&mut *self.lock());
        meters::kept_by_others(&self.screens, std::iter::empty());
        for generation in held {
            drop(self.registry.give_back(&generation).await);
        }
    }

    /// Takes what is free, and keeps it until somebody else does or something is new.
    async fn session(&self, part: &Part) -> Result<Regroup, FollowError> {
        self.check().await?;
        let (mut front, behind) = self.take_all().await?;
        meters::kept_by_others(&self.screens, front.iter().map(Held::name));
        if front.is_empty() && behind.is_empty() {
            part.works();
            tokio::time::sleep(TICK).await;
            return Ok(Regroup);
        }
        self.tell(&front);
        let (site, mut builds) = (self.site(), JoinSet::new());
        for group in build::grouped(behind) {
            builds.spawn(site.clone().catch_up(group));
        }
        let _clearing = self.clear_aside();
        let mut feed = feed(&self.journal, &front);
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                Some(batch) = feed.next() => {
                    let batch = batch?;
                    if !held::apply(&self.registry, &self.screens, &mut front, &batch).await? {
                        return Ok(Regroup);
                    }
                    self.tell(&front);
                    part.works();
                }
                Some(ready) = builds.join_next() => {
                    for next in ready.map_err(JournalError::unavailable)?.into_iter().flatten() {
                        let name = next.name().to_owned();
                        if !site.take_over(&mut front, next).await? {
                            // Once is nothing; whoever builds again and again stands still.
                            part.fails(format!("{name} was built, and does not take over"));
                        }
                        self.tell(&front);
                    }
                    return Ok(Regroup);
                }
                _ = tick.tick() => {
                    // Whoever has something to do and does none of it is not heard of.
                    if self.report(&front).await? == 0.0 {
                        part.works();
                    }
                    if !self.keep_all().await? {
                        return Ok(Regroup);
                    }
                }
            }
        }
    }

    /// Every generation that we can keep and nobody else does: the active ones, and the others.
    async fn take_all(&self) -> Result<(Vec<Held>, Vec<Held>), FollowError> {
        self.begin_missing().await?;
        let (mut front, mut behind, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        let known_held = self.lock().clone();
        for known in self.registry.generations().await? {
            let known = self.believed(known);
            let Some(screen) = self.screen_of(&known) else {
                continue;
            };
            let holding = known_held
                .iter()
                .find(|held| is(held, &known) && held.epoch == known.epoch);
            let taken = match holding {
                // Its state may have changed since it was taken: a build that is done is active.
                Some(held) => {
                    let held = Generation {
                        state: known.state,
                        ..held.clone()
                    };
                    self.registry.keep(&held, self.clock.now()).await?
                }
                None => {
                    self.registry
                        .take(&known, &self.me, self.clock.now())
                        .await?
                }
            };
            let Some(taken) = taken else { continue };
            kept.push(taken.clone());
            let held = Held::load(&self.registry, screen, taken).await?;
            if held.is_active() {
                front.push(held);
            } else {
                behind.push(held);
            }
        }
        *self.lock() = kept;
        Ok((front, behind))
    }

    /// Begins a generation of every projection that has none of our version, unless a newer
    /// program has gone ahead.
    async fn begin_missing(&self) -> Result<(), FollowError> {
        let known = self.registry.generations().await?;
        // Asked once, so that all screens of an empty log begin alike.
        let (log, heads) = (self.journal.identity(), self.journal.heads().await?);
        for screen in newest(&self.screens) {
            let newest = known
                .iter()
                .filter(|known| known.name == screen.name())
                .map(|known| known.version)
                .max();
            if newest.is_some_and(|newest| newest >= screen.version()) {
                continue;
            }
            match self.registry.begin(screen, &log, &heads).await {
                // Another process was faster.
                Ok(_) | Err(DbError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The screen that keeps a generation: of any version that we know how to keep where reads use
    /// it, of the newest one where it is being built.
    fn screen_of(&self, generation: &Generation) -> Option<usize> {
        let (name, version) = (generation.name.as_str(), generation.version);
        let kept = generation.state == State::Active
            || newest(&self.screens).any(|newest| is_of(newest, name, version));
        let mut screens = self.screens.iter();
        screens
            .position(|screen| is_of(&**screen, name, version))
            .filter(|_| kept)
    }

    /// Renews every lease; tells whether everything is still as it was.
    async fn keep_all(&self) -> Result<bool, FollowError> {
        let mut held = self.lock().clone();
        for generation in &mut held {
            match self.registry.keep(generation, self.clock.now()).await? {
                Some(kept) => *generation = kept,
                None => return Ok(false),
            }
        }
        let free = self.registry.generations().await?.into_iter().any(|known| {
            let ours = held.iter().any(|held| is(held, &known));
            let known = self.believed(known);
            !ours && self.screen_of(&known).is_some() && known.until < self.clock.now()
        });
        *self.lock() = held;
        Ok(!free)
    }

    /// A lease that its keeper has not renewed while we watched is over, whatever moment it names.
    fn believed(&self, known: Generation) -> Generation {
        let of = (known.name.clone(), known.number);
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let (watch, mark) = (watched.entry(of).or_default(), (known.epoch, known.until));
        if watch.is_silent(mark, LEASE.unsigned_abs(), Instant::now()) {
            let until = Timestamp::UNIX_EPOCH;
            return Generation { until, ..known };
        }
        known
    }

    fn site(&self) -> Site {
        Site {
            journal: self.journal.clone(),
            registry: self.registry.clone(),
            screens: Arc::clone(&self.screens),
        }
    }

    /// Removes the tables that nobody needs any more, until the answer is dropped.
    fn clear_aside(&self) -> JoinSet<()> {
        let (db, mut clearing) = (self.registry.db().clone(), JoinSet::new());
        clearing.spawn(async move {
            if let Err(error) = db.clear_aside().await {
                tracing::warn!(%error, "tables that nobody needs any more are not removed yet");
            }
        });
        clearing
    }

    fn tell(&self, front: &[Held]) {
        let shown = front.iter().flat_map(|held| {
            held.checkpoints()
                .map(move |position| (held.name(), position))
        });
        self.progress.tell(shown);
    }

    /// Lag in events and seconds, and a heartbeat; answers how many commits all of them lack.
    async fn report(&self, front: &[Held]) -> Result<f64, FollowError> {
        let (heads, now) = (self.journal.heads().await?, self.clock.now());
        let mut lack = 0.0;
        for held in front {
            let far = Far {
                name: held.name(),
                events: held.lag(&heads),
                seconds: held.lag_seconds(&heads, now),
                parked: held.parked_count(),
            };
            lack += far.events;
            meters::kept(&far, now);
        }
        Ok(lack)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Generation>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_of(screen: &dyn Screen, name: &str, version: u32) -> bool {
    screen.name() == name && screen.version() == version
}

fn is(one: &Generation, other: &Generation) -> bool {
    one.name == other.name && one.number == other.number
}
