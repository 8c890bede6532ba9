//! Undo: what reverses an earlier event, by ordinary events, where nobody has touched it since.
//!
//! Nothing is ever rewritten. A step that was undone stands in the history, and so does its undo.

use cqrs_es::Aggregate;

/// Why an event is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept(pub String);

impl Kept {
    /// Kept for this reason.
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// An aggregate whose events can be reversed.
pub trait Reverse: Aggregate {
    /// What reverses an event, or why it is kept. `self` is the state now, `before` the state
    /// before the event, `later` what has happened since.
    fn reverse(
        &self,
        before: &Self,
        undone: &Self::Event,
        later: &[Self::Event],
    ) -> Result<Vec<Self::Event>, Kept>;

    /// The command that appends these events, if the state is still the one they were made for.
    fn compensate(&self, events: Vec<Self::Event>) -> Self::Command;

    /// Whether this refusal says that the state was another one by then.
    fn is_stale(refusal: &Self::Error) -> bool;
}
