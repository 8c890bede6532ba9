//! Text that people type, in one form: the one validator of names, notes, reasons and descriptions.
//!
//! Invariant: what passes once passes again and stays as it is. A text is in NFC, begins and ends
//! with something that can be seen, and holds no control characters but the line breaks of prose.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// Why a text is refused; said behind the name of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BadText {
    /// It goes on for too long.
    #[error("must have at most {most} characters")]
    TooLong {
        /// Characters that are allowed.
        most: usize,
    },
    /// It holds what no keyboard types.
    #[error("must not hold control characters; leave them out")]
    Control,
    /// Nothing can be seen of it.
    #[error("must not be empty")]
    Empty,
}

/// One line, such as a name: breaks and tabs are spaces. `None` where nothing is to be seen.
pub fn line(text: &str, most: usize) -> Result<Option<String>, BadText> {
    let text: String = text
        .chars()
        .map(|c| if breaks_line(c) { ' ' } else { c })
        .collect();
    checked(&text, most)
}

/// One line that must be there.
pub fn required_line(text: &str, most: usize) -> Result<String, BadText> {
    line(text, most)?.ok_or(BadText::Empty)
}

/// Several lines, such as a note; every break is `\n`. `None` where nothing is to be seen.
pub fn prose(text: &str, most: usize) -> Result<Option<String>, BadText> {
    checked(&text.replace("\r\n", "\n").replace('\r', "\n"), most)
}

/// Several lines that must be there.
pub fn required_prose(text: &str, most: usize) -> Result<String, BadText> {
    prose(text, most)?.ok_or(BadText::Empty)
}

/// Whether this takes no place on a screen, or nothing but empty place.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || is_mark(c)
        || matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// Marks of direction, joints without width and fillers: of no meaning at either end of a text. The
/// joiners and selectors that emoji and some scripts are written with are none of them.
#[must_use]
pub fn is_mark(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
    )
}

fn breaks_line(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

fn checked(text: &str, most: usize) -> Result<Option<String>, BadText> {
    let text: String = text.nfc().collect();
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_mark(c));
    if text.chars().all(is_invisible) {
        return Ok(None);
    }
    if text.chars().any(|c| c.is_control() && !breaks_line(c)) {
        return Err(BadText::Control);
    }
    if text.chars().count() > most {
        return Err(BadText::TooLong { most });
    }
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BadText, line, prose, required_line};

    #[test]
    fn spellings_of_one_name_are_equal() {
        for text in [
            "Їжак Zoë",
            " Їжак Zoë\n",
            "І\u{308}жак Zoe\u{308}",
            "\u{feff}Їжак\tZoë\u{200b}",
            "\u{200e}Їжак\u{2028}Zoë\u{202c}",
        ] {
            assert_eq!(
                line(text, 9).unwrap().as_deref(),
                Some("Їжак Zoë"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_nobody_sees_is_nothing() {
        for text in [
            "",
            " ",
            "\u{a0}\u{200b}",
            "\u{200d}",
            "\u{3164}",
            "\u{2800}\u{fe0f}",
            "\u{e0020}",
        ] {
            assert_eq!(line(text, 9), Ok(None), "{text:?}");
            assert_eq!(prose(text, 9), Ok(None), "{text:?}");
            assert_eq!(required_line(text, 9), Err(BadText::Empty), "{text:?}");
        }
    }

    #[test]
    fn what_emoji_are_made_of_stays() {
        for text in ["❤\u{fe0f}", "👩\u{200d}👧", "می\u{200c}خواهم"] {
            assert_eq!(line(text, 9).unwrap().as_deref(), Some(text));
        }
    }

    #[test]
    fn a_note_keeps_its_lines() {
        assert_eq!(
            prose("a\r\n\tb\rc \n", 9).unwrap().as_deref(),
            Some("a\n\tb\nc")
        );
    }

    #[test]
    fn a_text_is_refused_by_what_is_wrong_with_it() {
        assert_eq!(line("a\0b", 9), Err(BadText::Control));
        assert_eq!(prose("a\u{1b}[31mb", 9), Err(BadText::Control));
        assert_eq!(line("ёёё", 2), Err(BadText::TooLong { most: 2 }));
        assert_eq!(
            line(" е\u{308}е\u{308} ", 2).unwrap().as_deref(),
            Some("ёё"),
            "as it is kept"
        );
    }

    proptest! {
        #[test]
        fn what_passes_once_passes_again_and_stays(text in any::<String>()) {
            for form in [line, prose] {
                if let Ok(Some(once)) = form(&text, 1000) {
                    prop_assert_eq!(form(&once, 1000), Ok(Some(once.clone())));
                }
            }
        }
    }
}
