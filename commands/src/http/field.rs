//! Fields of a change: left out, `null`, or a value. They are three things.

use serde::{Deserialize, Deserializer};

/// For `#[serde(default, deserialize_with)]` of a field that `null` clears.
pub fn clearable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// For `#[serde(default, deserialize_with)]` of a field that may be left out and not be cleared:
/// `null` is refused instead of being taken for left out.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
