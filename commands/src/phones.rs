//! Phones as people write them, brought into E.164 by Google's libphonenumber.
//!
//! Invariant: a number that came out is read again as itself, whatever the default region, so that
//! one phone has one spelling in the whole log.

use domain::contact::address::{AddressError, Phone};
use domain::text::is_mark;
use rlibphonenumber::{
    NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region,
};

/// The country whose numbers are written without a country code; an ISO 3166 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneRegion(Region);

/// No country with phones has this code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be the ISO 3166 code of a country, two letters, for example UA")]
pub struct BadRegion;

impl Default for PhoneRegion {
    fn default() -> Self {
        Self(Region::UA)
    }
}

impl std::str::FromStr for PhoneRegion {
    type Err = BadRegion;

    fn from_str(code: &str) -> Result<Self, BadRegion> {
        let region = Region::from_code(code.trim()).map_err(|_| BadRegion)?;
        let mut known = PHONE_NUMBER_UTIL.get_supported_regions();
        known
            .any(|known| known == region)
            .then_some(Self(region))
            .ok_or(BadRegion)
    }
}

impl std::fmt::Display for PhoneRegion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl PhoneRegion {
    /// The phone that a person means who writes this in this country.
    pub fn phone(self, text: &str) -> Result<Phone, AddressError> {
        let text = tidy(text);
        let (number, extension) = split_extension(&text).ok_or(AddressError::Phone)?;
        let possible = number
            .chars()
            .all(|c| c.is_numeric() || " +-./()".contains(c));
        let found = possible.then(|| self.dialled(number)).flatten();
        let e164 = found.ok_or(AddressError::Phone)?;
        Phone::try_new(&match extension {
            Some(extension) => format!("{e164};ext={extension}"),
            None => e164,
        })
    }

    /// In E.164, where it can be dialled at all.
    fn dialled(self, number: &str) -> Option<String> {
        let digits: String = number.chars().filter_map(digit).collect();
        if number.starts_with('+') {
            return stable(number, None);
        }
        if let Some(international) = digits.strip_prefix("00") {
            return stable(&format!("+{international}"), None);
        }
        // Before 2009 a Ukrainian long-distance call began with 8, then the 0 of today.
        let old_trunk = digits
            .strip_prefix('8')
            .filter(|rest| self.0 == Region::UA && rest.starts_with('0') && rest.len() == 10);
        stable(old_trunk.unwrap_or(number), Some(self.0)).or_else(|| {
            // With a country code and without its plus, as messengers show numbers: only a number
            // that is in use there, for this is a guess.
            let found = PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None).ok()?;
            let international = !digits.starts_with('0') && found.is_valid();
            international
                .then(|| stable(&format!("+{digits}"), None))
                .flatten()
        })
    }
}

/// What the library reads, where it reads its own answer the same way again.
fn stable(number: &str, region: Option<Region>) -> Option<String> {
    let once = e164(&PHONE_NUMBER_UTIL.parse(number, region).ok()?)?;
    let again = e164(&PHONE_NUMBER_UTIL.parse(&once, None).ok()?)?;
    (once == again).then_some(once)
}

fn e164(number: &PhoneNumber) -> Option<String> {
    match number.is_possible_with_reason() {
        Ok(NumberLengthType::IsPossible) => {
            Some(number.format_as(PhoneNumberFormat::E164).into_owned())
        }
        Ok(NumberLengthType::IsPossibleLocalOnly) | Err(_) => None,
    }
}

/// Without the link's scheme and what cannot be seen; one kind of space, one hyphen, one plus.
fn tidy(text: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_whitespace() => ' ',
        '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{2212}'
        | '\u{fe58}'
        | '\u{fe63}'
        | '\u{ff0d}' => '-',
        '\u{ff0b}' => '+',
        '（' => '(',
        '）' => ')',
        c => c,
    };
    let text: String = text.chars().filter(|c| !is_mark(*c)).map(plain).collect();
    let text = text.trim();
    match text.split_at_checked("tel:".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tel:") => rest.trim().to_owned(),
        _ => text.to_owned(),
    }
}

/// The number, and the digits of its extension: behind `ext.`, `x`, `#`, `доб.`, `вн.`.
fn split_extension(text: &str) -> Option<(&str, Option<String>)> {
    let is_word = |c: char| c.is_alphabetic() || "#;,".contains(c);
    let Some(at) = text.find(is_word) else {
        return Some((text, None));
    };
    let (number, rest) = text.split_at(at);
    let end = rest.rfind(|c: char| digit(c).is_none()).map_or(0, |last| {
        last + rest[last..].chars().next().map_or(0, char::len_utf8)
    });
    let (word, digits) = rest.split_at(end);
    let word: String = word
        .chars()
        .filter(|c| !c.is_whitespace() && !";,.=:-".contains(*c))
        .flat_map(char::to_lowercase)
        .collect();
    let known = [
        "ext",
        "extension",
        "x",
        "#",
        "доб",
        "добавочный",
        "внутр",
        "вн",
        "внутренний",
        "дод",
        "додатковий",
        "внутрішній",
    ];
    let extension: String = digits.chars().filter_map(digit).collect();
    let good = known.contains(&word.as_str()) && (1..=20).contains(&extension.len());
    good.then(|| (number.trim_end(), Some(extension)))
}

/// Digits of all scripts.
fn digit(c: char) -> Option<char> {
    let folded: String = PHONE_NUMBER_UTIL.normalize_digits_only(c.encode_utf8(&mut [0; 4]));
    folded.chars().next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::PhoneRegion;

    fn read(region: &str, text: &str) -> Option<String> {
        let region: PhoneRegion = region.parse().unwrap();
        region.phone(text).ok().map(|phone| phone.to_string())
    }

    #[test]
    fn spellings_of_one_phone_are_equal() {
        for (region, canonical, spellings) in [
            (
                "UA",
                "+380671234567",
                &[
                    "+380671234567",
                    "+380 67 123-45-67",
                    "+38 (067) 123 45 67",
                    "+380 (0) 67 123 45 67",
                    "+380(0)671234567",
                    "+3800671234567",
                    "00380671234567",
                    "00 380 (67) 123.45.67",
                    "380671234567",
                    "38 067 123 45 67",
                    "0671234567",
                    "067 123 45 67",
                    "(067) 123-45-67",
                    "67 123 45 67",
                    "8 (067) 123-45-67",
                    "80671234567",
                    "tel:+380-67-123-45-67",
                    "TEL: 067/1234567",
                    "+380\u{a0}67\u{202f}123\u{2009}45\u{2007}67",
                    "+380‑67–123—45−67",
                    "\u{200e}+380671234567\u{200f}",
                    "\u{202a}+380 67\u{200b} 123 45 67\u{202c}",
                    "＋３８０６７１２３４５６７",
                    "+٣٨٠٦٧١٢٣٤٥٦٧",
                ][..],
            ),
            (
                "RU",
                "+79997654321",
                &[
                    "8 (999) 765-43-21",
                    "+7 999 765 43 21",
                    "9997654321",
                    "7 999 765 43 21",
                    "8107 999 765 43 21",
                ],
            ),
            (
                "KZ",
                "+77011234567",
                &["8 701 123 45 67", "+7 (701) 123-45-67"],
            ),
            (
                "GB",
                "+442079460958",
                &[
                    "020 7946 0958",
                    "+44 (0)20 7946 0958",
                    "+44 (0) 20 7946 0958",
                ],
            ),
            ("IT", "+390612345678", &["06 1234 5678", "+39 06 1234 5678"]),
            (
                "US",
                "+12025550173",
                &["(202) 555-0173", "1-202-555-0173", "+1.202.555.0173"],
            ),
            ("UA", "+79161234567", &["79161234567", "+7 (916) 123-45-67"]),
            (
                "UA",
                "+4915123456789",
                &["4915123456789", "0049 151 23456789", "+49 (0) 151 23456789"],
            ),
            (
                "UA",
                "+380441234567;ext=12",
                &[
                    "+380441234567;ext=12",
                    "044 123 45 67 ext. 12",
                    "044 123-45-67 x12",
                    "(044) 1234567 #12",
                    "044 123 45 67, доб. 12",
                    "044 123 45 67 вн.12",
                    "tel:+380441234567;ext=12",
                    "0441234567 EXT 12",
                ],
            ),
        ] {
            for text in spellings {
                assert_eq!(
                    read(region, text).as_deref(),
                    Some(canonical),
                    "{region} {text:?}"
                );
            }
        }
    }

    #[test]
    fn what_nobody_can_dial_is_refused() {
        for text in [
            "",
            "+",
            "12",
            "12345",
            "1234567",
            "phone",
            "8 (999) 765-43-21",
            "+8 999 765 43 21",
            "+89997654321",
            "+1234567890123456",
            "+38050abc4567",
            "0 800 CALL NOW",
            "050",
            "+380",
            "+380 50 123",
            "050 123 45 67 89",
            "+999123456789",
            "050 123 45 67, 067 123 45 67",
            "050 123 45 67 Olena",
            "044 123 45 67 ext.",
            "+380+671234567",
            "0671234567@example.com",
            "000380671234567",
        ] {
            assert_eq!(read("UA", text), None, "{text:?}");
        }
    }

    #[test]
    fn a_region_is_a_country_that_has_phones() {
        assert_eq!(PhoneRegion::default().to_string(), "UA");
        assert_eq!("kz".parse::<PhoneRegion>().unwrap().to_string(), "KZ");
        for code in ["", "U", "UKR", "XX", "001", "Україна"] {
            assert!(code.parse::<PhoneRegion>().is_err(), "{code}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_answered(text in "\\PC*", region in prop::sample::select(&["UA", "RU", "US"][..])) {
            if let Some(phone) = read(region, &text) {
                prop_assert_eq!(read(region, &phone), Some(phone));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_canonical_phone_is_its_own_spelling(
            text in "(\\+|00|8|0)?[0-9 ()-]{5,18}(;ext=[0-9]{1,4})?",
            region in prop::sample::select(&["UA", "RU", "KZ", "PL", "DE", "IT", "US", "BR", "AR", "MX", "CI", "SM"][..]),
        ) {
            if let Some(once) = read(region, &text) {
                for region in [region, "UA", "US"] {
                    prop_assert_eq!(read(region, &once), Some(once.clone()), "{}", text);
                }
            }
        }
    }
}
