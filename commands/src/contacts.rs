//! Contacts and the reservations that keep a phone or an email with one of them.
//!
//! What a contact shows is decided by its own commit: it is appended behind the version for which the
//! values were reserved, or not at all. Nothing is given back when a contact loses a value: whoever
//! wants it looks at the contact that holds it (see [`domain::unique`]).
//!
//! - `finding`: the contact that has a phone or an email, or a new one
//! - [`holdings`]: reserving, and finding out whether a holder still needs what it holds
//! - [`audit`]: who shows what and who holds it, read from the whole log, and mended
//!
//! Invariant: a value that a living contact shows is held by that contact and no other, behind every
//! commit of the log.

pub mod audit;
mod finding;
mod holdings;

use std::sync::Arc;

use cqrs_es::{Aggregate as _, AggregateError};
use domain::contact::aggregate::{Contact, ContactError};
use domain::contact::command::{Card, ContactCommand};
use domain::event::Decide as _;
use domain::id::{ContactId, NumberKind};
use domain::unique::UniqueKind;
use journal::failpoint;
use journal::store::Loaded;
use journal::vault::Subject;

use crate::clock::fresh_id;
use crate::desk::Desk;
use crate::numbers::Allocator;
use crate::origin::Origin;
pub use finding::Found;
use holdings::{Attempt, Holdings, shown};

/// How often a change is prepared anew because its contact changed meanwhile.
const TRIES: u32 = 16;

/// Creates, changes and removes contacts. Cheap to clone.
#[derive(Clone)]
pub struct Contacts {
    desk: Desk,
    numbers: Allocator,
    holdings: Holdings,
}

/// Why a contact is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ContactsError {
    /// The contact refuses, or the log does.
    #[error(transparent)]
    Contact(#[from] AggregateError<ContactError>),
    /// Another contact has the phone or the email.
    #[error("contact {owner} has this {kind}")]
    Taken {
        /// Which kind of value.
        kind: UniqueKind,
        /// Who has it.
        owner: ContactId,
    },
    /// Another request is about to use the phone or the email.
    #[error("another request is using this {kind}; try again in {seconds} s")]
    Busy {
        /// Which kind of value.
        kind: UniqueKind,
        /// After how many seconds it is free, if it is not used until then.
        seconds: u16,
    },
    /// A contact that is referred to is not there.
    #[error("there is no contact {id}; POST /api/v1/contacts makes one")]
    Unknown {
        /// Which.
        id: ContactId,
    },
    /// What should be of one person is of several.
    #[error(
        "these phones and emails are those of several contacts: {}; send those of one of them",
        listed(owners)
    )]
    Several {
        /// Whose.
        owners: Vec<ContactId>,
    },
    /// The log does not answer.
    #[error("{0}")]
    Failed(AggregateError<std::convert::Infallible>),
}

fn listed(owners: &[ContactId]) -> String {
    let numbers = owners.iter().map(ToString::to_string);
    numbers.collect::<Vec<_>>().join(", ")
}

/// Whether a change may show what the contact did not show before, and has to reserve it.
const fn may_add(command: &ContactCommand) -> bool {
    match command {
        ContactCommand::Create(_)
        | ContactCommand::Merge { .. }
        | ContactCommand::AddPhone { .. }
        | ContactCommand::AddEmail { .. }
        | ContactCommand::Compensate { .. } => true,
        ContactCommand::Change { phones, emails, .. } => phones.is_some() || emails.is_some(),
        ContactCommand::RemovePhone { .. }
        | ContactCommand::RemoveEmail { .. }
        | ContactCommand::AddTag { .. }
        | ContactCommand::RemoveTag { .. }
        | ContactCommand::Note { .. }
        | ContactCommand::Remove
        | ContactCommand::Lapse
        | ContactCommand::Erase => false,
    }
}

impl Contacts {
    /// Contacts whose phones and emails are known to the reservations by HMAC with this secret.
    #[must_use]
    pub fn new(desk: Desk, numbers: Allocator, secret: &[u8]) -> Self {
        Self {
            holdings: Holdings::new(desk.clone(), secret),
            desk,
            numbers,
        }
    }

    /// Creates a contact. What is refused uses no number.
    pub async fn create(
        &self,
        card: Card,
        origin: &Origin,
    ) -> Result<(ContactId, Arc<Loaded<Contact>>), ContactsError> {
        let command = ContactCommand::Create(card);
        // What an earlier try has reserved is held by the number that it was given.
        if !origin.retried {
            let (_, wanted) = planned(&Contact::default(), &command)?;
            self.holdings.look(None, &wanted, origin).await?;
        }
        let number = self
            .numbers
            .next(NumberKind::Contact, origin)
            .await
            .map_err(without_refusal)?;
        let (id, begun) = (ContactId(number), Arc::default());
        let contact = self.carry_out(id, command, Some(begun), origin).await?;
        Ok((id, contact))
    }

    /// Changes a contact.
    pub async fn change(
        &self,
        id: ContactId,
        command: ContactCommand,
        origin: &Origin,
    ) -> Result<Arc<Loaded<Contact>>, ContactsError> {
        if may_add(&command) {
            self.carry_out(id, command, None, origin).await
        } else {
            Ok(self.desk.send::<Contact>(id, command, origin).await?)
        }
    }

    /// Forgets a person for ever: an event, then the key of everything that was said of them.
    /// Doing it again finishes what a crash left undone.
    pub async fn erase(
        &self,
        id: ContactId,
        origin: &Origin,
    ) -> Result<Arc<Loaded<Contact>>, ContactsError> {
        let erased = self.change(id, ContactCommand::Erase, origin).await?;
        let subject = Subject::named(origin.workspace.clone(), format!("{}-{id}", Contact::TYPE));
        let destroyed = self.desk.journal().vault().destroy(&subject).await;
        destroyed.map_err(|error| {
            ContactsError::Failed(AggregateError::DatabaseConnectionError(error.into()))
        })?;
        let forgotten = crate::forget::leads_of(&self.desk, id, origin).await;
        forgotten.map_err(|error| {
            ContactsError::Failed(AggregateError::DatabaseConnectionError(error.into()))
        })?;
        Ok(erased)
    }

    /// Refuses to refer to a contact that is not there.
    pub async fn expect_present(
        &self,
        id: Option<ContactId>,
        origin: &Origin,
    ) -> Result<(), ContactsError> {
        let Some(id) = id else { return Ok(()) };
        match self.holdings.card(id, origin).await?.state.present() {
            Some(_) => Ok(()),
            None => Err(ContactsError::Unknown { id }),
        }
    }

    /// Whether a contact that something still refers to was removed.
    pub async fn is_removed(
        &self,
        id: Option<ContactId>,
        origin: &Origin,
    ) -> Result<bool, ContactsError> {
        match id {
            Some(id) => Ok(self
                .holdings
                .card(id, origin)
                .await?
                .state
                .present()
                .is_none()),
            None => Ok(false),
        }
    }

    /// Changes a contact at the version for which its values are reserved; where others were faster,
    /// anew at the next one. `seen` is its state, where that is known without reading it.
    async fn carry_out(
        &self,
        id: ContactId,
        command: ContactCommand,
        mut seen: Option<Arc<Loaded<Contact>>>,
        origin: &Origin,
    ) -> Result<Arc<Loaded<Contact>>, ContactsError> {
        let _turn = self.holdings.turn(id, origin).await;
        let mut attempt = Attempt::new(id, fresh_id());
        for _ in 0..TRIES {
            let earlier = self.desk.earlier::<Contact>(id, &command, origin).await;
            if let Some(done) = earlier.map_err(unavailable)? {
                return Ok(done);
            }
            let before = match seen.take() {
                Some(seen) => seen,
                None => self.holdings.card(id, origin).await?,
            };
            let tried = self.at(&before, &command, &mut attempt, origin).await;
            match tried {
                Ok(Some(after)) => return Ok(after),
                Ok(None) => {}
                Err(error) => {
                    self.holdings.give_back(&attempt, &error, origin).await;
                    return Err(error);
                }
            }
        }
        Err(AggregateError::AggregateConflict.into())
    }

    /// One try; nothing where the contact has another version by now.
    async fn at(
        &self,
        before: &Arc<Loaded<Contact>>,
        command: &ContactCommand,
        attempt: &mut Attempt,
        origin: &Origin,
    ) -> Result<Option<Arc<Loaded<Contact>>>, ContactsError> {
        if let Some(precondition) = &origin.precondition {
            let checked = precondition.check(Contact::TYPE, &attempt.owner, before.version);
            checked.map_err(AggregateError::<ContactError>::from)?;
        }
        let (changes, wanted) = planned(&before.state, command)?;
        if !changes {
            return Ok(Some(Arc::clone(before)));
        }
        let version = before.version;
        self.holdings
            .reserve(attempt, version, &wanted, origin)
            .await?;
        failpoint::reach("contact.reserved");
        let sent = self
            .desk
            .send_at::<Contact>(attempt.owner, command.clone(), version, origin);
        match sent.await {
            Ok(after) => Ok(Some(after)),
            Err(AggregateError::AggregateConflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a command changes anything, and what is shown behind it that is not shown before.
fn planned(
    before: &Contact,
    command: &ContactCommand,
) -> Result<(bool, Vec<holdings::Value>), ContactsError> {
    let events = before
        .decide(command.clone())
        .map_err(AggregateError::UserError)?;
    let changes = !events.is_empty();
    let mut after = before.clone();
    for event in events {
        after.apply(event);
    }
    let had = shown(before);
    let mut wanted = shown(&after);
    wanted.retain(|value| !had.contains(value));
    Ok((changes, wanted))
}

fn unavailable(error: journal::JournalError) -> ContactsError {
    ContactsError::Failed(crate::desk::failed(error))
}

/// A failure of a step that cannot be refused for the caller's fault.
fn without_refusal<E: std::error::Error>(error: AggregateError<E>) -> ContactsError {
    ContactsError::Failed(match error {
        AggregateError::UserError(refusal) => {
            AggregateError::UnexpectedError(refusal.to_string().into())
        }
        AggregateError::AggregateConflict => AggregateError::AggregateConflict,
        AggregateError::DatabaseConnectionError(error) => {
            AggregateError::DatabaseConnectionError(error)
        }
        AggregateError::DeserializationError(error) => AggregateError::DeserializationError(error),
        AggregateError::UnexpectedError(error) => AggregateError::UnexpectedError(error),
    })
}
