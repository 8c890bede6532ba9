//! A person who was erased has no key, also where the process that erased them died.

use cqrs_es::Aggregate as _;
use domain::contact::aggregate::Contact;
use domain::contact::event::ContactEvent;
use journal::JournalError;
use journal::envelope::Recorded;
use journal::vault::{Subject, Vault};

use super::Policy;

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
        let commit = &recorded.commit;
        let erased = commit.category.as_str() == Contact::TYPE
            && commit
                .events
                .iter()
                .any(|event| matches!(schemas::codec::decode(event), Ok(ContactEvent::Erased {})));
        if erased {
            self.vault.destroy(&Subject::of(&commit.stream())).await?;
        }
        Ok(())
    }
}
