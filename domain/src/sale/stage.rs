//! The pipeline of a sale.

use crate::words::words;

words! {
    /// Where a sale stands.
    pub enum SaleStage {
        /// Just handed over.
        New = "new",
        /// Checking who the customer is.
        Kyc = "kyc",
        /// Agreeing on the contract.
        Agreement = "agreement",
        /// Money arrived; final.
        Paid = "paid",
        /// Will not buy; final.
        Lost = "lost",
    }
}

impl SaleStage {
    /// The transition table.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::New => &[Self::Kyc, Self::Lost],
            Self::Kyc => &[Self::Agreement, Self::Lost],
            Self::Agreement => &[Self::Paid, Self::Lost],
            Self::Paid | Self::Lost => &[],
        }
    }

    /// Whether the table has a step from here to there.
    #[must_use]
    pub fn can_move_to(self, to: Self) -> bool {
        self.next().contains(&to)
    }
}
