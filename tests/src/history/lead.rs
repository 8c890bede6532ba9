//! One lead that does one thing at a time: what it answers is what every client must be able to
//! believe it talked to.

use serde_json::Value;

/// A lead as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lead {
    /// How many events made it.
    pub version: u64,
    /// Messages counted.
    pub messages: u64,
    /// Where it stands.
    pub stage: String,
}

/// What was asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// To begin.
    Open,
    /// To count this many messages more.
    Count(u64),
    /// To move here, if it stands there.
    Move {
        /// Where the client thinks that it stands.
        seen: String,
        /// Where to.
        to: String,
    },
    /// To show itself.
    Read,
}

/// What it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// This is how it stands now.
    Stands(Lead),
    /// Not allowed as it stands.
    Refused,
    /// There is no such lead.
    Missing,
}

impl Lead {
    /// As an answer of the API shows it.
    #[must_use]
    pub fn shown(body: &Value) -> Option<Self> {
        Some(Self {
            version: body["version"].as_u64()?,
            messages: body["message_count"].as_u64()?,
            stage: body["stage"].as_str()?.to_owned(),
        })
    }
}

impl Asked {
    /// The lead after this, and what it answers.
    #[must_use]
    pub fn of(&self, lead: Option<&Lead>) -> (Option<Lead>, Heard) {
        let after = match (self, lead) {
            (Self::Open, None) => Lead {
                version: 1,
                messages: 0,
                stage: "new".into(),
            },
            (Self::Open, Some(lead)) => return (Some(lead.clone()), Heard::Refused),
            (_, None) => return (None, Heard::Missing),
            (Self::Count(more), Some(lead)) => Lead {
                version: lead.version + 1,
                messages: lead.messages + more,
                stage: lead.stage.clone(),
            },
            (Self::Move { to, .. }, Some(lead)) if *to == lead.stage => lead.clone(),
            (Self::Move { seen, to }, Some(lead)) => {
                if *seen != lead.stage || !may_move(seen, to) {
                    return (Some(lead.clone()), Heard::Refused);
                }
                Lead {
                    version: lead.version + 1,
                    messages: lead.messages,
                    stage: to.clone(),
                }
            }
            (Self::Read, Some(lead)) => lead.clone(),
        };
        (Some(after.clone()), Heard::Stands(after))
    }
}

/// Told a second time on purpose: what is tested must not be its own judge.
fn may_move(from: &str, to: &str) -> bool {
    matches!(
        (from, to),
        ("new", "contacted" | "lost") | ("contacted", "qualified" | "lost") | ("qualified", "lost")
    )
}
