//! `ETag` and `If-Match`: a record's version, and changes that hold for one version only.
//!
//! A record's tag is its version in quotes: how many events made it. It is the same in every process
//! and every encoding, and the desk compares it with what it appends behind (`crate::expected`).

use axum::http::{HeaderMap, HeaderValue, header};

use super::problem::Problem;

/// The tag of a record at this version.
#[must_use]
pub fn tag(version: u64) -> HeaderValue {
    let text = format!("\"{version}\"");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The tag of a record at this version whose card says something that is not its own: it is another card
/// than without it, and the same version to change.
#[must_use]
pub fn tag_beside(version: u64) -> HeaderValue {
    let text = format!("\"{version}-beside\"");
    HeaderValue::try_from(text).unwrap_or_else(|_| tag(version))
}

/// The versions that a change holds for; `None` where it holds for every one.
pub fn if_match(headers: &HeaderMap) -> Result<Option<Vec<u64>>, Problem> {
    let mut versions = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        for tag in tags(value).ok_or_else(|| malformed("If-Match"))? {
            match tag {
                "*" => return Ok(None),
                tag => versions.extend(version(tag)),
            }
        }
    }
    let named = headers.contains_key(header::IF_MATCH);
    Ok(named.then_some(versions))
}

/// Whether the caller has this version of a record already, by its `If-None-Match`.
pub fn is_known(headers: &HeaderMap, current: &HeaderValue) -> Result<bool, Problem> {
    let current = current.to_str().unwrap_or_default();
    for value in headers.get_all(header::IF_NONE_MATCH) {
        let tags = tags(value).ok_or_else(|| malformed("If-None-Match"))?;
        if tags.iter().any(|tag| *tag == "*" || strong(tag) == current) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The tags of a header, each with its quotes.
fn tags(value: &HeaderValue) -> Option<Vec<&str>> {
    let tags = value.to_str().ok()?.split(',').map(str::trim);
    let good = |tag: &&str| {
        let quoted = strong(tag).strip_prefix('"');
        let named = quoted.and_then(|rest| rest.strip_suffix('"'));
        *tag == "*" || named.is_some_and(|name| !name.contains(['"', ' ']))
    };
    let tags: Vec<_> = tags.collect();
    tags.iter().all(good).then_some(tags)
}

/// A proxy that compresses may make a tag weak; it names the same state all the same.
fn strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The version that a tag of ours names; a tag of somebody else matches nothing.
fn version(tag: &str) -> Option<u64> {
    let text = strong(tag).trim_matches('"');
    text.strip_suffix("-beside").unwrap_or(text).parse().ok()
}

fn malformed(header: &str) -> Problem {
    Problem::invalid(
        header,
        format!(
            "{header} must be an ETag of an earlier answer with its quotes, such as \"5\", or *"
        ),
    )
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{if_match, is_known, tag};

    fn asked(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_change_holds_for_the_versions_it_names() {
        let versions = |value| if_match(&asked(header::IF_MATCH, value)).ok();
        assert_eq!(if_match(&HeaderMap::new()), Ok(None));
        assert_eq!(versions("\"5\""), Some(Some(vec![5])));
        assert_eq!(versions("\"5-beside\", W/\"6\""), Some(Some(vec![5, 6])));
        assert_eq!(versions("\"5\", *"), Some(None));
        assert_eq!(versions("\"elsewhere\""), Some(Some(vec![])));
        for malformed in ["5", "\"5", "", "\"5\",,", "version"] {
            assert_eq!(versions(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn who_has_the_version_need_not_be_sent_it() {
        let known = |value| is_known(&asked(header::IF_NONE_MATCH, value), &tag(5)).ok();
        for mine in ["\"5\"", "W/\"5\"", "\"4\", \"5\"", "*"] {
            assert_eq!(known(mine), Some(true), "{mine}");
        }
        assert_eq!(
            (known("\"4\""), known("\"55\"")),
            (Some(false), Some(false))
        );
        assert_eq!(known("5"), None);
    }
}
