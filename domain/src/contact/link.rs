//! Links: pages of the web that are about a person, each with a word of what it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::text::{self, BadText};

/// Links of one contact, at most.
pub const MAX_LINKS: usize = 20;
/// The longest label, in characters.
pub const MAX_LABEL: usize = 100;
/// The longest address, in characters of its one form.
pub const MAX_URL: usize = 2000;

/// A page of the web, and what it is. With another label it is another link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// What it is: "portfolio", "blog".
    pub label: Option<String>,
    /// Its address, as browsers write it.
    pub url: String,
}

/// Why this is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    /// Its label is no good.
    #[error("label {0}")]
    Label(BadText),
    /// It is no address of a page.
    #[error(
        "url must be an address such as https://example.com/olena, with at most {MAX_URL} characters"
    )]
    Url,
}

impl BadLink {
    /// The field at fault.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Label(_) => "label",
            Self::Url => "url",
        }
    }
}

impl Link {
    /// A link in its one form.
    pub fn try_new(label: Option<&str>, url: &str) -> Result<Self, BadLink> {
        let label = label.map(|label| text::line(label, MAX_LABEL)).transpose();
        let url = Url::parse(url.trim()).map_err(|_| BadLink::Url)?;
        // A password in an address would be shown to everybody who sees the contact.
        let good = ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.as_str().len() <= MAX_URL;
        if !good {
            return Err(BadLink::Url);
        }
        Ok(Self {
            label: label.map_err(BadLink::Label)?.flatten(),
            url: url.into(),
        })
    }
}

/// These links, each once; nothing where there are too many.
pub(super) fn distinct(links: Vec<Link>) -> Option<Vec<Link>> {
    let mut kept: Vec<Link> = Vec::new();
    for link in links {
        if !kept.contains(&link) {
            kept.push(link);
        }
        if kept.len() > MAX_LINKS {
            return None;
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::{BadLink, Link, MAX_URL};
    use crate::text::BadText;

    #[test]
    fn spellings_of_one_page_are_equal() {
        for spelling in [
            "https://example.com/Olena",
            " HTTPS://EXAMPLE.com:443/Olena\n",
            "https://ex\u{ad}ample.com/Olena",
        ] {
            let link = Link::try_new(Some(" LinkedIn "), spelling).unwrap();
            assert_eq!(link.url, "https://example.com/Olena", "{spelling}");
            assert_eq!(link.label.as_deref(), Some("LinkedIn"));
        }
        assert_eq!(Link::try_new(Some(" "), "http://a.b").unwrap().label, None);
    }

    #[test]
    fn what_is_no_page_of_the_web_is_refused() {
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL));
        for url in [
            "",
            "example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "mailto:olena@example.com",
            "https://",
            "https://olena:secret@example.com",
            "https://a b.com",
            &long,
        ] {
            assert_eq!(Link::try_new(None, url), Err(BadLink::Url), "{url}");
        }
        assert_eq!(
            Link::try_new(Some("a\0"), "https://example.com"),
            Err(BadLink::Label(BadText::Control))
        );
    }
}
