//! A contact, how facts change it, and why it refuses; [`decide`] is what it decides, [`undo`] what
//! reverses an earlier event.

mod decide;
mod undo;

use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};

use super::command::{Card, ContactCommand};
use super::event::{ContactEvent, ContactField};
use super::link::{Link, MAX_LINKS};
use crate::event::{Decide as _, decided};
use crate::id::{ContactId, Keyed};
use crate::tags::{BadTags, MAX_TAGS};
use crate::text::BadText;
use crate::unique::UniqueKind;

/// The longest text that a field takes, in characters.
pub const MAX_TEXT: usize = 500;
/// The longest note, in characters.
pub const MAX_NOTE: usize = 10_000;
/// The most phones, and the most emails, that one contact has.
pub const MAX_ADDRESSES: usize = 20;

/// A contact as its events made it; the default one was never created.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// What is known, since it was created.
    pub card: Option<Card>,
    /// Whether it was removed.
    pub removed: bool,
    /// Whether the person was forgotten.
    pub erased: bool,
}

/// Why a contact refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ContactError {
    /// There is no such contact, or no longer.
    #[error("This contact does not exist")]
    NotFound,
    /// It changed while its undo was prepared.
    #[error("This contact changed just now; try again")]
    MovedOn,
    /// It was created before.
    #[error("This contact was created before")]
    AlreadyCreated,
    /// A text cannot be taken.
    #[error("{field} {bad}")]
    BadText {
        /// Which field.
        field: ContactField,
        /// What is wrong with it.
        bad: BadText,
    },
    /// A tag cannot be taken.
    #[error("{field} {bad}")]
    BadTag {
        /// Of which field.
        field: String,
        /// What is wrong with it.
        bad: BadText,
    },
    /// More than [`MAX_TAGS`].
    #[error("a contact has at most {MAX_TAGS} tags; take some off first")]
    TooManyTags,
    /// More than [`MAX_LINKS`].
    #[error("a contact has at most {MAX_LINKS} links; take some away first")]
    TooManyLinks,
    /// A note cannot be taken.
    #[error("text {bad}")]
    BadNote {
        /// What is wrong with it.
        bad: BadText,
    },
    /// Too many phones or emails.
    #[error("a contact has at most {MAX_ADDRESSES} {kind}s")]
    TooMany {
        /// Which of both.
        kind: UniqueKind,
    },
}

impl ContactError {
    /// Why this field holds no tags.
    #[must_use]
    pub fn bad_tags(field: &str, bad: BadTags) -> Self {
        match bad {
            BadTags::Text(bad) => Self::BadTag {
                field: field.to_owned(),
                bad,
            },
            BadTags::TooMany => Self::TooManyTags,
        }
    }
}

impl Contact {
    /// The card of a contact that exists and was not removed.
    #[must_use]
    pub fn present(&self) -> Option<&Card> {
        self.card.as_ref().filter(|_| !self.removed)
    }
}

impl Card {
    /// What a text field holds.
    #[must_use]
    pub fn get(&self, field: ContactField) -> Option<&String> {
        match field {
            ContactField::Name => Some(&self.name),
            ContactField::Company => self.company.as_ref(),
            ContactField::Role => self.role.as_ref(),
            ContactField::Note => self.note.as_ref(),
        }
    }

    fn put(&mut self, field: ContactField, to: Option<String>) {
        match field {
            ContactField::Name => self.name = to.unwrap_or_default(),
            ContactField::Company => self.company = to,
            ContactField::Role => self.role = to,
            ContactField::Note => self.note = to,
        }
    }
}

impl Aggregate for Contact {
    const TYPE: &'static str = "contact";
    type Command = ContactCommand;
    type Event = ContactEvent;
    type Error = ContactError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: ContactEvent) {
        if let ContactEvent::Created {
            name,
            company,
            role,
            phones,
            emails,
            note,
        } = event
        {
            self.card = Some(Card {
                name,
                company,
                role,
                phones,
                emails,
                note,
                ..Card::default()
            });
            return;
        }
        let Some(card) = &mut self.card else { return };
        match event {
            // The text of a note is in the history alone.
            ContactEvent::Created { .. }
            | ContactEvent::NoteWithdrawn { .. }
            | ContactEvent::ReservationLapsed {} => {}
            ContactEvent::FieldChanged { field, to, .. } => card.put(field, to),
            ContactEvent::PhoneAdded { phone } => card.phones.push(phone),
            ContactEvent::PhoneRemoved { phone } => card.phones.retain(|kept| *kept != phone),
            ContactEvent::EmailAdded { email } => card.emails.push(email),
            ContactEvent::EmailRemoved { email } => card.emails.retain(|kept| *kept != email),
            ContactEvent::TagAdded { tag } => card.tags.insert(tag),
            ContactEvent::TagRemoved { tag } => card.tags.remove(&tag),
            ContactEvent::LinkAdded { label, url } => card.links.push(Link { label, url }),
            ContactEvent::LinkRemoved { label, url } => {
                let gone = Link { label, url };
                card.links.retain(|link| *link != gone);
            }
            ContactEvent::Noted { number, .. } => card.notes = card.notes.max(number),
            ContactEvent::Removed {} => self.removed = true,
            ContactEvent::Restored {} => self.removed = false,
            ContactEvent::Erased {} => {
                *card = Card::default();
                (self.removed, self.erased) = (true, true);
            }
        }
    }
}

impl Keyed for Contact {
    type Id = ContactId;
}

#[cfg(test)]
mod tests;
