//! The JSON Schema of every event, generated from the types that are written.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::any::DomainEvent;
use crate::envelope;

/// Where the schema of this event and version is kept, below `schemas/events`.
#[must_use]
pub fn path(name: &str, version: u16) -> String {
    format!("{}.v{version}", name.replacen('.', "/", 1))
}

/// The JSON Schema of an event's payload. Its personal fields are marked `"x-personal": true`: in the log
/// they are sealed, elsewhere they are what they say.
///
/// `None` where no event has this name.
#[must_use]
pub fn schema(name: &str) -> Option<Value> {
    let kind = DomainEvent::kinds().find(|kind| kind.name == name)?;
    let mut payload = variants().find_map(|variant| payload_of(&variant, name))?;
    for field in kind.personal {
        let field = &mut payload["properties"][field.field];
        let mut plain = field.take();
        let description = plain["description"].take();
        plain.as_object_mut()?.remove("description");
        *field = json!({
            "description": description, "x-personal": true, "anyOf": [plain, envelope::sealed()],
        });
    }
    payload["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    payload["title"] = json!(format!("{name} v{}", kind.version));
    Some(payload)
}

macro_rules! variants {
    ($($name:ident $variant:ident: $aggregate:ty, $event:ty, $undo:ident;)+) => {
        /// Every variant of every event enum, as schemars describes adjacently tagged enums.
        fn variants() -> impl Iterator<Item = Value> {
            [$(one_of::<$event>()),+].into_iter().flatten()
        }
    };
}

domain::aggregates!(variants);

fn one_of<E: JsonSchema>() -> Vec<Value> {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<E>()
        .to_value();
    flattened(&mut schema)
}

/// Wrapped events are an enum within the enum: a choice of choices.
fn flattened(schema: &mut Value) -> Vec<Value> {
    for choice in ["oneOf", "anyOf"] {
        if let Value::Array(mut variants) = schema[choice].take() {
            return variants.iter_mut().flat_map(flattened).collect();
        }
    }
    vec![schema.take()]
}

fn payload_of(variant: &Value, name: &str) -> Option<Value> {
    let properties = &variant["properties"];
    (properties["type"]["const"] == name).then(|| {
        let mut payload = properties["payload"].clone();
        payload["description"] = variant["description"].clone();
        payload
    })
}
