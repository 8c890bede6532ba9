//! Tags of a record, whatever record it is: each one line in lower case, each once.
//!
//! Which of them came and which went are events of the record itself.

use std::collections::{BTreeSet, btree_set};

use serde::{Deserialize, Serialize};

use crate::text::{self, BadText};

/// The longest tag, in characters.
pub const MAX_TAG: usize = 50;
/// Tags of one record, at most.
pub const MAX_TAGS: usize = 50;

/// The tags of a record, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(BTreeSet<String>);

/// Why these are no tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTags {
    /// One of them is no good.
    #[error(transparent)]
    Text(#[from] BadText),
    /// More than [`MAX_TAGS`].
    #[error("there are at most {MAX_TAGS} tags; take some off first")]
    TooMany,
}

/// A tag in its one form.
pub fn tag(text: &str) -> Result<String, BadText> {
    text::required_line(text, MAX_TAG).map(|tag| tag.to_lowercase())
}

impl Tags {
    /// These, however they are written.
    pub fn of<T: AsRef<str>>(texts: &[T]) -> Result<Self, BadTags> {
        let tags = texts.iter().map(|text| tag(text.as_ref()));
        Self(tags.collect::<Result<_, _>>()?).bounded()
    }

    /// One tag more.
    pub fn with(&self, text: &str) -> Result<Self, BadTags> {
        let mut tags = self.clone();
        tags.insert(tag(text)?);
        tags.bounded()
    }

    /// One tag less; the same where it is not there.
    pub fn without(&self, text: &str) -> Result<Self, BadText> {
        let mut tags = self.clone();
        tags.remove(&tag(text)?);
        Ok(tags)
    }

    /// These and others.
    pub fn and(&self, others: &Self) -> Result<Self, BadTags> {
        Self(&self.0 | &others.0).bounded()
    }

    fn bounded(self) -> Result<Self, BadTags> {
        if self.0.len() > MAX_TAGS {
            return Err(BadTags::TooMany);
        }
        Ok(self)
    }

    /// What makes these tags those: an event for each that goes, then one for each that comes.
    pub fn changes_to<E>(
        &self,
        those: &Self,
        gone: fn(String) -> E,
        come: fn(String) -> E,
    ) -> Vec<E> {
        let goes = self.0.difference(&those.0).cloned().map(gone);
        let comes = those.0.difference(&self.0).cloned().map(come);
        goes.chain(comes).collect()
    }

    /// It was put on.
    pub fn insert(&mut self, tag: String) {
        self.0.insert(tag);
    }

    /// It was taken off.
    pub fn remove(&mut self, tag: &str) {
        self.0.remove(tag);
    }

    /// All of them, in their order.
    pub fn iter(&self) -> btree_set::Iter<'_, String> {
        self.0.iter()
    }

    /// Whether it is there, in its one form.
    #[must_use]
    pub fn contains(&self, tag: &str) -> bool {
        self.0.contains(tag)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Tags {
    type Item = &'a String;
    type IntoIter = btree_set::Iter<'a, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::{BadTags, MAX_TAGS, Tags};
    use crate::text::BadText;

    fn texts(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("tag {number}")).collect()
    }

    #[test]
    fn spellings_of_one_tag_count_once() {
        let tags = Tags::of(&["VIP", " vip ", "Spring"]).unwrap();
        assert_eq!(tags.iter().collect::<Vec<_>>(), ["spring", "vip"]);
        assert_eq!(tags.with("SPRING"), Ok(tags.clone()));
        assert_eq!(
            tags.without("Vip"),
            Tags::of(&["spring"]).map_err(|_| BadText::Empty)
        );
    }

    #[test]
    fn there_is_an_end_of_tags() {
        let full = Tags::of(&texts(MAX_TAGS)).unwrap();
        assert_eq!(full.with("one more"), Err(BadTags::TooMany));
        assert_eq!(full.with("tag 0"), Ok(full.clone()));
        let other = Tags::of(&["one more"]).unwrap();
        assert_eq!(full.and(&other), Err(BadTags::TooMany));
        assert_eq!(Tags::of(&texts(MAX_TAGS + 1)), Err(BadTags::TooMany));
        assert_eq!(Tags::of(&["a", ""]), Err(BadTags::Text(BadText::Empty)));
    }

    #[test]
    fn what_goes_goes_before_what_comes() {
        let (old, new) = (
            Tags::of(&["a", "b"]).unwrap(),
            Tags::of(&["b", "c"]).unwrap(),
        );
        let events = old.changes_to(&new, |tag| (false, tag), |tag| (true, tag));
        assert_eq!(events, [(false, "a".to_owned()), (true, "c".to_owned())]);
    }
}
