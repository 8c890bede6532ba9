//! Who works and who stands still: every background task of a process reports here.
//!
//! - [`Health`]: the parts of a process, and which of them stand still
//! - [`Part`]: what one task reports through
//! - [`calls`]: calls to the outside that a process lets end before it stops
//! - [`supervise`]: a task that panics or ends is counted, named and begun again
//!
//! A part stands still where it says so, where it has failed for [`FAILS`] without one success in
//! between, or where it has not been heard of for [`SILENT`]. Time is that of a monotonic clock: a
//! clock that jumps makes nobody stand still.

pub mod calls;
mod supervise;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::meters;
pub use supervise::{supervised, supervised_thread};

/// A part that fails for this long stands still.
pub const FAILS: Duration = Duration::from_secs(5);
/// A part that neither works nor waits, and that has not been heard of for this long, stands still.
pub const SILENT: Duration = Duration::from_secs(30);
/// So much of what a part leaves aside is named.
pub const TOLD: usize = 20;
/// So long after a failure a part that works again is believed: what fails every few seconds does
/// not work in between.
const BELIEVED: Duration = Duration::from_secs(10);

/// The parts of a process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health {
    shared: Arc<Mutex<Shared>>,
    calls: calls::Calls,
}

#[derive(Debug, Default)]
struct Shared {
    /// By name; a part is forgotten with its last handle.
    parts: BTreeMap<String, Weak<Known>>,
    /// Every kind of task that there has been a part of: the label of its gauge.
    tasks: BTreeSet<String>,
}

/// What one task reports through. Cheap to clone; the part is forgotten with the last clone.
#[derive(Clone)]
pub struct Part(Arc<Known>);

impl fmt::Debug for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Part").field(&self.0.name).finish()
    }
}

#[derive(Debug)]
struct Known {
    /// The kind of task: one series of the metrics.
    task: String,
    /// The task, and which of its kind.
    name: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    heard: Instant,
    /// Whether it waits for something to do: then nothing need be heard of it.
    idle: bool,
    failing: Option<Failing>,
    /// It said so itself.
    still: Option<(String, Instant)>,
    parked: Vec<Parked>,
}

#[derive(Debug)]
struct Failing {
    reason: String,
    first: Instant,
    last: Instant,
    /// Whether once was enough, as a panic is.
    broke: bool,
}

/// Something that a part leaves aside, and tries again later, while everything else goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// Which part: `policy-transfer 0`.
    pub task: String,
    /// What is left aside, as `main.lead.7`.
    pub what: String,
    /// Why, without personal data.
    pub reason: String,
}

/// A part that stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standstill {
    /// Which part: `policy-transfer 0`.
    pub task: String,
    /// Why, without personal data.
    pub reason: String,
    /// For how long, in seconds.
    pub for_seconds: u64,
}

impl Health {
    /// The calls to the outside that are under way.
    #[must_use]
    pub const fn calls(&self) -> &calls::Calls {
        &self.calls
    }

    /// The part of this name; it counts as working from now on.
    #[must_use]
    pub fn part(&self, task: &str) -> Part {
        self.register(task, task.to_owned())
    }

    /// One of several parts of the same kind, which share a series of the metrics.
    #[must_use]
    pub fn part_of(&self, task: &str, which: impl Display) -> Part {
        self.register(task, format!("{task} {which}"))
    }

    fn register(&self, task: &str, name: String) -> Part {
        let mut shared = self.lock();
        if let Some(known) = shared.parts.get(&name).and_then(Weak::upgrade) {
            return Part(known);
        }
        if shared.tasks.insert(task.to_owned()) {
            // Both series are there before anything goes wrong.
            meters::task_restarts(task, 0);
            meters::task_stalled(task, Some(false));
        }
        shared.parts.retain(|_, known| known.strong_count() > 0);
        let known = Arc::new(Known {
            task: task.to_owned(),
            name: name.clone(),
            state: Mutex::new(State {
                heard: Instant::now(),
                idle: false,
                failing: None,
                still: None,
                parked: Vec::new(),
            }),
        });
        shared.parts.insert(name, Arc::downgrade(&known));
        Part(known)
    }

    /// Every part that stands still, by name.
    #[must_use]
    pub fn standing_still(&self) -> Vec<Standstill> {
        self.standing_still_at(Instant::now())
    }

    fn standing_still_at(&self, now: Instant) -> Vec<Standstill> {
        let parts = self.parts();
        let stands = |part: &Arc<Known>| part.lock().standstill(&part.name, now);
        parts.iter().filter_map(stands).collect()
    }

    /// Everything that is left aside, by part; at most [`TOLD`] of each.
    #[must_use]
    pub fn parked(&self) -> Vec<Parked> {
        let parts = self.parts();
        let parked = |part: &Arc<Known>| part.lock().parked.clone();
        parts.iter().flat_map(parked).collect()
    }

    /// Sets the gauge of every task.
    pub fn measure(&self) {
        let now = Instant::now();
        let parts = self.parts();
        let tasks = self.lock().tasks.clone();
        for task in tasks {
            let mut of_task = parts.iter().filter(|part| part.task == task).peekable();
            let known = of_task.peek().is_some();
            let still = of_task.any(|part| part.lock().standstill(&part.name, now).is_some());
            meters::task_stalled(&task, known.then_some(still));
        }
    }

    fn parts(&self) -> Vec<Arc<Known>> {
        self.lock()
            .parts
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// It has done something, or has seen that there is nothing to do.
    pub fn works(&self) {
        self.0.lock().hear(Instant::now(), false);
    }

    /// It waits for something to do, for as long as it takes.
    pub fn waits(&self) {
        self.0.lock().hear(Instant::now(), true);
    }

    /// It has failed, and will try again. It stands still where it goes on failing.
    pub fn fails(&self, reason: impl Display) {
        self.0
            .lock()
            .fail(Instant::now(), reason.to_string(), false);
    }

    /// It stands still until it says that it works.
    pub fn stands_still(&self, reason: impl Display) {
        let mut state = self.0.lock();
        let now = Instant::now();
        let since = state.still.take().map_or(now, |(_, since)| since);
        state.heard = now;
        state.still = Some((reason.to_string(), since));
    }

    /// Names what it leaves aside now, each with the reason.
    pub fn parks<'a>(&self, parked: impl Iterator<Item = (&'a str, &'a str)>) {
        let task = &self.0.name;
        let named = parked.take(TOLD).map(|(what, reason)| Parked {
            task: task.clone(),
            what: what.to_owned(),
            reason: reason.to_owned(),
        });
        self.0.lock().parked = named.collect();
    }

    /// What it does has panicked, and is begun again by whoever needs it.
    pub fn panicked(&self) {
        meters::task_restarts(&self.0.task, 1);
    }

    /// It has panicked, or has ended where it never should, and is begun again.
    fn broke(&self, reason: &str) {
        self.panicked();
        self.0.lock().fail(Instant::now(), reason.to_owned(), true);
    }

    fn name(&self) -> &str {
        &self.0.name
    }
}

impl State {
    fn hear(&mut self, now: Instant, idle: bool) {
        self.heard = now;
        self.idle = idle;
        self.still = None;
    }

    fn fail(&mut self, now: Instant, reason: String, broke: bool) {
        let before = self
            .failing
            .take()
            .filter(|failing| self.is_failing(failing, now));
        let first = before.as_ref().map_or(now, |failing| failing.first);
        let broke = broke || before.is_some_and(|failing| failing.broke);
        self.failing = Some(Failing {
            reason,
            first,
            last: now,
            broke,
        });
    }

    /// Whether this failure is not over: nothing was heard since, or too little time has passed.
    fn is_failing(&self, failing: &Failing, now: Instant) -> bool {
        self.heard <= failing.last || now.duration_since(failing.last) <= BELIEVED
    }

    fn standstill(&self, name: &str, now: Instant) -> Option<Standstill> {
        let stands = |reason: &str, since: Instant| Standstill {
            task: name.to_owned(),
            reason: reason.to_owned(),
            for_seconds: now.duration_since(since).as_secs(),
        };
        if let Some((reason, since)) = &self.still {
            return Some(stands(reason, *since));
        }
        if let Some(failing) = &self.failing
            && self.is_failing(failing, now)
        {
            let until = if self.heard <= failing.last {
                now
            } else {
                failing.last
            };
            if failing.broke || until.duration_since(failing.first) >= FAILS {
                return Some(stands(&failing.reason, failing.first));
            }
        }
        let silent = !self.idle && now.duration_since(self.heard) > SILENT;
        silent.then(|| stands("nothing has been heard of it", self.heard))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{BELIEVED, FAILS, Health, SILENT, State};

    const SECOND: Duration = Duration::from_secs(1);

    fn state(now: Instant) -> State {
        State {
            heard: now,
            idle: false,
            failing: None,
            still: None,
            parked: Vec::new(),
        }
    }

    fn stands(state: &State, now: Instant) -> Option<String> {
        state.standstill("part", now).map(|still| still.reason)
    }

    #[test]
    fn a_part_of_which_nothing_is_heard_stands_still_unless_it_waits() {
        let begun = Instant::now();
        let mut part = state(begun);
        assert_eq!(stands(&part, begun + SILENT), None);
        assert!(stands(&part, begun + SILENT + SECOND).is_some());
        part.hear(begun, true);
        assert_eq!(stands(&part, begun + SILENT * 100), None);
    }

    #[test]
    fn one_failure_is_none_and_many_are_a_standstill_with_its_reason() {
        let begun = Instant::now();
        let mut part = state(begun);
        part.fail(begun + SECOND, "no answer".into(), false);
        part.hear(begun + SECOND * 2, false);
        assert_eq!(stands(&part, begun + SECOND * 3), None);
        part.fail(begun + SECOND * 3, "damaged".into(), false);
        assert_eq!(stands(&part, begun + SECOND * 3), None);
        part.fail(begun + SECOND + FAILS, "damaged".into(), false);
        assert_eq!(
            stands(&part, begun + SECOND + FAILS).as_deref(),
            Some("damaged")
        );
    }

    #[test]
    fn who_works_a_little_between_failures_stands_still_all_the_same() {
        let begun = Instant::now();
        let mut part = state(begun);
        for second in 0..20 {
            let now = begun + SECOND * second;
            if second % 6 == 0 {
                part.fail(now, "damaged".into(), false);
            } else {
                part.hear(now, false);
            }
        }
        assert!(stands(&part, begun + SECOND * 20).is_some());
        let later = begun + SECOND * 18 + BELIEVED + SECOND;
        part.hear(later, false);
        assert_eq!(stands(&part, later), None);
    }

    #[test]
    fn a_part_that_broke_once_stands_still_until_it_has_worked_for_a_while() {
        let begun = Instant::now();
        let mut part = state(begun);
        part.fail(begun, "it panicked".into(), true);
        assert!(stands(&part, begun).is_some());
        part.hear(begun + BELIEVED + SECOND, false);
        assert_eq!(stands(&part, begun + BELIEVED + SECOND), None);
    }

    #[test]
    fn what_a_part_says_of_itself_holds_until_it_works_and_ends_with_it() {
        let health = Health::default();
        let part = health.part_of("policy-transfer", 0);
        part.stands_still("its cursor is lost");
        let named = health.standing_still();
        assert_eq!(named[0].task, "policy-transfer 0");
        assert_eq!(named[0].reason, "its cursor is lost");
        part.works();
        assert!(health.standing_still().is_empty());
        part.stands_still("again");
        drop(part);
        assert!(health.standing_still().is_empty());
    }
}
