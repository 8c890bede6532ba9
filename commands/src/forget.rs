//! Forgetting a person: what their key seals, and what people wrote of their leads before it was known whose
//! those are, which the leads' own keys seal.
//!
//! An event comes first, then the key that goes with it. Doing it again finishes what a crash left undone.

use std::collections::BTreeSet;

use cqrs_es::{Aggregate as _, AggregateError};
use domain::contact::aggregate::Contact;
use domain::contact::event::ContactEvent;
use domain::id::{ContactId, LeadId};
use domain::lead::aggregate::{Lead, LeadError};
use domain::lead::command::LeadCommand;
use domain::lead::event::LeadEvent;
use journal::entry::Entry;
use journal::envelope::Commit;
use journal::token::Token;
use journal::vault::Subject;
use journal::{Journal, JournalError};

use crate::desk::Desk;
use crate::origin::Origin;

/// Commits of the log that are looked at together.
const BATCH: usize = 2048;

/// Whether a commit says that the key of its record is destroyed. It may be sealed.
#[must_use]
pub fn erases(commit: &Commit) -> bool {
    let mut events = commit.events.iter();
    match commit.category.as_str() {
        Contact::TYPE => {
            events.any(|event| matches!(schemas::codec::decode(event), Ok(ContactEvent::Erased {})))
        }
        Lead::TYPE => {
            events.any(|event| matches!(schemas::codec::decode(event), Ok(LeadEvent::Forgotten {})))
        }
        _ => false,
    }
}

/// Forgets what was written of every lead that is or ever was this person's, and destroys the leads' own
/// keys. Looks through the whole log for them: of the read models, none knows whose a lead once was.
pub async fn leads_of(
    desk: &Desk,
    contact: ContactId,
    origin: &Origin,
) -> Result<(), JournalError> {
    let mut outcome = Ok(());
    for id in linked(desk.journal(), &origin.workspace, contact).await? {
        // One that cannot be read must not keep the others.
        outcome = lead(desk, id, origin).await.and(outcome);
    }
    outcome
}

/// Forgets what was written of a lead, and destroys its own key.
pub async fn lead(desk: &Desk, id: LeadId, origin: &Origin) -> Result<(), JournalError> {
    let step = origin.step(format!("forget {id}"));
    let appended = match desk.send::<Lead>(id, LeadCommand::Forget, &step).await {
        Ok(_) | Err(AggregateError::UserError(LeadError::NotOpen)) => Ok(()),
        Err(error) => Err(JournalError::unavailable(error.to_string())),
    };
    // Also where its stream cannot be read: then the key is all that can be taken away.
    let subject = Subject::named(origin.workspace.clone(), format!("{}-{id}", Lead::TYPE));
    desk.journal().vault().destroy(&subject).await?;
    appended
}

/// The leads that are or were a person's.
async fn linked(
    journal: &Journal,
    workspace: &Token,
    contact: ContactId,
) -> Result<BTreeSet<LeadId>, JournalError> {
    let (partition, mut after) = (journal.partition(workspace), 0);
    let mut leads = BTreeSet::new();
    loop {
        let batch = journal.read_sealed(partition, after, BATCH).await?;
        let Some(last) = batch.last() else {
            return Ok(leads);
        };
        after = last.position().sequence;
        let theirs = batch.iter().filter_map(Entry::commit);
        let theirs = theirs.map(|recorded| &recorded.commit);
        let theirs = theirs.filter(|commit| {
            commit.workspace == *workspace && contacts(commit).any(|id| id == contact)
        });
        leads.extend(theirs.filter_map(|commit| commit.id.as_str().parse().ok().map(LeadId)));
    }
}

/// The people whose a lead becomes by a commit. It may be sealed.
fn contacts(commit: &Commit) -> impl Iterator<Item = ContactId> + '_ {
    let of_a_lead = commit.category.as_str() == Lead::TYPE;
    let events = commit.events.iter().filter(move |_| of_a_lead);
    events.filter_map(|event| contact_of(&schemas::codec::decode(event).ok()?))
}

/// The person whose a lead becomes by an event.
#[must_use]
pub const fn contact_of(event: &LeadEvent) -> Option<ContactId> {
    match event {
        LeadEvent::Opened { contact, .. } => *contact,
        LeadEvent::ContactLinked { contact } => Some(*contact),
        LeadEvent::DomainSet { .. }
        | LeadEvent::StageChanged { .. }
        | LeadEvent::MessagesRecorded { .. }
        | LeadEvent::Analyzed(_)
        | LeadEvent::DomainCleared {}
        | LeadEvent::ContactUnlinked {}
        | LeadEvent::MessagesWithdrawn { .. }
        | LeadEvent::FieldChanged { .. }
        | LeadEvent::ExpectedAmountChanged { .. }
        | LeadEvent::TagAdded { .. }
        | LeadEvent::TagRemoved { .. }
        | LeadEvent::Noted { .. }
        | LeadEvent::NoteWithdrawn { .. }
        | LeadEvent::AnalysisWithdrawn {}
        | LeadEvent::Transferred { .. }
        | LeadEvent::Forgotten {} => None,
    }
}
