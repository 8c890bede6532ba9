//! Which vault of keys belongs to the log: said in the log itself, so that no process takes another
//! vault, an empty one or an old copy for it.
//!
//! Invariant: a log belongs to one vault for ever, and its generation only grows. The generation is
//! raised whenever the keys are wrapped anew or taken over from a backup: a copy from before is old.

use cqrs_es::Aggregate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Decide, decided, stored};

/// The vault that the log belongs to, as its events made it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultBinding {
    /// None while nothing was sealed.
    pub bound: Option<Bind>,
}

/// Bind the log to a vault. Also what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The vault's identity, which is made with it and travels with its keys.
    pub vault: String,
    /// From 1 up.
    pub generation: u64,
}

/// What happened to the binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum VaultEvent {
    /// What is sealed in the log is sealed with the keys of this vault.
    #[serde(rename = "vault.bound")]
    Bound {
        /// The vault's identity.
        vault: String,
        /// Which generation of the vault; an older copy lacks keys, or has keys that were destroyed.
        generation: u64,
    },
}

stored!(VaultEvent { Bound = "vault.bound" v 1 });

/// Why a vault is not the log's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum VaultBindingError {
    /// It is not the one that the log was sealed with.
    #[error("the log belongs to the vault {bound}, and this is {found}")]
    Another {
        /// The log's.
        bound: String,
        /// The one at hand.
        found: String,
    },
    /// It is an earlier copy of the log's vault.
    #[error(
        "the log belongs to generation {bound} of its vault, and this is generation {found}: an older copy"
    )]
    Older {
        /// The log's.
        bound: u64,
        /// That of the copy.
        found: u64,
    },
}

impl Decide for VaultBinding {
    const STATE: u32 = 1;

    fn decide(&self, ask: Bind) -> Result<Vec<VaultEvent>, VaultBindingError> {
        match &self.bound {
            Some(bound) if bound.vault != ask.vault => Err(VaultBindingError::Another {
                bound: bound.vault.clone(),
                found: ask.vault,
            }),
            Some(bound) if bound.generation > ask.generation => Err(VaultBindingError::Older {
                bound: bound.generation,
                found: ask.generation,
            }),
            Some(bound) if bound.generation == ask.generation => Ok(vec![]),
            Some(_) | None => Ok(vec![VaultEvent::Bound {
                vault: ask.vault,
                generation: ask.generation,
            }]),
        }
    }
}

impl Aggregate for VaultBinding {
    const TYPE: &'static str = "vault";
    type Command = Bind;
    type Event = VaultEvent;
    type Error = VaultBindingError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: VaultEvent) {
        let VaultEvent::Bound { vault, generation } = event;
        self.bound = Some(Bind { vault, generation });
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::{Bind, VaultBinding, VaultBindingError, VaultEvent};

    fn bind(vault: &str, generation: u64) -> Bind {
        Bind {
            vault: vault.to_owned(),
            generation,
        }
    }

    fn bound(vault: &str, generation: u64) -> VaultEvent {
        VaultEvent::Bound {
            vault: vault.to_owned(),
            generation,
        }
    }

    #[test]
    fn a_log_belongs_to_the_first_vault_and_its_generation_grows() {
        let log = || TestFramework::<VaultBinding>::with(());
        log()
            .given_no_previous_events()
            .when(bind("a", 1))
            .then_expect_events(vec![bound("a", 1)]);
        log()
            .given(vec![bound("a", 1)])
            .when(bind("a", 1))
            .then_expect_events(vec![]);
        log()
            .given(vec![bound("a", 1)])
            .when(bind("a", 3))
            .then_expect_events(vec![bound("a", 3)]);
    }

    #[test]
    fn another_vault_and_an_older_copy_are_refused() {
        let log = || TestFramework::<VaultBinding>::with(()).given(vec![bound("a", 2)]);
        log()
            .when(bind("b", 9))
            .then_expect_error(VaultBindingError::Another {
                bound: "a".into(),
                found: "b".into(),
            });
        log()
            .when(bind("a", 1))
            .then_expect_error(VaultBindingError::Older { bound: 2, found: 1 });
    }
}
