//! What `/metrics` says, read: the part of Prometheus's text format that Rapport writes.
//!
//! Invariant: a line that cannot be read is passed over. A newer process may say more.

use std::collections::BTreeMap;

/// One line: a series and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric.
    pub name: String,
    /// What tells it from the others of its name.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// A label's value; empty where it has none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// Every sample of a scrape.
pub fn read(text: &str) -> Vec<Sample> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(sample)
        .collect()
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    // A time may stand behind the value.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// The labels before the closing brace, and what stands behind it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, behind) = unquoted(quoted)?;
        labels.insert(name.to_owned(), value);
        rest = behind;
    }
}

/// The text before the closing quote, and what stands behind it.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(match letters.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            letter => text.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_series_has_a_name_labels_and_a_value() {
        let all = read(
            "# TYPE http histogram\nhttp_bucket{route=\"/a/{id}\",le=\"+Inf\"} 7\nup 1e3 1700000\n",
        );
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].name, "http_bucket");
        assert_eq!(all[0].label("route"), "/a/{id}");
        assert_eq!(all[0].label("le"), "+Inf");
        assert!((all[1].value - 1000.0).abs() < f64::EPSILON);
    }

    #[test]
    fn quotes_and_commas_within_a_label_belong_to_it() {
        let all = read("x{a=\"one, \\\"two\\\"\\n\",b=\"\"} 1\n");
        assert_eq!(all[0].label("a"), "one, \"two\"\n");
        assert_eq!(all[0].label("b"), "");
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        assert!(read("\nnothing\nx{a=\"1} 2\nx{a} 2\nx one\n<html>\n").is_empty());
    }
}
