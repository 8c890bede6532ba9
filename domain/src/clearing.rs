//! A field of a change as it travels between processes: left out, said to be nothing, or said.
//!
//! For `#[serde(with = "crate::clearing")]`. `None` travels as `null`, and what is said in a list, so
//! that nothing said and said to be nothing differ: `[null]`, `["Acme"]`. A value outside of a list
//! comes from a program that could not clear the field yet.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Said<T> {
    Listed([Option<T>; 1]),
    Bare(T),
}

#[expect(
    clippy::option_option,
    clippy::ref_option,
    reason = "the signature is serde's"
)]
pub fn serialize<T: Serialize, S: Serializer>(
    value: &Option<Option<T>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().map(|said| [said]).serialize(serializer)
}

#[expect(clippy::option_option, reason = "the signature is serde's")]
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    let said = Option::<Said<T>>::deserialize(deserializer)?;
    Ok(said.map(|said| match said {
        Said::Listed([value]) => value,
        Said::Bare(value) => Some(value),
    }))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Change {
        #[serde(default, with = "super")]
        #[expect(
            clippy::option_option,
            reason = "left out, nothing and a value are three"
        )]
        number: Option<Option<u64>>,
    }

    #[test]
    fn what_is_said_arrives_as_it_was_said() {
        for number in [None, Some(None), Some(Some(7))] {
            let sent = serde_json::to_value(Change { number }).unwrap();
            let arrived: Change = serde_json::from_value(sent).unwrap();
            assert_eq!(arrived, Change { number });
        }
    }

    #[test]
    fn what_an_older_program_says_is_understood() {
        let heard = |json| serde_json::from_value::<Change>(json).unwrap().number;
        assert_eq!(heard(json!({})), None);
        assert_eq!(heard(json!({ "number": null })), None);
        assert_eq!(heard(json!({ "number": 7 })), Some(Some(7)));
    }
}
