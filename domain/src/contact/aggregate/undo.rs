//! What reverses an earlier event of a contact.

use super::{Contact, ContactError};
use crate::contact::command::ContactCommand;
use crate::contact::event::ContactEvent;
use crate::undo::{Kept, Reverse};

impl Reverse for Contact {
    fn reverse(
        &self,
        _before: &Self,
        undone: &ContactEvent,
        later: &[ContactEvent],
    ) -> Result<Vec<ContactEvent>, Kept> {
        let Some(card) = &self.card else {
            return Err(Kept::because("there is no such contact"));
        };
        if self.erased {
            return Err(Kept::because(
                "the person was erased, and nothing of them comes back",
            ));
        }
        if self.removed && *undone != (ContactEvent::Removed {}) {
            return Err(Kept::because("the contact was removed since"));
        }
        let gone = |field: &str| Kept::because(format!("this {field} was removed since"));
        let there = |field: &str| Kept::because(format!("this {field} was added again since"));
        match undone {
            ContactEvent::Created { .. } | ContactEvent::Restored {} if later.is_empty() => {
                Ok(vec![ContactEvent::Removed {}])
            }
            ContactEvent::Created { .. } | ContactEvent::Restored {} => Err(Kept::because(
                "the contact was changed since; remove it instead",
            )),
            ContactEvent::FieldChanged { field, from, to } => {
                let again = |event: &ContactEvent| matches!(event, ContactEvent::FieldChanged { field: other, .. } if other == field);
                if later.iter().any(again) {
                    return Err(Kept::because(format!("{field} was changed since")));
                }
                Ok(vec![ContactEvent::FieldChanged {
                    field: *field,
                    from: to.clone(),
                    to: from.clone(),
                }])
            }
            ContactEvent::PhoneAdded { phone } if !card.phones.contains(phone) => {
                Err(gone("phone"))
            }
            ContactEvent::PhoneAdded { phone } => Ok(vec![ContactEvent::PhoneRemoved {
                phone: phone.clone(),
            }]),
            ContactEvent::PhoneRemoved { phone } if card.phones.contains(phone) => {
                Err(there("phone"))
            }
            ContactEvent::PhoneRemoved { phone } => Ok(vec![ContactEvent::PhoneAdded {
                phone: phone.clone(),
            }]),
            ContactEvent::EmailAdded { email } if !card.emails.contains(email) => {
                Err(gone("email"))
            }
            ContactEvent::EmailAdded { email } => Ok(vec![ContactEvent::EmailRemoved {
                email: email.clone(),
            }]),
            ContactEvent::EmailRemoved { email } if card.emails.contains(email) => {
                Err(there("email"))
            }
            ContactEvent::EmailRemoved { email } => Ok(vec![ContactEvent::EmailAdded {
                email: email.clone(),
            }]),
            ContactEvent::Removed {} if !self.removed => {
                Err(Kept::because("the contact was restored since"))
            }
            ContactEvent::Removed {} => Ok(vec![ContactEvent::Restored {}]),
            ContactEvent::Erased {} => Err(Kept::because("an erasure is for ever")),
        }
    }

    fn compensate(&self, events: Vec<ContactEvent>) -> ContactCommand {
        ContactCommand::Compensate {
            seen: Box::new(self.clone()),
            events,
        }
    }

    fn is_stale(refusal: &ContactError) -> bool {
        *refusal == ContactError::MovedOn
    }
}
