//! Keys that people choose for what they declare: short, of small letters, and never changed.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest key, in bytes.
const MAX: usize = 32;
/// What a key looks like, as a regular expression.
pub const PATTERN: &str = "^[a-z][a-z0-9_-]{0,31}$";

/// A letter out of `a-z`, and up to 31 more characters out of `a-z 0-9 _ -`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug {
    bytes: [u8; MAX],
    len: u8,
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is a small letter and up to 31 more characters out of a-z 0-9 _ -")]
pub struct BadSlug;

impl Slug {
    /// A key that stands in the program.
    ///
    /// # Panics
    ///
    /// When it is no key: while the program is compiled, where it is a constant.
    #[must_use]
    pub const fn literal(text: &str) -> Self {
        match Self::read(text.as_bytes()) {
            Some(slug) => slug,
            None => panic!("no key"),
        }
    }

    const fn read(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > MAX || !text[0].is_ascii_lowercase() {
            return None;
        }
        let (mut bytes, mut len) = ([0; MAX], 0);
        while (len as usize) < text.len() {
            let byte = text[len as usize];
            if !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') {
                return None;
            }
            bytes[len as usize] = byte;
            len += 1;
        }
        Some(Self { bytes, len })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl FromStr for Slug {
    type Err = BadSlug;

    fn from_str(text: &str) -> Result<Self, BadSlug> {
        Self::read(text.as_bytes()).ok_or(BadSlug)
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Slug {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Slug;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Slug, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl JsonSchema for Slug {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Slug".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN })
    }
}

/// Declares newtypes of [`Slug`], each for the keys of one kind of thing.
macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[schema(value_type = String, pattern = "^[a-z][a-z0-9_-]{0,31}$")]
        pub struct $name(pub $crate::slug::Slug);

        impl $name {
            /// A key that stands in the program; see [`Slug::literal`](crate::slug::Slug::literal).
            #[must_use]
            pub const fn literal(text: &str) -> Self {
                Self($crate::slug::Slug::literal(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::slug::BadSlug;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

pub(crate) use keys;

#[cfg(test)]
mod tests {
    use super::Slug;

    #[test]
    fn a_key_is_short_and_of_small_letters() {
        for good in ["a", "sales-team", "step_2", &"z".repeat(32)] {
            assert_eq!(good.parse::<Slug>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "2nd",
            "-a",
            "Sales",
            "a b",
            "a.b",
            "стадия",
            &"z".repeat(33),
        ] {
            assert!(bad.parse::<Slug>().is_err(), "{bad}");
        }
    }

    #[test]
    fn it_is_stored_as_its_text_and_an_error_does_not_repeat_what_was_sent() {
        let slug = Slug::literal("new");
        assert_eq!(serde_json::to_string(&slug).unwrap(), r#""new""#);
        assert_eq!(serde_json::from_str::<Slug>(r#""new""#).unwrap(), slug);
        let told = serde_json::from_str::<Slug>(r#""Zinaida""#).unwrap_err();
        assert!(!told.to_string().contains("Zinaida"), "{told}");
    }
}
