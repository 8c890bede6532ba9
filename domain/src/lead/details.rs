//! What people write of a lead beside its way through the pipeline: a title, who works on it, what it may
//! bring, tags, where it was found, and notes.
//!
//! Nearly all of it is somebody's words and may name a person: events seal it, and who is forgotten takes it
//! along.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::aggregate::LeadError;
use super::event::LeadEvent;
use crate::money::Money;
use crate::tags::{BadTags, Tags};
use crate::text;
use crate::words::words;

/// The longest text of a field, in characters.
pub const MAX_FIELD: usize = 200;
/// The longest note, in characters.
pub const MAX_NOTE: usize = 10_000;

words! {
    /// The fields of a lead that hold one text.
    pub enum LeadField {
        /// What people call it.
        Title = "title",
        /// Who works on it.
        Owner = "owner",
        /// UTM: the site that it came from.
        UtmSource = "utm_source",
        /// UTM: the kind of advertisement.
        UtmMedium = "utm_medium",
        /// UTM: the campaign.
        UtmCampaign = "utm_campaign",
        /// UTM: the words that were searched for.
        UtmTerm = "utm_term",
        /// UTM: which of several links or banners.
        UtmContent = "utm_content",
    }
}

/// What is known now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// The texts that are set.
    pub fields: BTreeMap<LeadField, String>,
    /// What it may bring.
    pub expected: Option<Money>,
    /// Its tags.
    pub tags: Tags,
    /// The number of the last note; its text is in the history alone.
    pub notes: u32,
    /// Whether a note was written that nobody has forgotten yet.
    pub noted: bool,
}

/// What should be different; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edit {
    /// Texts, and `None` for those that are cleared.
    pub fields: BTreeMap<LeadField, Option<String>>,
    /// What it may bring; `Some(None)` is not known after all.
    #[serde(with = "crate::clearing")]
    pub expected: Option<Option<Money>>,
    /// All tags from now on.
    pub tags: Option<Vec<String>>,
}

impl Details {
    /// What an edit comes to, and what of it is no good.
    pub(super) fn edit(&self, edit: &Edit) -> Result<Vec<LeadEvent>, LeadError> {
        let mut events = Vec::new();
        for (field, said) in &edit.fields {
            events.extend(self.set(*field, said.as_deref())?);
        }
        let expected = edit.expected.filter(|said| *said != self.expected);
        events.extend(expected.map(|to| LeadEvent::ExpectedAmountChanged {
            from: self.expected,
            to,
        }));
        if let Some(tags) = &edit.tags {
            let tags = Tags::of(tags).map_err(|bad| bad_tags("tags", bad))?;
            events.extend(self.retag(&tags));
        }
        Ok(events)
    }

    fn set(&self, field: LeadField, to: Option<&str>) -> Result<Option<LeadEvent>, LeadError> {
        let to = to.map(|text| text::line(text, MAX_FIELD)).transpose();
        let to = to
            .map_err(|why| LeadError::bad_text(field.as_str(), why))?
            .flatten();
        let from = self.fields.get(&field);
        Ok((from != to.as_ref()).then(|| LeadEvent::FieldChanged {
            field,
            from: from.cloned(),
            to,
        }))
    }

    fn retag(&self, tags: &Tags) -> Vec<LeadEvent> {
        let gone = |tag| LeadEvent::TagRemoved { tag };
        let come = |tag| LeadEvent::TagAdded { tag };
        self.tags.changes_to(tags, gone, come)
    }

    /// One tag more.
    pub(super) fn add_tag(&self, text: &str) -> Result<Vec<LeadEvent>, LeadError> {
        let tags = self.tags.with(text);
        Ok(self.retag(&tags.map_err(|bad| bad_tags("tag", bad))?))
    }

    /// One tag less; nothing where it is not there.
    pub(super) fn remove_tag(&self, text: &str) -> Result<Vec<LeadEvent>, LeadError> {
        let tags = self.tags.without(text);
        Ok(self.retag(&tags.map_err(|why| LeadError::bad_text("tag", why))?))
    }

    /// Another note.
    pub(super) fn note(&self, text: &str) -> Result<LeadEvent, LeadError> {
        let text = text::required_prose(text, MAX_NOTE);
        Ok(LeadEvent::Noted {
            number: self.notes + 1,
            text: text.map_err(|why| LeadError::bad_text("text", why))?,
        })
    }

    /// Whether anything is written here that names somebody, or may.
    pub(super) fn is_written(&self) -> bool {
        self.noted || !self.fields.is_empty() || !self.tags.is_empty()
    }

    /// What people wrote is gone; numbers stay.
    pub(super) fn forget(&mut self) {
        self.fields.clear();
        self.tags = Tags::default();
        self.noted = false;
    }

    pub(super) fn set_field(&mut self, field: LeadField, to: Option<String>) {
        match to {
            Some(text) => drop(self.fields.insert(field, text)),
            None => drop(self.fields.remove(&field)),
        }
    }
}

fn bad_tags(field: &str, bad: BadTags) -> LeadError {
    match bad {
        BadTags::Text(why) => LeadError::bad_text(field, why),
        BadTags::TooMany => LeadError::TooManyTags,
    }
}
