//! One owner per value: reservations of phones and emails, sharded by a keyed hash.
//!
//! A shard knows values only by their HMAC, never in clear. A reservation is made before the
//! contact says that it has the value, so a crash between the two leaves one that nobody uses;
//! `Take` lets the next claimant have it once the desk has seen that its owner does not hold it.

use std::collections::BTreeMap;
use std::fmt;

use cqrs_es::Aggregate;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Decide, decided, stored};
use crate::id::{ContactId, Keyed};
use crate::words::words;

/// How many shards a kind has; fixed for ever, for a value's shard follows from it.
pub const SHARDS: u16 = 64;

words! {
    /// What must be unique within a workspace.
    pub enum UniqueKind {
        /// A contact's phone.
        Phone = "phone",
        /// A contact's email.
        Email = "email",
    }
}

/// One shard of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ShardId {
    /// Which kind of value.
    pub kind: UniqueKind,
    /// Below [`SHARDS`].
    pub shard: u16,
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind, self.shard)
    }
}

/// Who holds which value, as the events made it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reservations {
    /// Owners by the value's HMAC.
    pub held: BTreeMap<String, Reservation>,
}

/// Who reserved a value, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The contact.
    pub owner: ContactId,
    /// Since when.
    pub at: Timestamp,
}

/// What may be asked of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum UniqueCommand {
    /// Reserve a free value.
    Reserve {
        /// The value's HMAC.
        value: String,
        /// For whom.
        owner: ContactId,
        /// Now.
        at: Timestamp,
    },
    /// Reserve a value whose present owner was seen not to hold it.
    Take {
        /// The value's HMAC.
        value: String,
        /// From whom.
        from: ContactId,
        /// For whom.
        owner: ContactId,
        /// Now.
        at: Timestamp,
    },
    /// Give a value back; somebody else's is left alone.
    Release {
        /// The value's HMAC.
        value: String,
        /// Whose.
        owner: ContactId,
    },
}

/// What happened to a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum UniqueEvent {
    /// A value has an owner.
    #[serde(rename = "unique.reserved")]
    Reserved {
        /// The value's HMAC.
        value: String,
        /// The owner.
        owner: ContactId,
        /// Since when.
        #[schemars(with = "String")]
        at: Timestamp,
    },
    /// A value is free.
    #[serde(rename = "unique.released")]
    Released {
        /// The value's HMAC.
        value: String,
    },
}

stored!(UniqueEvent {
    Reserved = "unique.reserved" v 1,
    Released = "unique.released" v 1,
});

/// Why a value is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum UniqueError {
    /// Somebody has it.
    #[error("contact {owner} has it")]
    Held {
        /// Who.
        owner: ContactId,
        /// Since when.
        at: Timestamp,
    },
}

impl Decide for Reservations {
    fn decide(&self, command: UniqueCommand) -> Result<Vec<UniqueEvent>, UniqueError> {
        match command {
            UniqueCommand::Reserve { value, owner, at } => match self.held.get(&value) {
                None => Ok(vec![UniqueEvent::Reserved { value, owner, at }]),
                Some(held) if held.owner == owner => Ok(vec![]),
                Some(held) => Err(UniqueError::Held {
                    owner: held.owner,
                    at: held.at,
                }),
            },
            UniqueCommand::Take {
                value,
                from,
                owner,
                at,
            } => match self.held.get(&value) {
                Some(held) if held.owner == owner => Ok(vec![]),
                Some(held) if held.owner != from => Err(UniqueError::Held {
                    owner: held.owner,
                    at: held.at,
                }),
                _ => Ok(vec![UniqueEvent::Reserved { value, owner, at }]),
            },
            UniqueCommand::Release { value, owner } => match self.held.get(&value) {
                Some(held) if held.owner == owner => Ok(vec![UniqueEvent::Released { value }]),
                _ => Ok(vec![]),
            },
        }
    }
}

impl Aggregate for Reservations {
    const TYPE: &'static str = "unique";
    type Command = UniqueCommand;
    type Event = UniqueEvent;
    type Error = UniqueError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: UniqueEvent) {
        match event {
            UniqueEvent::Reserved { value, owner, at } => {
                self.held.insert(value, Reservation { owner, at });
            }
            UniqueEvent::Released { value } => {
                self.held.remove(&value);
            }
        }
    }
}

impl Keyed for Reservations {
    type Id = ShardId;
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;
    use jiff::Timestamp;

    use super::{Reservations, UniqueCommand, UniqueError, UniqueEvent};
    use crate::id::ContactId;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;
    const ONE: ContactId = ContactId(1);
    const TWO: ContactId = ContactId(2);

    fn shard() -> TestFramework<Reservations> {
        TestFramework::with(())
    }

    fn reserved(owner: ContactId) -> UniqueEvent {
        UniqueEvent::Reserved {
            value: "v".into(),
            owner,
            at: AT,
        }
    }

    fn reserve(owner: ContactId) -> UniqueCommand {
        UniqueCommand::Reserve {
            value: "v".into(),
            owner,
            at: AT,
        }
    }

    #[test]
    fn a_value_has_one_owner() {
        shard()
            .given_no_previous_events()
            .when(reserve(ONE))
            .then_expect_events(vec![reserved(ONE)]);
        shard()
            .given(vec![reserved(ONE)])
            .when(reserve(ONE))
            .then_expect_events(vec![]);
        shard()
            .given(vec![reserved(ONE)])
            .when(reserve(TWO))
            .then_expect_error(UniqueError::Held { owner: ONE, at: AT });
    }

    #[test]
    fn only_its_owner_gives_a_value_back() {
        let release = |owner| UniqueCommand::Release {
            value: "v".into(),
            owner,
        };
        let released = UniqueEvent::Released { value: "v".into() };
        shard()
            .given(vec![reserved(ONE)])
            .when(release(TWO))
            .then_expect_events(vec![]);
        shard()
            .given(vec![reserved(ONE)])
            .when(release(ONE))
            .then_expect_events(vec![released.clone()]);
        shard()
            .given(vec![reserved(ONE), released])
            .when(reserve(TWO))
            .then_expect_events(vec![reserved(TWO)]);
    }

    #[test]
    fn an_abandoned_value_is_taken_from_the_owner_that_was_checked() {
        let take = UniqueCommand::Take {
            value: "v".into(),
            from: ONE,
            owner: TWO,
            at: AT,
        };
        shard()
            .given(vec![reserved(ONE)])
            .when(take.clone())
            .then_expect_events(vec![reserved(TWO)]);
        let three = ContactId(3);
        shard()
            .given(vec![reserved(three)])
            .when(take)
            .then_expect_error(UniqueError::Held {
                owner: three,
                at: AT,
            });
    }
}
