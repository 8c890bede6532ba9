//! Names that become tokens of a NATS subject: validated once, never personal data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text of 1 to 64 characters out of `A-Z a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(Box<str>);

/// Why a text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' must be 1 to 64 characters out of A-Z a-z 0-9 _ -")]
pub struct BadToken(pub String);

impl Token {
    /// A token, if the text is one.
    pub fn try_new(text: &str) -> Result<Self, BadToken> {
        let good = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if good {
            Ok(Self(text.into()))
        } else {
            Err(BadToken(text.chars().take(80).collect()))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Token {
    type Error = BadToken;

    fn try_from(text: String) -> Result<Self, BadToken> {
        Self::try_new(&text)
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0.into()
    }
}

/// One aggregate's stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamId {
    /// Whose it is.
    pub workspace: Token,
    /// The aggregate's `TYPE`.
    pub category: Token,
    /// The aggregate's id.
    pub id: Token,
}

impl StreamId {
    /// A stream, if all three texts are tokens.
    pub fn try_new(workspace: &str, category: &str, id: &str) -> Result<Self, BadToken> {
        Ok(Self {
            workspace: Token::try_new(workspace)?,
            category: Token::try_new(category)?,
            id: Token::try_new(id)?,
        })
    }
}

/// Written `workspace.category.id`.
impl FromStr for StreamId {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let mut tokens = text.splitn(3, '.');
        let mut next = || tokens.next().unwrap_or_default();
        Self::try_new(next(), next(), next())
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.workspace, self.category, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn only_short_plain_names_are_tokens() {
        for good in ["a", "main", "phone-12", "A_b", &"x".repeat(64)] {
            assert!(Token::try_new(good).is_ok(), "{good}");
        }
        for bad in ["", "a.b", "*", ">", "a b", "лід", "a\n", &"x".repeat(65)] {
            assert!(Token::try_new(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Token>("\"a.b\"").is_err());
    }
}
