//! What the log knows of its policies: which have begun on it, and where a person let one go on.
//!
//! A policy's cursor is kept beside the log and may be lost, by a restore for one. This tells a
//! cursor that is lost from a policy that is new: a policy that has begun, and has no cursor, must
//! not act on history as if it were news.

use cqrs_es::Aggregate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Decide, decided, stored};
use crate::id::Keyed;
use crate::words::words;

words! {
    /// Every policy there is.
    pub enum PolicyId {
        /// Opens the sale of a transferred lead.
        Transfer = "transfer",
        /// Destroys the key of who was erased.
        Erasure = "erasure",
        /// Notes beside the backups who was erased.
        NotingErasures = "noting-erasures",
        /// Analyses and transfers leads by the rules of a workspace.
        Automation = "automation",
    }
}

words! {
    /// Where a policy starts on a log on which it has never begun.
    pub enum Start {
        /// At the first commit: what was left undone is done, and what was done is found done.
        Beginning = "beginning",
        /// At the end: it acts on news only.
        Now = "now",
    }
}

/// How far into a partition: up to this sequence, and behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// The partition.
    pub partition: u16,
    /// The last sequence that is not reacted to any more; 0 before the first commit.
    pub sequence: u64,
}

/// What the log knows of one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// Whether it has ever run on this log.
    pub begun: bool,
}

/// What may be asked of a policy's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum PolicyCommand {
    /// It begins on this log, if it has not.
    Begin {
        /// Where it starts.
        from: Start,
    },
    /// A person lets it go on from here.
    Place {
        /// By partition.
        at: Vec<Mark>,
    },
}

/// What happened to a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum PolicyEvent {
    /// It began to follow this log.
    #[serde(rename = "policy.began")]
    Began {
        /// Where it started.
        from: Start,
    },
    /// A person let it go on from another place.
    #[serde(rename = "policy.placed")]
    Placed {
        /// By partition.
        at: Vec<Mark>,
    },
}

stored!(PolicyEvent {
    Began = "policy.began" v 1,
    Placed = "policy.placed" v 1,
});

/// A policy's record takes everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum PolicyError {}

impl Decide for PolicyRecord {
    const STATE: u32 = 1;

    fn decide(&self, command: PolicyCommand) -> Result<Vec<PolicyEvent>, PolicyError> {
        match command {
            PolicyCommand::Begin { .. } if self.begun => Ok(vec![]),
            PolicyCommand::Begin { from } => Ok(vec![PolicyEvent::Began { from }]),
            PolicyCommand::Place { at } => Ok(vec![PolicyEvent::Placed { at }]),
        }
    }
}

impl Aggregate for PolicyRecord {
    const TYPE: &'static str = "policy";
    type Command = PolicyCommand;
    type Event = PolicyEvent;
    type Error = PolicyError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: PolicyEvent) {
        match event {
            PolicyEvent::Began { .. } | PolicyEvent::Placed { .. } => self.begun = true,
        }
    }
}

impl Keyed for PolicyRecord {
    type Id = PolicyId;
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::{Mark, PolicyCommand, PolicyEvent, PolicyRecord, Start};

    fn policy() -> TestFramework<PolicyRecord> {
        TestFramework::with(())
    }

    #[test]
    fn a_policy_begins_once_on_a_log() {
        let begin = PolicyCommand::Begin { from: Start::Now };
        let first = PolicyEvent::Began { from: Start::Now };
        policy()
            .given_no_previous_events()
            .when(begin.clone())
            .then_expect_events(vec![first.clone()]);
        policy()
            .given(vec![first])
            .when(begin)
            .then_expect_events(vec![]);
    }

    #[test]
    fn a_person_may_place_it_at_any_time_and_it_has_begun_then() {
        let at = vec![Mark {
            partition: 0,
            sequence: 7,
        }];
        let placed = PolicyEvent::Placed { at: at.clone() };
        policy()
            .given_no_previous_events()
            .when(PolicyCommand::Place { at })
            .then_expect_events(vec![placed.clone()]);
        policy()
            .given(vec![placed])
            .when(PolicyCommand::Begin {
                from: Start::Beginning,
            })
            .then_expect_events(vec![]);
    }
}
