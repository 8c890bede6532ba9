//! What facts are counted for.

use std::collections::HashMap;

use journal::token::Token;
use uuid::Uuid;

use super::{Key, PER_TAG};
use crate::db::Value;
use crate::reports::facts::{Dimension, Fact};
use crate::reports::journey::Journey;
use crate::{histogram, slots, total};

/// What the counts change by.
pub(super) fn differences(
    before: &HashMap<Key, Journey>,
    after: &HashMap<Key, Journey>,
) -> Vec<Vec<Value>> {
    let mut sums: HashMap<(&Token, Vec<String>), [i64; 4]> = HashMap::new();
    for (key, journey) in after {
        let was = before.get(key).map(Journey::facts).unwrap_or_default();
        let is = journey.facts();
        let gone = was.iter().filter(|fact| !is.contains(fact));
        let come = is.iter().filter(|fact| !was.contains(fact));
        let changed = gone
            .map(|fact| (fact, -1))
            .chain(come.map(|fact| (fact, 1)));
        for (fact, sign) in changed {
            for (by, sum) in counted(fact) {
                let sums = sums.entry((&key.0, by)).or_default();
                for (all, more) in sums.iter_mut().zip(sum) {
                    *all = all.saturating_add(more * sign);
                }
            }
        }
    }
    // In one order everywhere, so that two transactions cannot wait for each other in a ring.
    let mut sums: Vec<_> = sums
        .into_iter()
        .filter(|(_, sums)| *sums != [0; 4])
        .collect();
    sums.sort();
    let row = |((workspace, by), sums): ((&Token, Vec<String>), [i64; 4])| {
        let key = std::iter::once(workspace.as_str().into()).chain(by.into_iter().map(Value::from));
        key.chain(sums.map(Value::Int)).collect()
    };
    sums.into_iter().map(row).collect()
}

/// What a fact is counted for: in each slot once, and once under each of its tags.
fn counted(fact: &Fact) -> Vec<(Vec<String>, [i64; 4])> {
    let [high, low] = total::halves(fact.minor);
    let sums = [1, high, low, fact.lasted.unwrap_or(0)];
    let lasted = fact.lasted.map(histogram::bucket).unwrap_or_default();
    let tags = fact.values(Dimension::Tag).into_iter();
    let tags = tags.map(|tag| (format!("{}{PER_TAG}", fact.kind.as_str()), tag));
    let names: Vec<_> = std::iter::once((fact.kind.as_str().to_owned(), ""))
        .chain(tags)
        .collect();
    let slots = slots::of_microsecond(fact.at);
    let mut all = Vec::with_capacity(slots.len() * names.len());
    let [owner, reason] = [Dimension::Owner, Dimension::Reason].map(|by| fact.values(by)[0]);
    let described = &fact.described[..Dimension::Owner.place()];
    for slot in slots {
        for (name, tag) in &names {
            let words = [owner, reason, tag];
            let key = [name.clone(), slot.clone()].into_iter();
            let key = key.chain(described.iter().cloned());
            let key = key.chain([lasted.clone(), key_of(words)]);
            all.push((key.chain(words.map(ToOwned::to_owned)).collect(), sums));
        }
    }
    all
}

/// Tells words apart without saying them.
fn key_of(words: [&str; 3]) -> String {
    if words == [""; 3] {
        return String::new();
    }
    let words = words.join("\n\0");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, words.as_bytes()).to_string()
}
