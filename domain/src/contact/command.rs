//! What may be asked of a contact.

use serde::{Deserialize, Serialize};

use super::address::{Email, Phone};
use super::aggregate::Contact;
use super::event::ContactEvent;
use super::link::Link;
use crate::tags::Tags;

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
        /// All tags from now on.
        #[serde(default)]
        tags: Option<Tags>,
        /// All links from now on.
        #[serde(default)]
        links: Option<Vec<Link>>,
    },
    /// Take over what else is known of the person: what is `None` stays, phones, emails, tags and links
    /// come to those that are there.
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
    /// One tag more.
    AddTag {
        /// The tag.
        tag: String,
    },
    /// One tag less.
    RemoveTag {
        /// The tag.
        tag: String,
    },
    /// Write something down about the person.
    Note {
        /// What.
        text: String,
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
    /// Their tags.
    #[serde(default)]
    pub tags: Tags,
    /// Pages of the web about them.
    #[serde(default)]
    pub links: Vec<Link>,
    /// The number of the last note; its text is in the history alone.
    #[serde(default)]
    pub notes: u32,
}
