//! What may be asked of a contact.

use serde::{Deserialize, Serialize};

use super::address::{Email, Phone};
use super::aggregate::Contact;
use super::event::ContactEvent;

/// What may be asked of a contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum ContactCommand {
    /// Begin.
    Create(Card),
    /// Change what is `Some`; `Some(None)` clears a field, a list replaces the list.
    Change {
        /// What the person is called; cannot be cleared.
        name: Option<String>,
        /// Where they work.
        #[serde(default, with = "crate::clearing")]
        company: Option<Option<String>>,
        /// What they do there.
        #[serde(default, with = "crate::clearing")]
        role: Option<Option<String>>,
        /// All phones from now on.
        phones: Option<Vec<Phone>>,
        /// All emails from now on.
        emails: Option<Vec<Email>>,
        /// Anything else worth knowing.
        #[serde(default, with = "crate::clearing")]
        note: Option<Option<String>>,
    },
    /// Take over what else is known of the person: what is `None` stays, phones and emails come to those
    /// that are there.
    Merge {
        /// What is known.
        card: Card,
        /// Whether a text that is known already is replaced.
        overwrite: bool,
    },
    /// Add one phone; the others stay.
    AddPhone {
        /// The phone.
        phone: Phone,
    },
    /// Take one phone away; the others stay.
    RemovePhone {
        /// The phone.
        phone: Phone,
    },
    /// Add one email; the others stay.
    AddEmail {
        /// The email.
        email: Email,
    },
    /// Take one email away; the others stay.
    RemoveEmail {
        /// The email.
        email: Email,
    },
    /// Show it no longer and free its phones and emails.
    Remove,
    /// Let no change be made any more that was prepared for the version it has now.
    Lapse,
    /// Forget the person for ever.
    Erase,
    /// Append what reverses an earlier change, if the contact is still as it was seen.
    Compensate {
        /// How it was.
        seen: Box<Contact>,
        /// What reverses.
        events: Vec<ContactEvent>,
    },
}

/// Everything a contact can say of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// What the person is called.
    pub name: String,
    /// Where they work.
    pub company: Option<String>,
    /// What they do there.
    pub role: Option<String>,
    /// Their phones.
    pub phones: Vec<Phone>,
    /// Their emails.
    pub emails: Vec<Email>,
    /// Anything else worth knowing.
    pub note: Option<String>,
}
