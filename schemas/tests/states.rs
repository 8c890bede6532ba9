//! What every aggregate makes of its events, checked in beside the code.
//!
//! A snapshot holds a state, and is used by every program whose aggregate has the same `STATE`. So the same
//! events must come to the same state under the same number. Each file holds the state behind every sample
//! that was ever written, and a hash of the states behind every two of them. `just schemas` adds what is new,
//! and writes a file for a raised `STATE`; it changes nothing that is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cqrs_es::Aggregate;
use domain::event::{Decide, Stored};
use schemas::codec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// What is kept of an aggregate.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The hash of the states behind every two samples that are named below.
    pairs: String,
    /// The state behind the aggregate's first event and this one.
    behind: BTreeMap<String, Value>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every sample of an aggregate's events, of every version, by its file's name.
fn samples<A: Aggregate<Event: Stored>>() -> BTreeMap<String, A::Event> {
    let mut samples = BTreeMap::new();
    for file in fs::read_dir(folder().join("events").join(A::TYPE)).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(name) = name.strip_suffix(".sample.json") {
            let text = fs::read_to_string(&path).unwrap();
            let raw = RawValue::from_string(text.trim().to_owned()).unwrap();
            samples.insert(name.to_owned(), codec::decode(&raw).unwrap());
        }
    }
    samples
}

fn state<A: Aggregate>(events: &[&A::Event]) -> Value {
    let mut state = A::default();
    for event in events {
        state.apply((*event).clone());
    }
    sorted(serde_json::to_value(state).unwrap())
}

/// Whether `serde_json` keeps the order of keys depends on what else is built beside it.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, sorted(value)));
            let fields: BTreeMap<_, _> = fields.collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// What is kept of these samples, behind the aggregate's first event.
fn kept<A: Aggregate<Event: Stored>>(samples: &BTreeMap<String, A::Event>) -> Kept {
    let first = |event: &&A::Event| event.kind().name == A::Event::KINDS[0].name;
    let first = samples.values().rev().find(first).unwrap();
    let mut kept = Kept::default();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for (name, event) in samples {
        kept.behind
            .insert(name.clone(), state::<A>(&[first, event]));
        for other in samples.values() {
            for byte in state::<A>(&[first, event, other]).to_string().bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    kept.pairs = format!("{hash:016x}");
    kept
}

fn is_kept<A: Decide<Event: Stored>>() {
    let path = folder().join(format!("states/{}.v{}.json", A::TYPE, A::STATE));
    let all = samples::<A>();
    let now = kept::<A>(&all);
    let before = fs::read_to_string(&path);
    let before: Option<Kept> = before.ok().map(|text| serde_json::from_str(&text).unwrap());
    if let Some(before) = &before {
        let mut named = all;
        named.retain(|name, _| before.behind.contains_key(name));
        assert_eq!(
            *before,
            kept::<A>(&named),
            "the same events come to another state of {}: raise its STATE, then `just schemas`",
            A::TYPE
        );
    }
    if std::env::var_os("RAPPORT_WRITE_SCHEMAS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = serde_json::to_string_pretty(&now).unwrap();
        fs::write(&path, format!("{text}\n")).unwrap();
    } else {
        assert_eq!(
            before.as_ref(),
            Some(&now),
            "{} lacks new events: run `just schemas`",
            path.display()
        );
    }
}

macro_rules! all {
    ($($name:ident $variant:ident: $aggregate:ty, $event:ty, $undo:ident;)+) => {
        $(
            #[test]
            fn $name() {
                is_kept::<$aggregate>();
            }
        )+
    };
}

domain::aggregates!(all);
