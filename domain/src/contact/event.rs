//! Facts about a contact; nearly every field identifies a person and is sealed when stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::{Email, Phone};
use crate::event::stored;
use crate::words::words;

words! {
    /// The fields of a contact that hold one text.
    pub enum ContactField {
        /// What the person is called.
        Name = "name",
        /// Where they work.
        Company = "company",
        /// What they do there.
        Role = "role",
        /// Anything else worth knowing.
        Note = "note",
    }
}

/// What happened to a contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum ContactEvent {
    /// We came to know somebody.
    #[serde(rename = "contact.created")]
    Created {
        /// What the person is called.
        name: String,
        /// Where they work.
        company: Option<String>,
        /// What they do there.
        role: Option<String>,
        /// Their phones.
        phones: Vec<Phone>,
        /// Their emails.
        emails: Vec<Email>,
        /// Anything else worth knowing.
        note: Option<String>,
    },
    /// One text field was set, or cleared.
    #[serde(rename = "contact.field_changed")]
    FieldChanged {
        /// Which.
        field: ContactField,
        /// What it was.
        from: Option<String>,
        /// What it is.
        to: Option<String>,
    },
    /// A phone was added.
    #[serde(rename = "contact.phone_added")]
    PhoneAdded {
        /// The phone.
        phone: Phone,
    },
    /// A phone was taken away, and is free for another contact.
    #[serde(rename = "contact.phone_removed")]
    PhoneRemoved {
        /// The phone.
        phone: Phone,
    },
    /// An email was added.
    #[serde(rename = "contact.email_added")]
    EmailAdded {
        /// The email.
        email: Email,
    },
    /// An email was taken away, and is free for another contact.
    #[serde(rename = "contact.email_removed")]
    EmailRemoved {
        /// The email.
        email: Email,
    },
    /// It was tagged.
    #[serde(rename = "contact.tag_added")]
    TagAdded {
        /// In lower case.
        tag: String,
    },
    /// A tag was taken off.
    #[serde(rename = "contact.tag_removed")]
    TagRemoved {
        /// In lower case.
        tag: String,
    },
    /// A page of the web about the person became known.
    #[serde(rename = "contact.link_added")]
    LinkAdded {
        /// What it is.
        label: Option<String>,
        /// Its address.
        url: String,
    },
    /// A link was taken away.
    #[serde(rename = "contact.link_removed")]
    LinkRemoved {
        /// What it was.
        label: Option<String>,
        /// Its address.
        url: String,
    },
    /// Somebody wrote something down about the person.
    #[serde(rename = "contact.noted")]
    Noted {
        /// Of this contact's notes, from 1 up.
        number: u32,
        /// What.
        text: String,
    },
    /// A note was written by mistake; it stands in the history, crossed out by this.
    #[serde(rename = "contact.note_withdrawn")]
    NoteWithdrawn {
        /// Which.
        number: u32,
        /// What it said.
        text: String,
    },
    /// The contact is no longer shown; its phones and emails are free.
    #[serde(rename = "contact.removed")]
    Removed {},
    /// It is shown again.
    #[serde(rename = "contact.restored")]
    Restored {},
    /// A change that had reserved phones or emails was never made, and cannot be made any more:
    /// somebody else wanted them. Nothing that is shown changed.
    #[serde(rename = "contact.reservation_lapsed")]
    ReservationLapsed {},
    /// The person asked to be forgotten: the key of their data is destroyed for ever.
    #[serde(rename = "contact.erased")]
    Erased {},
}

stored!(ContactEvent {
    Created = "contact.created" v 1
        personal { name: record, company: record, role: record, phones: record, emails: record, note: record },
    FieldChanged = "contact.field_changed" v 1 personal { from: record, to: record },
    PhoneAdded = "contact.phone_added" v 1 personal { phone: record },
    PhoneRemoved = "contact.phone_removed" v 1 personal { phone: record },
    EmailAdded = "contact.email_added" v 1 personal { email: record },
    EmailRemoved = "contact.email_removed" v 1 personal { email: record },
    TagAdded = "contact.tag_added" v 1 personal { tag: record },
    TagRemoved = "contact.tag_removed" v 1 personal { tag: record },
    LinkAdded = "contact.link_added" v 1 personal { label: record, url: record },
    LinkRemoved = "contact.link_removed" v 1 personal { label: record, url: record },
    Noted = "contact.noted" v 1 personal { text: record },
    NoteWithdrawn = "contact.note_withdrawn" v 1 personal { text: record },
    Removed = "contact.removed" v 1,
    Restored = "contact.restored" v 1,
    ReservationLapsed = "contact.reservation_lapsed" v 1,
    Erased = "contact.erased" v 1,
});
