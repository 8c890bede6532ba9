//! Where a lead came from, and for which line of business.

use crate::words::words;

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
