//! Phones and emails in one canonical spelling, so that equal ones are equal.
//!
//! Invariant: what a person typed is brought into this form once, where it comes in, and never
//! compared in any other. What is stored already keeps loading, whatever the rules say today.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::text::{is_invisible, is_mark};

/// The longest email, in bytes on the wire (RFC 5321).
const MAX_EMAIL: usize = 254;
/// The longest part before its `@`.
const MAX_MAILBOX: usize = 64;

/// A phone number in E.164: `+`, then 7 to 15 digits; an extension behind it as RFC 3966 writes
/// it: `+380441234567;ext=12`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Phone(String);

/// An email address in NFC and lower case, the domain as people read it: `olena@пошта.укр`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Email(String);

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AddressError {
    /// No phone number.
    #[error(
        "a phone is a number that can be dialled, for example +380501234567; without its country \
         code it is read as one of the default region (DEFAULT_PHONE_REGION)"
    )]
    Phone,
    /// No email address.
    #[error("an email looks like name@example.com and has at most {MAX_EMAIL} characters")]
    Email,
}

impl Phone {
    /// A number that is in its canonical spelling already; other spellings depend on a region,
    /// and are read where requests come in.
    pub fn try_new(canonical: &str) -> Result<Self, AddressError> {
        let (number, extension) = match canonical.split_once(";ext=") {
            Some((number, extension)) => (number, Some(extension)),
            None => (canonical, None),
        };
        let digits = number.strip_prefix('+').ok_or(AddressError::Phone)?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let good = (7..=15).contains(&digits.len())
            && is_number(digits)
            && !digits.starts_with('0')
            && extension.is_none_or(|text| (1..=20).contains(&text.len()) && is_number(text));
        if good {
            Ok(Self(canonical.to_owned()))
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
    /// From any spelling, also as a `mailto:` link; whether it exists only a letter can tell.
    pub fn try_new(text: &str) -> Result<Self, AddressError> {
        let text: String = text.nfc().filter(|c| !is_mark(*c)).collect();
        let text = without_scheme(text.trim());
        let (name, host) = text.rsplit_once('@').ok_or(AddressError::Email)?;
        let name: String = name.chars().flat_map(char::to_lowercase).nfc().collect();
        let (readable, wire) = domain(host).ok_or(AddressError::Email)?;
        let good = (1..=MAX_MAILBOX).contains(&name.len())
            && name.len() + 1 + wire <= MAX_EMAIL
            && !name
                .chars()
                .any(|c| is_invisible(c) || c.is_control() || "<>()[],;:\\\"@".contains(c));
        if good {
            Ok(Self(format!("{name}@{readable}")))
        } else {
            Err(AddressError::Email)
        }
    }

    /// The canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Email {
    /// Emails from before there was one spelling are brought into it; what never was an address
    /// (a person was erased) stays as it is.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::try_new(&text).unwrap_or(Self(text)))
    }
}

fn without_scheme(text: &str) -> &str {
    match text.split_at_checked("mailto:".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto:") => rest.trim_start(),
        _ => text,
    }
}

/// A domain as people read it, and how long it is on the wire; nothing where it can be none.
fn domain(host: &str) -> Option<(String, usize)> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let wire = idna::domain_to_ascii_strict(host).ok()?;
    let (_, last) = wire.rsplit_once('.')?;
    let is_name = !last.bytes().all(|byte| byte.is_ascii_digit());
    let (readable, read) = idna::domain_to_unicode(&wire);
    (is_name && read.is_ok()).then_some((readable, wire.len()))
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
    use proptest::prelude::*;

    use super::{Email, Phone};

    #[test]
    fn a_phone_is_its_canonical_spelling() {
        for text in ["+380501234567", "+1234567", "+380441234567;ext=012"] {
            assert_eq!(Phone::try_new(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "+",
            "380501234567",
            "+38 050 1234567",
            "+0501234567",
            "+123456",
            "+1234567890123456",
            "+380441234567;ext=",
            "+380441234567;ext=a",
        ] {
            assert!(Phone::try_new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spellings_of_one_email_are_equal() {
        for (canonical, spellings) in [
            (
                "olena@example.com",
                [
                    "olena@example.com",
                    " Olena@Example.COM ",
                    "mailto:olena@example.com",
                    "MAILTO: OLENA@EXAMPLE.COM.",
                    "\u{200e}olena\u{200b}@exa\u{ad}mple.com\u{feff}",
                    "olena@ｅxample。com",
                ],
            ),
            (
                "їжак@пошта.укр",
                [
                    "їжак@пошта.укр",
                    "І\u{308}жак@ПОШТА.УКР",
                    "їжак@xn--80a1acn3a.xn--j1amh",
                    "ЇЖАК@XN--80A1ACN3A.xn--j1amh",
                    "mailto:ї\u{2060}жак@пошта。укр",
                    "їжак@пошта.укр.",
                ],
            ),
        ] {
            for text in spellings {
                let email = Email::try_new(text).map(|email| email.to_string());
                assert_eq!(email, Ok(canonical.to_owned()), "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_no_email_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let far = format!("a@{}.com", "пошта.".repeat(40));
        for text in [
            "",
            "olena",
            "@example.com",
            "a@b",
            "a b@example.com",
            "a\u{a0}b@example.com",
            "a@@example.com",
            "a@b@example.com",
            "a@.com",
            "a@b..com",
            "a@exa_mple.com",
            "a@-example.com",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "Olena <a@example.com>",
            "a\0@example.com",
            "a\u{200d}@example.com",
            "a@example.com?subject=x",
            &long,
            &far,
        ] {
            assert!(Email::try_new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_stored_loads_in_todays_spelling() {
        let load = |text: &str| {
            let json = serde_json::Value::from(text);
            serde_json::from_value::<Email>(json).unwrap().to_string()
        };
        assert_eq!(load("Olena@example.com"), "olena@example.com");
        assert_eq!(load("erased"), "erased");
        assert_eq!(load("a@old_host.com"), "a@old_host.com");
        let phone: Phone = serde_json::from_str("\"+89997654321\"").unwrap();
        assert_eq!(phone.as_str(), "+89997654321");
    }

    proptest! {
        #[test]
        fn the_canonical_email_is_its_own_spelling(
            name in "\\PC{1,20}",
            host in "[a-zA-Zа-яёїßÀ-ž0-9.-]{1,20}",
        ) {
            if let Ok(email) = Email::try_new(&format!("{name}@{host}.com")) {
                prop_assert_eq!(Email::try_new(email.as_str()), Ok(email.clone()));
                let upper = email.as_str().to_uppercase();
                if upper.to_lowercase() == email.as_str() {
                    prop_assert_eq!(Email::try_new(&upper), Ok(email));
                }
            }
        }
    }
}
