//! A person who was erased has no key, also where the process that erased them died.

use cqrs_es::Aggregate as _;
use domain::contact::aggregate::Contact;
use domain::contact::event::ContactEvent;
use domain::policy::{PolicyId, Start};
use journal::JournalError;
use journal::envelope::Commit;
use journal::vault::{Subject, Vault};
use schemas::any::DomainEvent;

use super::{Fact, Policy};

/// Whether a commit erases the person whom its stream is about. It may be sealed.
#[must_use]
pub fn erases(commit: &Commit) -> bool {
    commit.category.as_str() == Contact::TYPE
        && commit
            .events
            .iter()
            .any(|event| matches!(schemas::codec::decode(event), Ok(ContactEvent::Erased {})))
}

/// Whether events of this category may erase somebody.
#[must_use]
pub fn may_erase(category: &str) -> bool {
    category == Contact::TYPE
}

/// Whether an event erases the person whom its stream is about.
#[must_use]
pub fn is_erasure(event: &DomainEvent) -> bool {
    matches!(event, DomainEvent::Contact(ContactEvent::Erased {}))
}

/// Destroys the keys of those who were erased.
pub struct DestroyKeys {
    vault: Vault,
}

impl DestroyKeys {
    /// In this vault.
    #[must_use]
    pub const fn new(vault: Vault) -> Self {
        Self { vault }
    }
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
        if is_erasure(&fact.event) {
            let subject = Subject::of(&fact.recorded.commit.stream());
            self.vault.destroy(&subject).await?;
        }
        Ok(())
    }
}
