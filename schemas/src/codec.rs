//! One event as JSON: `{"version":1,"type":"lead.opened","payload":{…}}`.

use domain::event::Stored;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::upcast::{self, UpcastError};

/// What every stored event starts with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// `aggregate.fact`.
    #[serde(rename = "type")]
    pub name: String,
    /// The version it was written in.
    pub version: u16,
}

/// Why a stored event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not the shape that its type and version promise.
    #[error("event {name} v{version} does not have its shape: {fault}")]
    Shape {
        /// The stored name.
        name: String,
        /// The version it says it was written in.
        version: u16,
        /// What the parser says, without the values that it found: they may name a person.
        fault: String,
    },
    /// It lacks even a type and a version.
    #[error("not an event: {0}")]
    NotAnEvent(String),
    /// No event of this aggregate has this name.
    #[error("unknown event {0}; a newer program wrote it")]
    Unknown(String),
    /// It has a version that nothing leads on from.
    #[error(transparent)]
    Upcast(#[from] UpcastError),
}

/// The event as stored.
pub fn encode<E: Stored>(event: &E) -> Result<Box<RawValue>, serde_json::Error> {
    let json = serde_json::to_string(event)?;
    let version = event.kind().version;
    RawValue::from_string(format!("{{\"version\":{version},{}", &json[1..]))
}

/// The type and version of a stored event.
pub fn head(raw: &RawValue) -> Result<Head, DecodeError> {
    serde_json::from_str(raw.get()).map_err(|error| DecodeError::NotAnEvent(without_values(&error)))
}

/// The event that was stored, brought to today's version.
pub fn decode<E: Stored>(raw: &RawValue) -> Result<E, DecodeError> {
    decode_headed(&head(raw)?, raw)
}

/// [`decode`], where the head was read before.
pub fn decode_headed<E: Stored>(head: &Head, raw: &RawValue) -> Result<E, DecodeError> {
    let kind = E::find(&head.name).ok_or_else(|| DecodeError::Unknown(head.name.clone()))?;
    let shape = |error| DecodeError::Shape {
        name: head.name.clone(),
        version: head.version,
        fault: without_values(&error),
    };
    if head.version == kind.version {
        return serde_json::from_str(raw.get()).map_err(shape);
    }
    let newest = upcast::to_newest(kind, head.version, raw).map_err(|error| match error {
        upcast::Failure::Shape(source) => shape(source),
        upcast::Failure::Upcast(error) => error.into(),
    })?;
    serde_json::from_value(newest).map_err(shape)
}

/// What is wrong with a JSON text, without what stands there: that may name a person, and errors are logged,
/// shown and kept.
#[must_use]
pub fn without_values(error: &serde_json::Error) -> String {
    let told = error.to_string();
    match told.rsplit_once(", expected ") {
        _ if told.starts_with("missing field") => told,
        Some((_, expected)) => format!("expected {expected}"),
        None => format!(
            "{:?} at line {} column {}",
            error.classify(),
            error.line(),
            error.column()
        ),
    }
}

/// The event's payload, in today's version.
pub fn payload<E: Stored>(event: &E) -> Result<serde_json::Value, serde_json::Error> {
    Ok(serde_json::to_value(event)?["payload"].take())
}

/// Any serializable value as raw JSON.
pub fn raw<T: serde::Serialize>(value: &T) -> Result<Box<RawValue>, serde_json::Error> {
    to_raw_value(value)
}

#[cfg(test)]
mod tests {
    use domain::lead::event::LeadEvent;
    use domain::pipeline::built_in;
    use domain::pipeline::table::Outcome;
    use domain::sale::event::SaleEvent;
    use serde_json::value::RawValue;

    use super::{DecodeError, decode, encode};

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn an_event_comes_back_as_it_was() {
        let event = LeadEvent::StageChanged {
            from: built_in::NEW,
            to: built_in::LOST,
            outcome: Outcome::Lost,
            reason: Some("a \"quoted\" reason".into()),
        };
        let stored = encode(&event).unwrap();
        assert!(
            stored
                .get()
                .starts_with(r#"{"version":4,"type":"lead.stage_changed","payload":{"#)
        );
        assert_eq!(decode::<LeadEvent>(&stored).unwrap(), event);
    }

    #[test]
    fn an_old_event_is_brought_to_todays_version() {
        let old = r#"{"version":1,"type":"lead.stage_changed","payload":{"from":"new","to":"contacted"}}"#;
        let today = LeadEvent::StageChanged {
            from: built_in::NEW,
            to: built_in::CONTACTED,
            outcome: Outcome::Open,
            reason: None,
        };
        assert_eq!(decode::<LeadEvent>(&raw(old)).unwrap(), today);
    }

    #[test]
    fn no_error_repeats_what_a_field_holds() {
        for value in [
            "\"Zinaida, expected 7\"",
            "\"no +380991112233\"",
            "[\"Zinaida\"]",
        ] {
            let wrong = format!(
                r#"{{"version":1,"type":"lead.messages_recorded","payload":{{"increment":{value},"total":1}}}}"#
            );
            let told = decode::<LeadEvent>(&raw(&wrong)).unwrap_err().to_string();
            assert!(!told.contains("Zinaida") && !told.contains("380"), "{told}");
            assert!(told.contains("u32"), "{told}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let error = |json| decode::<LeadEvent>(&raw(json)).unwrap_err();
        assert!(matches!(error("{}"), DecodeError::NotAnEvent(_)));
        let unknown = r#"{"version":1,"type":"lead.dreamt","payload":{}}"#;
        assert!(matches!(error(unknown), DecodeError::Unknown(_)));
        let newer = r#"{"version":9,"type":"lead.opened","payload":{}}"#;
        assert!(matches!(error(newer), DecodeError::Upcast(_)));
        let broken = r#"{"version":1,"type":"lead.opened","payload":{}}"#;
        assert!(matches!(error(broken), DecodeError::Shape { .. }));
        let other = r#"{"version":1,"type":"lead.opened","payload":{}}"#;
        assert!(matches!(
            decode::<SaleEvent>(&raw(other)),
            Err(DecodeError::Unknown(_))
        ));
    }
}
