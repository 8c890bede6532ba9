//! A person who was erased has no key, also where the process that erased them died.

use cqrs_es::Aggregate as _;
use domain::contact::aggregate::Contact;
use domain::contact::event::ContactEvent;
use journal::JournalError;
use journal::envelope::{Commit, Recorded};
use journal::vault::{Subject, Vault};

use super::Policy;

/// Whether a commit erases the person whom its stream is about. It may be sealed.
#[must_use]
pub fn erases(commit: &Commit) -> bool {
    commit.category.as_str() == Contact::TYPE
        && commit
            .events
            .iter()
            .any(|event| matches!(schemas::codec::decode(event), Ok(ContactEvent::Erased {})))
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
    fn name(&self) -> &'static str {
        "erasure"
    }

    async fn react(&self, recorded: &Recorded) -> Result<(), JournalError> {
        if erases(&recorded.commit) {
            let subject = Subject::of(&recorded.commit.stream());
            self.vault.destroy(&subject).await?;
        }
        Ok(())
    }
}
