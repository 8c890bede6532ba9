//! A person who was erased has no key, nor have their leads, also where the process that erased them died.

use cqrs_es::Aggregate as _;
use domain::contact::aggregate::Contact;
use domain::contact::event::ContactEvent;
use domain::id::{ContactId, LeadId};
use domain::lead::aggregate::Lead;
use domain::lead::event::LeadEvent;
use domain::policy::{PolicyId, Start};
use journal::JournalError;
use journal::vault::{KeyState, Subject};
use schemas::any::{DomainEvent, Within as _};

use super::{Fact, Policy};
use crate::desk::Desk;
use crate::forget;
pub use crate::forget::erases;

const ACTOR: &str = "policy:erasure";

/// Whether events of this category may erase somebody.
#[must_use]
pub fn may_erase(category: &str) -> bool {
    category == Contact::TYPE || category == Lead::TYPE
}

/// Whether an event says that the key of its record is destroyed.
#[must_use]
pub fn is_erasure(event: &DomainEvent) -> bool {
    matches!(
        event,
        DomainEvent::Contact(ContactEvent::Erased {}) | DomainEvent::Lead(LeadEvent::Forgotten {})
    )
}

/// Destroys the keys of those who were erased, and of their leads.
pub struct DestroyKeys {
    desk: Desk,
}

impl DestroyKeys {
    /// By commands through this desk.
    #[must_use]
    pub const fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// A lead may have become somebody's just while they were erased.
    async fn late(&self, fact: &Fact<'_>) -> Result<(), JournalError> {
        let contact = LeadEvent::within(&fact.event).and_then(forget::contact_of);
        let (Some(contact), Some(lead)) = (contact, number(fact)) else {
            return Ok(());
        };
        let workspace = fact.recorded.commit.workspace.clone();
        let person = Subject::named(workspace, format!("{}-{contact}", Contact::TYPE));
        match self.desk.journal().vault().find(&person).await? {
            KeyState::Destroyed => {
                forget::lead(&self.desk, LeadId(lead), &fact.origin(ACTOR, 0)).await
            }
            KeyState::Kept(_) | KeyState::Missing => Ok(()),
        }
    }
}

fn number(fact: &Fact<'_>) -> Option<u64> {
    fact.recorded.commit.id.as_str().parse().ok()
}

impl Policy for DestroyKeys {
    fn id(&self) -> PolicyId {
        PolicyId::Erasure
    }

    fn starts(&self) -> Start {
        Start::Beginning
    }

    fn concerns(&self, category: &str) -> bool {
        may_erase(category)
    }

    async fn react(&self, fact: &Fact<'_>) -> Result<(), JournalError> {
        if !is_erasure(&fact.event) {
            return self.late(fact).await;
        }
        let commit = &fact.recorded.commit;
        let subject = Subject::of(&commit.stream());
        self.desk.journal().vault().destroy(&subject).await?;
        match number(fact) {
            Some(id) if commit.category.as_str() == Contact::TYPE => {
                forget::leads_of(&self.desk, ContactId(id), &fact.origin(ACTOR, 0)).await
            }
            Some(_) | None => Ok(()),
        }
    }
}
