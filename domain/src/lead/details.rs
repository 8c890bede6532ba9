//! What people write of a lead beside its way through the pipeline: a title, who works on it, what it may
//! bring, tags, where it was found, and notes.
//!
//! Nearly all of it is somebody's words and may name a person: events seal it, and who is forgotten takes it
//! along.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::aggregate::LeadError;
use super::event::LeadEvent;
use crate::money::Money;
use crate::text::{self, BadText};
use crate::words::words;

/// The longest text of a field, in characters.
pub const MAX_FIELD: usize = 200;
/// The longest tag, in characters.
pub const MAX_TAG: usize = 50;
/// Tags of one lead, at most.
pub const MAX_TAGS: usize = 50;
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
    /// In lower case.
    pub tags: BTreeSet<String>,
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
            let tags = tags.iter().map(|text| tag("tags", text));
            let tags: BTreeSet<String> = tags.collect::<Result<_, _>>()?;
            events.extend(self.retag(&tags)?);
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

    fn retag(&self, tags: &BTreeSet<String>) -> Result<Vec<LeadEvent>, LeadError> {
        if tags.len() > MAX_TAGS {
            return Err(LeadError::TooManyTags);
        }
        let gone = self.tags.difference(tags).cloned();
        let come = tags.difference(&self.tags).cloned();
        let gone = gone.map(|tag| LeadEvent::TagRemoved { tag });
        Ok(gone
            .chain(come.map(|tag| LeadEvent::TagAdded { tag }))
            .collect())
    }

    /// One tag more.
    pub(super) fn add_tag(&self, text: &str) -> Result<Vec<LeadEvent>, LeadError> {
        let mut tags = self.tags.clone();
        tags.insert(tag("tag", text)?);
        self.retag(&tags)
    }

    /// One tag less; nothing where it is not there.
    pub(super) fn remove_tag(&self, text: &str) -> Result<Vec<LeadEvent>, LeadError> {
        let mut tags = self.tags.clone();
        tags.remove(&tag("tag", text)?);
        self.retag(&tags)
    }

    /// Another note.
    pub(super) fn note(&self, text: &str) -> Result<LeadEvent, LeadError> {
        let text = text::prose(text, MAX_NOTE).and_then(|text| text.ok_or(BadText::Empty));
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
        self.tags.clear();
        self.noted = false;
    }

    pub(super) fn set_field(&mut self, field: LeadField, to: Option<String>) {
        match to {
            Some(text) => drop(self.fields.insert(field, text)),
            None => drop(self.fields.remove(&field)),
        }
    }
}

/// A tag in its one form: one line in lower case.
fn tag(field: &str, text: &str) -> Result<String, LeadError> {
    let tag = text::required_line(text, MAX_TAG);
    let tag = tag.map_err(|why| LeadError::bad_text(field, why))?;
    Ok(tag.to_lowercase())
}
