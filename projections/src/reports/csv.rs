//! Comma-separated values as RFC 4180 has them, safe to open in a spreadsheet.

/// One line: texts in quotes where they need them, ended by CR LF.
#[must_use]
pub fn line<'a>(cells: impl IntoIterator<Item = Field<'a>>) -> String {
    let cells: Vec<String> = cells.into_iter().map(Field::written).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// What somebody wrote, or may have.
    Text(&'a str),
    /// What we wrote: a number, a day.
    Plain(&'a str),
}

impl Field<'_> {
    fn written(self) -> String {
        match self {
            Self::Plain(text) => text.to_owned(),
            Self::Text(text) => quoted(&unarmed(text)),
        }
    }
}

/// A text that a spreadsheet would take for a formula gets an apostrophe before it, as OWASP advises
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn unarmed(text: &str) -> String {
    let arms = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if text.trim_start_matches(' ').starts_with(arms) {
        return format!("'{text}");
    }
    text.to_owned()
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n', '\'', ';', '\t']) || text.trim() != text {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Field, line};

    #[test]
    fn quotes_stand_where_they_must() {
        let cells = ["plain", "a,b", "say \"hi\"", "two\nlines", "", " padded"];
        assert_eq!(
            line(cells.map(Field::Text)),
            "plain,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",,\" padded\"\r\n"
        );
    }

    #[test]
    fn what_looks_like_a_formula_is_a_text() {
        for text in ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1"] {
            let line = line([Field::Text(text)]);
            assert!(line.starts_with("\"'"), "{line}");
        }
        assert_eq!(line([Field::Plain("-1"), Field::Text("a-b")]), "-1,a-b\r\n");
    }
}
