//! Which status and kind a refusal of a sale has, or of the transfer that opens one.

use domain::sale::aggregate::SaleError;

use crate::http::problem::Problem;
use crate::http::refusals::STALE;
use crate::sales::TransferError;

impl From<SaleError> for Problem {
    fn from(refusal: SaleError) -> Self {
        let detail = refusal.to_string();
        let conflict = |(kind, title)| Self::conflict(kind, title, detail.clone());
        match refusal {
            SaleError::NotOpen => Self::not_found(detail).field("id"),
            SaleError::AlreadyOpen { .. } => conflict(("/problems/exists", "It exists already")),
            SaleError::Stale { .. } => conflict(STALE).field("seen"),
            SaleError::NoStep(refusal) => refusal.into(),
            SaleError::Closed { .. } => {
                conflict(("/problems/closed", "The sale is closed")).field("amount")
            }
        }
    }
}

impl From<TransferError> for Problem {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Lead(error) => error.into(),
            TransferError::Sale(error) => error.into(),
            TransferError::Pipeline(error) => error.into(),
            TransferError::Journal(error) => error.into(),
            TransferError::Number(error) => error.into(),
        }
    }
}
