//! One owner per value: reservations of phones and emails, sharded by a keyed hash.
//!
//! A shard that has once held [`CAPACITY`] values is full for ever: it goes on with what it holds, and takes
//! nothing else. Other values go to one of its 256 children, by the next byte of their HMAC. So a value is
//! looked for from the root on, up to the first shard that holds it or is not full; and a value that a full
//! shard does not hold will never be there again, so that two of its owners meet in one shard.
//!
//! A shard knows values only by their HMAC, never in clear. A reservation is made for one attempt to
//! change one contact, and names the version of the contact that the attempt has seen: the attempt
//! changes the contact at that version or not at all. So whoever finds a value reserved need only
//! look at its owner: it shows the value; or it is past that version without the value, and nothing
//! that relied on the reservation can happen any more; or the attempt may still be on its way.
//!
//! Invariant: a reservation goes to another owner only where its owner was seen without the value in
//! a later version than the one it was made for, and is given back only by all who made it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cqrs_es::Aggregate;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{Decide, decided, stored};
use crate::id::{ContactId, Keyed};
use crate::words::words;

/// How many shards a kind has at first; fixed for ever, for a value's shard follows from it.
pub const SHARDS: u16 = 64;
/// How many values a shard holds before others go to its children; fixed for ever, for where a value is looked
/// for follows from it.
pub const CAPACITY: usize = 1_000;
/// How many generations of children there are: 64 shards with 256 children each hold 16 million values, and
/// with as many grandchildren 4,000 million.
const GENERATIONS: usize = 4;
/// How many hex digits of a value's HMAC have chosen its shard.
const ROOT_DIGITS: usize = 4;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShardId {
    /// Which kind of value.
    pub kind: UniqueKind,
    /// Below [`SHARDS`].
    pub shard: u16,
    /// Which of its descendants.
    #[serde(default, skip_serializing_if = "Branch::is_root")]
    pub branch: Branch,
}

/// The way from a shard to one of its descendants: a byte of the HMAC for each generation.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Branch {
    depth: usize,
    bytes: [u8; GENERATIONS],
}

impl Branch {
    const fn is_root(&self) -> bool {
        self.depth == 0
    }
}

impl ShardId {
    /// The shard where a value is looked for first.
    #[must_use]
    pub const fn root(kind: UniqueKind, shard: u16) -> Self {
        Self {
            kind,
            shard,
            branch: Branch {
                depth: 0,
                bytes: [0; GENERATIONS],
            },
        }
    }

    /// Where a value with this HMAC is looked for next, where this shard is full; none in the last generation,
    /// and for what is no HMAC.
    #[must_use]
    pub fn child(self, value: &str) -> Option<Self> {
        let depth = self.branch.depth;
        let from = ROOT_DIGITS + 2 * depth;
        let byte = u8::from_str_radix(value.get(from..from + 2)?, 16).ok()?;
        let mut branch = self.branch;
        *branch.bytes.get_mut(depth)? = byte;
        branch.depth += 1;
        Some(Self { branch, ..self })
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind, self.shard)?;
        let ways = self.branch.bytes.iter().take(self.branch.depth);
        ways.into_iter().try_for_each(|way| write!(f, "-{way:02x}"))
    }
}

/// Who holds which value, as the events made it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reservations {
    /// Owners by the value's HMAC.
    pub held: BTreeMap<String, Reservation>,
    /// Whether it takes no other values, because it has once held [`CAPACITY`] of them.
    pub is_full: bool,
}

/// Who reserved a value, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The contact.
    pub owner: ContactId,
    /// The version of the contact that is to be changed; 0 where it is to be created.
    pub seen: u64,
    /// Attempts at that version that rely on it.
    pub attempts: BTreeSet<Uuid>,
    /// When it was made last.
    pub at: Timestamp,
}

/// A value to be reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Its HMAC.
    pub value: String,
    /// Who holds it and was seen without it.
    pub idle: Option<Idle>,
}

/// A contact that was seen without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// The contact.
    pub owner: ContactId,
    /// Its version then.
    pub version: u64,
}

/// What may be asked of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum UniqueCommand {
    /// Reserve all of these values, or none of them.
    Reserve {
        /// For whom.
        owner: ContactId,
        /// The version of the contact that is to be changed.
        seen: u64,
        /// The attempt that relies on it.
        attempt: Uuid,
        /// Now.
        at: Timestamp,
        /// The values.
        values: Vec<Wanted>,
    },
    /// This attempt needs these values no longer, for it has certainly changed nothing.
    Release {
        /// The attempt.
        attempt: Uuid,
        /// HMACs of the values.
        values: Vec<String>,
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
        /// The version of the owner that is to be changed; 0 where it is to be created.
        seen: u64,
        /// The attempt that relies on it; unknown before version 2.
        attempt: Option<Uuid>,
        /// Since when.
        #[schemars(with = "String")]
        at: Timestamp,
    },
    /// An attempt gave a value back; it is free once all have.
    #[serde(rename = "unique.released")]
    Released {
        /// The value's HMAC.
        value: String,
        /// Which attempt; before version 2 it was everybody's at once.
        attempt: Option<Uuid>,
    },
}

stored!(UniqueEvent {
    Reserved = "unique.reserved" v 2,
    Released = "unique.released" v 2,
});

/// Why a value is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum UniqueError {
    /// Somebody has it, or may be about to.
    #[error("contact {owner} has it")]
    Held {
        /// Who.
        owner: ContactId,
    },
    /// The shard holds other values, and takes no more: ask its child.
    #[error("the shard is full")]
    Full,
}

impl Reservations {
    /// Whether a value is held here, or would be: it is looked for in a child otherwise.
    #[must_use]
    pub fn has_place_for(&self, value: &str) -> bool {
        !self.is_full || self.held.contains_key(value)
    }

    /// Whether an attempt has to reserve this value first, or that somebody else has it.
    fn is_due(
        &self,
        Wanted { value, idle }: &Wanted,
        owner: ContactId,
        seen: u64,
        attempt: Uuid,
    ) -> Result<bool, UniqueError> {
        let Some(held) = self.held.get(value) else {
            return if self.has_place_for(value) {
                Ok(true)
            } else {
                Err(UniqueError::Full)
            };
        };
        let is_over = |idle: &Idle| idle.owner == held.owner && held.seen < idle.version;
        match held {
            // An attempt that has seen less than another changes nothing: its version is gone.
            held if held.owner == owner => {
                Ok(held.seen < seen || held.seen == seen && !held.attempts.contains(&attempt))
            }
            _ if idle.as_ref().is_some_and(is_over) => Ok(true),
            held => Err(UniqueError::Held { owner: held.owner }),
        }
    }
}

impl Decide for Reservations {
    const STATE: u32 = 2;

    fn decide(&self, command: UniqueCommand) -> Result<Vec<UniqueEvent>, UniqueError> {
        match command {
            UniqueCommand::Reserve {
                owner,
                seen,
                attempt,
                at,
                values,
            } => {
                let mut events = Vec::new();
                for wanted in values {
                    if self.is_due(&wanted, owner, seen, attempt)? {
                        events.push(UniqueEvent::Reserved {
                            value: wanted.value,
                            owner,
                            seen,
                            attempt: Some(attempt),
                            at,
                        });
                    }
                }
                Ok(events)
            }
            UniqueCommand::Release { attempt, values } => {
                let relies = |value: &String| {
                    let held = self.held.get(value);
                    held.is_some_and(|held| held.attempts.contains(&attempt))
                };
                let released = |value| UniqueEvent::Released {
                    value,
                    attempt: Some(attempt),
                };
                Ok(values.into_iter().filter(relies).map(released).collect())
            }
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
            UniqueEvent::Reserved {
                value,
                owner,
                seen,
                attempt,
                at,
            } => {
                let fresh = Reservation {
                    owner,
                    seen,
                    attempts: BTreeSet::new(),
                    at,
                };
                let held = self.held.entry(value).or_insert_with(|| fresh.clone());
                if (held.owner, held.seen) != (owner, seen) {
                    *held = fresh;
                }
                held.at = at;
                held.attempts.extend(attempt);
                self.is_full |= self.held.len() >= CAPACITY;
            }
            UniqueEvent::Released { value, attempt } => {
                let Some(held) = self.held.get_mut(&value) else {
                    return;
                };
                match attempt {
                    Some(attempt) => drop(held.attempts.remove(&attempt)),
                    None => held.attempts.clear(),
                }
                if held.attempts.is_empty() {
                    self.held.remove(&value);
                }
            }
        }
    }
}

impl Keyed for Reservations {
    type Id = ShardId;
}

#[cfg(test)]
mod tests;
