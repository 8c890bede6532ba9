//! Which status and kind a refusal of a contact has.

use domain::contact::aggregate::ContactError;

use crate::contacts::ContactsError;
use crate::http::problem::Problem;
use crate::http::refusals::{failed, moved};

impl From<ContactError> for Problem {
    fn from(refusal: ContactError) -> Self {
        let detail = refusal.to_string();
        match refusal {
            ContactError::NotFound => Self::not_found(detail).field("id"),
            ContactError::AlreadyCreated => {
                Self::conflict("/problems/exists", "It exists already", detail)
            }
            ContactError::MovedOn => moved(detail),
            ContactError::BadText { field, .. } => Self::invalid(field.as_str(), detail),
            ContactError::TooMany { kind } => Self::invalid(format!("{kind}s"), detail),
            ContactError::BadTag { field, .. } => Self::invalid(field, detail),
            ContactError::TooManyTags => Self::invalid("tags", detail),
            ContactError::TooManyLinks => Self::invalid("links", detail),
            ContactError::BadNote { .. } => Self::invalid("text", detail),
        }
    }
}

impl From<ContactsError> for Problem {
    fn from(error: ContactsError) -> Self {
        let detail = error.to_string();
        match error {
            ContactsError::Contact(error) => error.into(),
            ContactsError::Taken { kind, owner } => {
                Self::conflict("/problems/taken", "Another contact has it", detail)
                    .field(format!("{kind}s"))
                    .contacts([owner])
            }
            ContactsError::Busy { kind, seconds } => {
                Self::conflict("/problems/busy", "In use right now", detail)
                    .field(format!("{kind}s"))
                    .retry_after(seconds.into())
            }
            ContactsError::Several { owners } => {
                Self::conflict("/problems/several", "Several contacts have it", detail)
                    .field("phones")
                    .contacts(owners)
            }
            ContactsError::Unknown { .. } => Self::invalid("contact_id", detail),
            ContactsError::Failed(error) => failed(error),
        }
    }
}
