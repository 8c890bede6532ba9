//! Undo of an earlier change, also where later ones followed: what nobody touched since is reversed
//! by ordinary events, what was touched is kept and says why. Nothing is rewritten.
//!
//! - here: what is to be undone, and what came of it; `undoable`: the aggregates whose changes may be
//!
//! What is undone is decided on the record's whole history ([`domain::undo`]), and appended directly behind
//! it or not at all: whoever loses a race looks again, and finds what the winner undid.

mod undoable;

use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::contact::aggregate::Contact;
use domain::event::Stored;
use domain::undo::{self, Change, Outcome, Reverse, Undoes};
use journal::JournalError;
use journal::entry::{Entry, readable};
use journal::envelope::{Commit, Recorded};
use journal::position::Position;
use journal::store::Loaded;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contacts::{Contacts, ContactsError};
use crate::desk::{Desk, Handled};
use crate::origin::{Origin, Undo};
use undoable::Undoable;

/// How often an undo is prepared anew because its record changed meanwhile.
const TRIES: u32 = 64;
/// The name of the command that appends an undo.
const COMPENSATE: &str = "compensate";

/// Undoes changes. Cheap to clone.
#[derive(Clone)]
pub struct Undoing {
    desk: Desk,
    contacts: Contacts,
}

/// What is to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The change at this position.
    At(Position),
    /// Everything that one request or one import caused.
    Request(Uuid),
}

/// What came of one event that was to be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Undone {
    /// What it is: `lead`, `sale` or `contact`.
    pub subject: String,
    /// Its number.
    pub id: String,
    /// Where the event is in the log.
    pub position: String,
    /// What it was.
    pub event: String,
    /// Why it is kept; nothing where it was reversed.
    pub kept: Option<String>,
}

/// Why nothing is undone, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// There is nothing of this workspace at this position or of this request.
    #[error("there is no such change; GET …/timeline shows positions and correlations")]
    Nothing,
    /// Nobody undoes this kind of change.
    #[error("a change of a {0} is not undone here; of {all} it is", all = undoable::ALL.join(", "))]
    Another(String),
    /// Somebody changes the record all the time.
    #[error("the record changes all the time; try again")]
    Busy,
    /// A contact refuses.
    #[error(transparent)]
    Contacts(#[from] ContactsError),
    /// The log does not answer.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It ended halfway.
    #[error("{why}. Before that, {} changes were undone: {}. The same undo again goes on with the rest",
        done.len(), listed(done))]
    Halfway {
        /// What was reversed before.
        done: Vec<Undone>,
        /// What then went wrong.
        why: Box<UndoError>,
    },
}

/// The most changes that an error names.
const LISTED: usize = 20;

fn listed(done: &[Undone]) -> String {
    let names = done.iter().take(LISTED);
    let names: Vec<String> = names
        .map(|done| {
            format!(
                "{} of {} {} at {}",
                done.event, done.subject, done.id, done.position
            )
        })
        .collect();
    let more = done.len().checked_sub(LISTED).filter(|more| *more > 0);
    let more = more.map(|more| format!(", and {more} more"));
    names.join(", ") + &more.unwrap_or_default()
}

/// Whether a commit takes back an earlier one; older programs did not say which.
#[must_use]
pub fn undoes(commit: &Commit) -> bool {
    commit.undoes.is_some() || commit.command == COMPENSATE
}

impl Undoing {
    /// Undoing over this desk.
    #[must_use]
    pub const fn new(desk: Desk, contacts: Contacts) -> Self {
        Self { desk, contacts }
    }

    /// Undoes, the latest change first; answers what came of each event, and the last position.
    pub async fn undo(
        &self,
        what: What,
        origin: &Origin,
    ) -> Result<(Vec<Undone>, Position), UndoError> {
        let mut commits = self.find(what, origin).await?;
        commits.sort_by_key(|recorded| std::cmp::Reverse(recorded.position.sequence));
        let Some(first) = commits.first() else {
            return Err(UndoError::Nothing);
        };
        let mut last = first.position;
        let mut outcomes = Vec::new();
        for recorded in &commits {
            let origin = origin.step(recorded.position);
            match self.undo_one(recorded, &origin).await {
                Ok((undone, position)) => {
                    outcomes.extend(undone);
                    last.sequence = last.sequence.max(position.sequence);
                }
                // One of several that cannot be undone holds up none of the others.
                Err(UndoError::Contacts(refusal)) if commits.len() > 1 && in_the_way(&refusal) => {
                    outcomes.extend(all_kept(recorded, &refusal.to_string())?);
                }
                Err(why) => return Err(halfway(outcomes, why)),
            }
        }
        Ok((outcomes, last))
    }

    async fn find(&self, what: What, origin: &Origin) -> Result<Vec<Arc<Recorded>>, UndoError> {
        let journal = self.desk.journal();
        let partition = journal.partition(&origin.workspace);
        let ours = |entry: &Entry| {
            let stream = entry.stream();
            stream.is_some_and(|stream| stream.workspace == origin.workspace)
        };
        let correlation = match what {
            What::At(at) if at.partition != partition || at.sequence == 0 => {
                return Err(UndoError::Nothing);
            }
            What::At(at) => {
                let found = journal.read(partition, at.sequence - 1, 1).await?;
                let found = found.into_iter();
                let found = found.filter(|found| found.position() == at && ours(found));
                return Ok(readable(&found.collect::<Vec<_>>())?);
            }
            What::Request(correlation) => correlation,
        };
        let mut caused = journal.caused_by(partition, correlation).await?;
        caused.retain(ours);
        let mut caused = readable(&caused)?;
        caused.retain(|recorded| undoable::ALL.contains(&recorded.commit.category.as_str()));
        Ok(caused)
    }

    async fn reverse<A: Undoable>(
        &self,
        recorded: &Recorded,
        origin: &Origin,
    ) -> Result<(Vec<Undone>, Position), UndoError> {
        let id = recorded.commit.id.as_str().parse::<A::Id>();
        let id = id.map_err(|_| UndoError::Nothing)?;
        for _ in 0..TRIES {
            let plan = match Plan::<A>::prepare(&self.desk, recorded, origin).await? {
                Prepared::Done(outcomes, position) => return Ok((outcomes, position)),
                Prepared::Plan(plan) => plan,
            };
            let command = plan.now.state.compensate(plan.events);
            if let Some(after) = A::append(self, id, command, &plan.origin).await? {
                return Ok((plan.outcomes, after.position()));
            }
        }
        Err(UndoError::Busy)
    }
}

fn halfway(outcomes: Vec<Undone>, why: UndoError) -> UndoError {
    let done = outcomes.into_iter().filter(|undone| undone.kept.is_none());
    let done: Vec<Undone> = done.collect();
    if done.is_empty() {
        return why;
    }
    UndoError::Halfway {
        done,
        why: Box::new(why),
    }
}

/// Whether what should come back is held by somebody else.
const fn in_the_way(refusal: &ContactsError) -> bool {
    matches!(
        refusal,
        ContactsError::Taken { .. } | ContactsError::Busy { .. }
    )
}

/// Every event of a contact's commit is kept, for one reason.
fn all_kept(recorded: &Recorded, reason: &str) -> Result<Vec<Undone>, JournalError> {
    let events = decoded::<Contact>(recorded)?;
    let kept = events
        .iter()
        .map(|event| undone(recorded, event, Some(reason.to_owned())));
    Ok(kept.collect())
}

/// What an undo comes to.
enum Prepared<A: Aggregate> {
    /// Nothing is left to do: an earlier try of the same request did it, or everything is kept.
    Done(Vec<Undone>, Position),
    /// This is to be appended.
    Plan(Box<Plan<A>>),
}

/// What reverses a commit, as the stream stands now.
struct Plan<A: Aggregate> {
    now: Loaded<A>,
    events: Vec<A::Event>,
    outcomes: Vec<Undone>,
    /// The request, bound to the state that this was prepared on.
    origin: Origin,
}

impl<A: Handled + Reverse> Plan<A> {
    async fn prepare(
        desk: &Desk,
        recorded: &Recorded,
        origin: &Origin,
    ) -> Result<Prepared<A>, UndoError> {
        let stream = recorded.commit.stream();
        let mut history = readable(&desk.journal().load(&stream, 0).await?)?;
        let ours = origin.commit_id(&stream, COMPENSATE);
        let made = history
            .iter()
            .position(|made| made.commit.commit_id == ours);
        let before = made.map(|place| {
            let position = history[place].position;
            history.truncate(place);
            position
        });
        let changes = history.iter().map(|recorded| change::<A>(recorded));
        let changes: Vec<Change<A::Event>> = changes.collect::<Result<_, _>>()?;
        let id = recorded.commit.commit_id;
        let place = changes.iter().position(|change| change.id == id);
        let Some(place) = place else {
            return Err(UndoError::Nothing);
        };
        let mut now = Loaded::<A>::default();
        for (change, held) in changes.iter().zip(&history) {
            now = now.grown(&change.events, &held.commit, held.position, held.hash);
        }
        let (mut events, mut undone) = (Vec::new(), Vec::new());
        let outcomes = undo::outcomes::<A>(&changes, place);
        for (event, outcome) in changes[place].events.iter().zip(outcomes) {
            let kept = match outcome {
                Outcome::Reversed(event) => {
                    events.push(event);
                    None
                }
                Outcome::UndoneBy(place) => {
                    let at = history[place].position;
                    Some(format!("it was undone already, at {at}"))
                }
                Outcome::Kept(kept) => Some(kept.0),
            };
            undone.push(self::undone(recorded, event, kept));
        }
        if let Some(position) = before {
            return Ok(Prepared::Done(undone, position));
        }
        if events.is_empty() {
            return Ok(Prepared::Done(undone, recorded.position));
        }
        let origin = origin.undoing(Undo {
            stream,
            commit: id,
            behind: now.last,
        });
        Ok(Prepared::Plan(Box::new(Self {
            now,
            events,
            outcomes: undone,
            origin,
        })))
    }
}

fn undone<E: Stored>(recorded: &Recorded, event: &E, kept: Option<String>) -> Undone {
    Undone {
        subject: recorded.commit.category.to_string(),
        id: recorded.commit.id.to_string(),
        position: recorded.position.to_string(),
        event: event.kind().name.to_owned(),
        kept,
    }
}

fn change<A: Handled>(recorded: &Recorded) -> Result<Change<A::Event>, JournalError> {
    let commit = &recorded.commit;
    let undoes = match commit.undoes {
        Some(undone) => Undoes::Commit(undone),
        None if commit.command == COMPENSATE => Undoes::Unnamed,
        None => Undoes::Nothing,
    };
    Ok(Change {
        id: commit.commit_id,
        undoes,
        events: decoded::<A>(recorded)?,
    })
}

fn decoded<A: Handled>(recorded: &Recorded) -> Result<Vec<A::Event>, JournalError> {
    let position = recorded.position;
    let events = recorded
        .commit
        .events
        .iter()
        .map(|event| schemas::codec::decode(event));
    let events: Result<_, schemas::codec::DecodeError> = events.collect();
    events.map_err(|error| JournalError::Corrupt {
        position,
        reason: error.to_string(),
    })
}
