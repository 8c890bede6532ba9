//! What of the log a person has put into quarantine: positions that every reader passes over, because
//! nobody can read what stands there any more.

use std::collections::BTreeMap;

use cqrs_es::Aggregate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Decide, decided, stored};
use crate::id::Keyed;
use crate::words::words;

words! {
    /// A log has one quarantine.
    pub enum QuarantineId {
        /// The one.
        Log = "log",
    }
}

/// What is passed over, by position as people write it, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// `0:1234`, and what was wrong with it.
    pub passed_over: BTreeMap<String, String>,
}

/// Pass a position over from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassOver {
    /// `0:1234`.
    pub position: String,
    /// What is wrong with what stands there.
    pub reason: String,
}

/// What happened to the quarantine of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum QuarantineEvent {
    /// What stands at a position is passed over by every reader from now on.
    #[serde(rename = "quarantine.position_passed_over")]
    PositionPassedOver {
        /// Partition and sequence: `0:1234`.
        position: String,
        /// What was wrong with it.
        reason: String,
    },
}

stored!(QuarantineEvent { PositionPassedOver = "quarantine.position_passed_over" v 1 });

/// There is nothing that a quarantine refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum QuarantineError {}

impl Decide for Quarantine {
    const STATE: u32 = 1;

    fn decide(&self, command: PassOver) -> Result<Vec<QuarantineEvent>, QuarantineError> {
        let PassOver { position, reason } = command;
        if self.passed_over.contains_key(&position) {
            return Ok(vec![]);
        }
        Ok(vec![QuarantineEvent::PositionPassedOver {
            position,
            reason,
        }])
    }
}

impl Aggregate for Quarantine {
    const TYPE: &'static str = "quarantine";
    type Command = PassOver;
    type Event = QuarantineEvent;
    type Error = QuarantineError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: QuarantineEvent) {
        let QuarantineEvent::PositionPassedOver { position, reason } = event;
        self.passed_over.insert(position, reason);
    }
}

impl Keyed for Quarantine {
    type Id = QuarantineId;
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::{PassOver, Quarantine, QuarantineEvent};

    #[test]
    fn a_position_is_passed_over_once() {
        let passed = QuarantineEvent::PositionPassedOver {
            position: "0:7".into(),
            reason: "junk".into(),
        };
        let pass = || PassOver {
            position: "0:7".into(),
            reason: "junk".into(),
        };
        TestFramework::<Quarantine>::with(())
            .given_no_previous_events()
            .when(pass())
            .then_expect_events(vec![passed.clone()]);
        TestFramework::<Quarantine>::with(())
            .given(vec![passed])
            .when(pass())
            .then_expect_events(vec![]);
    }
}
