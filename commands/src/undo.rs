//! Undo of an earlier change, also where later ones followed: what nobody touched since is reversed
//! by ordinary events, what was touched is kept and says why. Nothing is rewritten.

use cqrs_es::{Aggregate, AggregateError};
use domain::contact::aggregate::Contact;
use domain::id::{ContactId, LeadId, SaleId};
use domain::lead::aggregate::Lead;
use domain::sale::aggregate::Sale;
use domain::undo::Reverse;
use journal::JournalError;
use journal::envelope::Recorded;
use journal::position::Position;
use journal::store::Loaded;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contacts::{Contacts, ContactsError};
use crate::desk::{Desk, Handled};
use crate::origin::Origin;

/// How often an undo is prepared anew because its record changed meanwhile.
const TRIES: u32 = 8;

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
    /// `lead`, `sale` or `contact`.
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

/// Why nothing is undone.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// There is nothing of this workspace at this position or of this request.
    #[error("there is no such change; GET …/timeline shows positions and correlations")]
    Nothing,
    /// Nobody undoes this kind of change.
    #[error("a change of a {0} is not undone here; leads, sales and contacts are")]
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
            let (undone, position) = self.undo_one(recorded, &origin).await?;
            outcomes.extend(undone);
            last.sequence = last.sequence.max(position.sequence);
        }
        Ok((outcomes, last))
    }

    async fn find(&self, what: What, origin: &Origin) -> Result<Vec<Recorded>, UndoError> {
        let journal = self.desk.journal();
        let partition = journal.partition(&origin.workspace);
        let ours = |recorded: &Recorded| recorded.commit.workspace == origin.workspace;
        let correlation = match what {
            What::At(at) if at.partition != partition || at.sequence == 0 => {
                return Err(UndoError::Nothing);
            }
            What::At(at) => {
                let found = journal.read(partition, at.sequence - 1, 1).await?;
                return Ok(found
                    .into_iter()
                    .filter(|found| found.position == at && ours(found))
                    .collect());
            }
            What::Request(correlation) => correlation,
        };
        let mut caused = journal.caused_by(partition, correlation).await?;
        caused.retain(|recorded| ours(recorded) && number(recorded).is_some());
        Ok(caused)
    }

    async fn undo_one(
        &self,
        recorded: &Recorded,
        origin: &Origin,
    ) -> Result<(Vec<Undone>, Position), UndoError> {
        let commit = &recorded.commit;
        let Some(id) = number(recorded) else {
            return Err(UndoError::Another(commit.category.to_string()));
        };
        match commit.category.as_str() {
            Lead::TYPE => self.reverse::<Lead>(LeadId(id), recorded, origin).await,
            Sale::TYPE => self.reverse::<Sale>(SaleId(id), recorded, origin).await,
            _ => self.reverse_contact(ContactId(id), recorded, origin).await,
        }
    }

    async fn reverse<A: Handled + Reverse>(
        &self,
        id: A::Id,
        recorded: &Recorded,
        origin: &Origin,
    ) -> Result<(Vec<Undone>, Position), UndoError> {
        for _ in 0..TRIES {
            let plan = Plan::<A>::prepare(&self.desk, recorded).await?;
            if plan.events.is_empty() {
                return Ok((plan.outcomes, recorded.position));
            }
            let command = plan.now.state.compensate(plan.events);
            match self.desk.send::<A>(id, command, origin).await {
                Ok(after) => return Ok((plan.outcomes, after.position())),
                Err(AggregateError::UserError(refusal)) if A::is_stale(&refusal) => {}
                Err(error) => return Err(JournalError::unavailable(error.to_string()).into()),
            }
        }
        Err(UndoError::Busy)
    }

    /// Through [`Contacts`]: a phone that comes back must be free.
    async fn reverse_contact(
        &self,
        id: ContactId,
        recorded: &Recorded,
        origin: &Origin,
    ) -> Result<(Vec<Undone>, Position), UndoError> {
        for _ in 0..TRIES {
            let plan = Plan::<Contact>::prepare(&self.desk, recorded).await?;
            if plan.events.is_empty() {
                return Ok((plan.outcomes, recorded.position));
            }
            let command = plan.now.state.compensate(plan.events);
            match self.contacts.change(id, command, origin).await {
                Ok(after) => return Ok((plan.outcomes, after.position())),
                Err(ContactsError::Contact(AggregateError::UserError(refusal)))
                    if Contact::is_stale(&refusal) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(UndoError::Busy)
    }
}

/// The number of a lead, a sale or a contact; nothing of what cannot be undone.
fn number(recorded: &Recorded) -> Option<u64> {
    let undoable =
        [Lead::TYPE, Sale::TYPE, Contact::TYPE].contains(&recorded.commit.category.as_str());
    recorded
        .commit
        .id
        .as_str()
        .parse()
        .ok()
        .filter(|_| undoable)
}

/// What reverses a commit, as the stream stands now.
struct Plan<A: Aggregate> {
    now: Loaded<A>,
    events: Vec<A::Event>,
    outcomes: Vec<Undone>,
}

impl<A: Handled + Reverse> Plan<A> {
    async fn prepare(desk: &Desk, recorded: &Recorded) -> Result<Self, UndoError> {
        let history = desk.journal().load(&recorded.commit.stream(), 0).await?;
        let (mut before, mut now) = (A::default(), Loaded::<A>::default());
        let (mut undone, mut later) = (Vec::new(), Vec::new());
        for commit in &history {
            let events: Vec<A::Event> = decoded::<A>(commit)?;
            match commit.position.sequence.cmp(&recorded.position.sequence) {
                std::cmp::Ordering::Less => {
                    for event in &events {
                        before.apply(event.clone());
                    }
                }
                std::cmp::Ordering::Equal => undone.clone_from(&events),
                std::cmp::Ordering::Greater => later.extend(events.clone()),
            }
            now = now.grown(&events, &commit.commit, commit.position, commit.hash);
        }
        let mut plan = Self {
            now,
            events: Vec::new(),
            outcomes: Vec::new(),
        };
        for event in &undone {
            let kept = match plan.now.state.reverse(&before, event, &later) {
                Ok(events) => {
                    plan.events.extend(events);
                    None
                }
                Err(kept) => Some(kept.0),
            };
            plan.outcomes.push(Undone {
                subject: recorded.commit.category.to_string(),
                id: recorded.commit.id.to_string(),
                position: recorded.position.to_string(),
                event: domain::event::Stored::kind(event).name.to_owned(),
                kept,
            });
        }
        Ok(plan)
    }
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
