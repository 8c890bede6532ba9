//! Phones and emails in one canonical spelling, so that equal ones are equal.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A phone number in E.164: `+`, then 7 to 15 digits.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Phone(String);

/// An email address, its domain in lower case.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Email(String);

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AddressError {
    /// No phone number.
    #[error("a phone is an international number of 7 to 15 digits, for example +380501234567")]
    Phone,
    /// No email address.
    #[error("an email looks like name@example.com and has at most 254 characters")]
    Email,
}

impl Phone {
    /// From the way people write phones: spaces, dashes, dots and brackets are dropped, a
    /// leading `00` is `+`.
    pub fn try_new(text: &str) -> Result<Self, AddressError> {
        let kept: String = text
            .chars()
            .filter(|c| !" -.()\u{a0}".contains(*c))
            .collect();
        let digits = kept
            .strip_prefix('+')
            .or_else(|| kept.strip_prefix("00"))
            .unwrap_or(&kept);
        let good = (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if good {
            Ok(Self(format!("+{digits}")))
        } else {
            Err(AddressError::Phone)
        }
    }

    /// The canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Email {
    /// From any spelling; whether it exists only a letter can tell.
    pub fn try_new(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let (name, host) = text.rsplit_once('@').ok_or(AddressError::Email)?;
        let good = text.len() <= 254
            && (1..=64).contains(&name.len())
            && !text
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c))
            && !name.contains('@')
            && host.contains('.')
            && host.split('.').all(|label| !label.is_empty());
        if good {
            Ok(Self(format!("{name}@{}", host.to_lowercase())))
        } else {
            Err(AddressError::Email)
        }
    }

    /// The canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one mailbox share: providers ignore case in the name.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Email, Phone};

    #[test]
    fn spellings_of_one_phone_are_equal() {
        for text in [
            "+380501234567",
            "00380501234567",
            "+38 (050) 123-45-67",
            "380501234567",
        ] {
            assert_eq!(
                Phone::try_new(text).unwrap().as_str(),
                "+380501234567",
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_phone_is_refused() {
        for text in [
            "",
            "+",
            "12345",
            "+1234567890123456",
            "phone",
            "+38050abc4567",
            "0501234567",
        ] {
            assert!(Phone::try_new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_email_is_refused() {
        assert_eq!(
            Email::try_new(" Olena@Example.COM ").unwrap().as_str(),
            "Olena@example.com"
        );
        for text in [
            "",
            "olena",
            "@example.com",
            "a@b",
            "a b@example.com",
            "a@@example.com",
            "a@.com",
        ] {
            assert!(Email::try_new(text).is_err(), "{text}");
        }
    }
}
