//! Where a list goes on: the id in the order that every list has by itself, so that it can be written by
//! hand; in any other the order too and the value, which callers need not understand.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use commands::http::problem::Problem;

use crate::db::Value;

/// The order whose cursors are ids.
const PLAIN: &str = "-id";
/// Stands in no text of a column.
const BETWEEN: char = '\u{1f}';

/// The cursor behind a record, in an order.
pub(super) fn written(sort: &str, value: &Value, id: u64) -> String {
    if sort == PLAIN {
        return id.to_string();
    }
    let value = match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Null | Value::List(_) => String::new(),
    };
    URL_SAFE_NO_PAD.encode(format!("{sort}{BETWEEN}{value}{BETWEEN}{id}"))
}

/// The value and the id of a cursor, where it is one of this order.
pub(super) fn read(text: &str, sort: &str, integers: bool) -> Result<(Value, u64), Problem> {
    let found = if sort == PLAIN {
        text.parse().ok().map(|id| (Value::Null, id))
    } else {
        decoded(text, sort, integers)
    };
    found.ok_or_else(|| {
        let detail = format!("cursor must come from a Link header of a list with sort={sort}");
        Problem::invalid("cursor", detail)
    })
}

fn decoded(text: &str, sort: &str, integers: bool) -> Option<(Value, u64)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let mut parts = text.split(BETWEEN);
    let (of, value, id) = (parts.next()?, parts.next()?, parts.next()?);
    // Nothing else has a place there: PostgreSQL's texts hold no zero.
    if of != sort || parts.next().is_some() || value.contains('\0') {
        return None;
    }
    let value = if integers {
        Value::Int(value.parse().ok()?)
    } else {
        Value::Text(value.to_owned())
    };
    Some((value, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{read, written};
    use crate::db::Value;

    #[test]
    fn a_cursor_goes_on_in_its_own_order_only() {
        for (sort, value) in [
            ("-id", Value::Null),
            ("id", Value::from("")),
            ("-ai_score", Value::Int(-1)),
            ("name", Value::from("олена")),
        ] {
            let integers = matches!(value, Value::Int(_));
            let cursor = written(sort, &value, 7);
            assert_eq!(read(&cursor, sort, integers), Ok((value, 7)), "{sort}");
            assert!(read(&cursor, "updated_at", false).is_err(), "{sort}");
        }
        assert_eq!(written("-id", &Value::Int(7), 7), "7");
    }
}
