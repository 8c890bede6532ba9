//! What reverses an earlier event of a contact.

use super::decide::Address;
use super::{Contact, MAX_ADDRESSES};
use crate::contact::address::{Email, Phone};
use crate::contact::command::ContactCommand;
use crate::contact::event::{ContactEvent, ContactField};
use crate::contact::link::Link;
use crate::undo::{Kept, Reverse};
use crate::unique::UniqueKind;

/// What of a contact an event is about.
#[derive(Debug, PartialEq)]
pub enum Thing {
    /// Whether there is such a contact at all.
    Existence,
    /// One text.
    Text(ContactField),
    /// Whether it has this phone.
    Phone(Phone),
    /// Whether it has this email.
    Email(Email),
    /// Whether it has this tag.
    Tag(String),
    /// Whether it has this link.
    Link(Link),
    /// One note.
    Note(u32),
    /// Nothing that anybody is shown.
    Nothing,
}

impl Reverse for Contact {
    type Thing = Thing;

    fn thing(event: &ContactEvent) -> Thing {
        match event {
            ContactEvent::Created { .. }
            | ContactEvent::Removed {}
            | ContactEvent::Restored {}
            | ContactEvent::Erased {} => Thing::Existence,
            ContactEvent::FieldChanged { field, .. } => Thing::Text(*field),
            ContactEvent::ReservationLapsed {} => Thing::Nothing,
            ContactEvent::PhoneAdded { phone } | ContactEvent::PhoneRemoved { phone } => {
                Thing::Phone(phone.clone())
            }
            ContactEvent::EmailAdded { email } | ContactEvent::EmailRemoved { email } => {
                Thing::Email(email.clone())
            }
            ContactEvent::TagAdded { tag } | ContactEvent::TagRemoved { tag } => {
                Thing::Tag(tag.clone())
            }
            ContactEvent::LinkAdded { label, url } | ContactEvent::LinkRemoved { label, url } => {
                let (label, url) = (label.clone(), url.clone());
                Thing::Link(Link { label, url })
            }
            ContactEvent::Noted { number, .. } | ContactEvent::NoteWithdrawn { number, .. } => {
                Thing::Note(*number)
            }
        }
    }

    /// Whatever is done to a contact that came into being depends on its being there.
    fn touched(undone: &ContactEvent, later: &ContactEvent) -> Option<String> {
        let (thing, other) = (Self::thing(undone), Self::thing(later));
        match (undone, later) {
            (_, ContactEvent::ReservationLapsed {}) => None,
            (ContactEvent::Created { .. } | ContactEvent::Restored {}, _) => {
                Some("the contact was changed since; remove it instead".to_owned())
            }
            (_, ContactEvent::Removed {}) => Some("the contact was removed since".to_owned()),
            (_, ContactEvent::Restored {}) => Some("the contact was restored since".to_owned()),
            (_, ContactEvent::FieldChanged { field, .. }) if thing == other => {
                Some(format!("{field} was changed since"))
            }
            (_, ContactEvent::PhoneAdded { .. }) if thing == other => {
                Some(there(UniqueKind::Phone))
            }
            (_, ContactEvent::PhoneRemoved { .. }) if thing == other => {
                Some(gone(UniqueKind::Phone))
            }
            (_, ContactEvent::EmailAdded { .. }) if thing == other => {
                Some(there(UniqueKind::Email))
            }
            (_, ContactEvent::EmailRemoved { .. }) if thing == other => {
                Some(gone(UniqueKind::Email))
            }
            (_, ContactEvent::TagAdded { .. } | ContactEvent::TagRemoved { .. })
                if thing == other =>
            {
                Some("the tag was put on or taken off since".to_owned())
            }
            (_, ContactEvent::LinkAdded { .. } | ContactEvent::LinkRemoved { .. })
                if thing == other =>
            {
                Some("the link was added or taken away since".to_owned())
            }
            (_, ContactEvent::Noted { .. } | ContactEvent::NoteWithdrawn { .. })
                if thing == other =>
            {
                Some("the note was withdrawn or put back since".to_owned())
            }
            (
                _,
                ContactEvent::Created { .. }
                | ContactEvent::FieldChanged { .. }
                | ContactEvent::PhoneAdded { .. }
                | ContactEvent::PhoneRemoved { .. }
                | ContactEvent::EmailAdded { .. }
                | ContactEvent::EmailRemoved { .. }
                | ContactEvent::TagAdded { .. }
                | ContactEvent::TagRemoved { .. }
                | ContactEvent::LinkAdded { .. }
                | ContactEvent::LinkRemoved { .. }
                | ContactEvent::Noted { .. }
                | ContactEvent::NoteWithdrawn { .. }
                | ContactEvent::Erased {},
            ) => None,
        }
    }

    fn reverse(&self, _before: &Self, undone: &ContactEvent) -> Result<ContactEvent, Kept> {
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
        match undone {
            ContactEvent::Created { .. } | ContactEvent::Restored {} => {
                Ok(ContactEvent::Removed {})
            }
            ContactEvent::FieldChanged { field, from, to } => Ok(ContactEvent::FieldChanged {
                field: *field,
                from: to.clone(),
                to: from.clone(),
            }),
            ContactEvent::PhoneAdded { phone } => taken_away(&card.phones, phone),
            ContactEvent::PhoneRemoved { phone } => put_back(&card.phones, phone),
            ContactEvent::EmailAdded { email } => taken_away(&card.emails, email),
            ContactEvent::EmailRemoved { email } => put_back(&card.emails, email),
            ContactEvent::TagAdded { tag } => Ok(ContactEvent::TagRemoved { tag: tag.clone() }),
            ContactEvent::TagRemoved { tag } => Ok(ContactEvent::TagAdded { tag: tag.clone() }),
            ContactEvent::LinkAdded { label, url } => Ok(ContactEvent::LinkRemoved {
                label: label.clone(),
                url: url.clone(),
            }),
            ContactEvent::LinkRemoved { label, url } => Ok(ContactEvent::LinkAdded {
                label: label.clone(),
                url: url.clone(),
            }),
            ContactEvent::Noted { number, text } => Ok(ContactEvent::NoteWithdrawn {
                number: *number,
                text: text.clone(),
            }),
            ContactEvent::NoteWithdrawn { number, text } => Ok(ContactEvent::Noted {
                number: *number,
                text: text.clone(),
            }),
            ContactEvent::Removed {} if !self.removed => {
                Err(Kept::because("the contact was restored since"))
            }
            ContactEvent::Removed {} => Ok(ContactEvent::Restored {}),
            ContactEvent::ReservationLapsed {} => Err(Kept::because("nothing was changed by it")),
            ContactEvent::Erased {} => Err(Kept::because("an erasure is for ever")),
        }
    }

    fn compensate(&self, events: Vec<ContactEvent>) -> ContactCommand {
        ContactCommand::Compensate {
            seen: Box::new(self.clone()),
            events,
        }
    }
}

fn gone(what: UniqueKind) -> String {
    format!("this {what} was removed since")
}

fn there(what: UniqueKind) -> String {
    format!("this {what} was added again since")
}

fn taken_away<T: Address>(list: &[T], value: &T) -> Result<ContactEvent, Kept> {
    let held = list.contains(value);
    held.then(|| value.clone().removed())
        .ok_or_else(|| Kept(gone(T::KIND)))
}

fn put_back<T: Address>(list: &[T], value: &T) -> Result<ContactEvent, Kept> {
    match list {
        list if list.contains(value) => Err(Kept(there(T::KIND))),
        list if list.len() >= MAX_ADDRESSES => Err(Kept(format!(
            "a contact has at most {MAX_ADDRESSES} {}s, and this one has them by now",
            T::KIND
        ))),
        _ => Ok(value.clone().added()),
    }
}
