//! The pipeline of a lead, and the closed vocabularies that describe one.

use crate::words::words;

words! {
    /// Where a lead stands.
    pub enum LeadStage {
        /// Nobody has answered yet.
        New = "new",
        /// We are talking.
        Contacted = "contacted",
        /// Worth selling to.
        Qualified = "qualified",
        /// Handed to sales; final.
        Transferred = "transferred",
        /// Will not buy; final.
        Lost = "lost",
    }
}

impl LeadStage {
    /// The transition table.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::New => &[Self::Contacted, Self::Lost],
            Self::Contacted => &[Self::Qualified, Self::Lost],
            Self::Qualified => &[Self::Transferred, Self::Lost],
            Self::Transferred | Self::Lost => &[],
        }
    }

    /// Whether the table has a step from here to there.
    #[must_use]
    pub fn can_move_to(self, to: Self) -> bool {
        self.next().contains(&to)
    }
}

words! {
    /// Where a lead came from.
    pub enum LeadSource {
        /// Found by a scanner of public channels.
        Scanner = "scanner",
        /// Sent by a partner.
        Partner = "partner",
        /// Entered by hand.
        Manual = "manual",
    }
}

words! {
    /// The line of business a lead is for.
    pub enum BusinessDomain {
        /// The first.
        First = "first",
        /// The second.
        Second = "second",
        /// The third.
        Third = "third",
    }
}
