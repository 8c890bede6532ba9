//! Undo: a later change that takes an earlier one back, by ordinary events that name what they undo.
//!
//! Nothing is ever rewritten. A step that was undone stands in the history, and so does its undo.
//!
//! Each event of a person's is in effect or not: its undo takes it out of effect, the undo of that undo (a
//! redo) brings it back, and so on. Whatever did one or the other can be undone while that is still so, and
//! while everything else about the same thing is in effect or not as it was then. So several changes of one
//! thing are undone one after the other, the newest first; nobody's later change is lost; and a sum, of which
//! every part counts by itself, loses the same part once.
//!
//! Invariant: the state is that of the events in effect, in their order, as if the others had not been.

use std::collections::{BTreeMap, HashMap};

use cqrs_es::Aggregate;
use uuid::Uuid;

/// Why an event is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept(pub String);

impl Kept {
    /// Kept for this reason.
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// An aggregate whose events can be reversed.
pub trait Reverse: Aggregate + Default {
    /// What of the record an event sets, adds or takes away: one thing per event.
    type Thing: PartialEq;

    /// What this event is about.
    fn thing(event: &Self::Event) -> Self::Thing;

    /// Why an event is kept because of another that came into effect, or went out of it, since; `None` where
    /// neither depends on the other.
    fn touched(undone: &Self::Event, later: &Self::Event) -> Option<String>;

    /// The event that reverses this one, which nobody has touched since. `self` is the state now, `before`
    /// the state before the event.
    fn reverse(&self, before: &Self, undone: &Self::Event) -> Result<Self::Event, Kept>;

    /// The command that appends these events.
    fn compensate(&self, events: Vec<Self::Event>) -> Self::Command;
}

/// One change of a record's history: what one commit did.
#[derive(Debug, Clone)]
pub struct Change<E> {
    /// Its commit.
    pub id: Uuid,
    /// What it is an undo of.
    pub undoes: Undoes,
    /// What it did.
    pub events: Vec<E>,
}

/// What a change is an undo of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undoes {
    /// It is none.
    Nothing,
    /// Of the commit with this id.
    Commit(Uuid),
    /// Of one that it does not name, as older versions of this program wrote it.
    Unnamed,
}

/// What undoing one event comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<E> {
    /// This event reverses it.
    Reversed(E),
    /// The change at this place of the history has undone it.
    UndoneBy(usize),
    /// Somebody touched the same thing since, or it is never undone.
    Kept(Kept),
}

/// What undoing the change at this place of a whole history comes to, event by event.
#[must_use]
pub fn outcomes<A: Reverse>(history: &[Change<A::Event>], place: usize) -> Vec<Outcome<A::Event>> {
    let facts = Facts::<A>::of(history);
    let (mut before, mut now) = (A::default(), A::default());
    for (at, change) in history.iter().enumerate() {
        for event in &change.events {
            if at < place {
                before.apply(event.clone());
            }
            now.apply(event.clone());
        }
    }
    let undone = (0..facts.all.len()).filter(|fact| facts.all[*fact].place == place);
    undone
        .map(|fact| {
            let outcome = facts.undo(fact, &now, &before);
            if let Outcome::Reversed(event) = &outcome {
                now.apply(event.clone());
            }
            outcome
        })
        .collect()
}

/// The events of a history, and which of them are in effect.
struct Facts<'a, A: Reverse> {
    history: &'a [Change<A::Event>],
    all: Vec<Fact<'a, A::Event>>,
}

struct Fact<'a, E> {
    /// The place of its change.
    place: usize,
    event: &'a E,
    /// The fact that this one brings into effect or takes out of it: itself, unless it is an undo.
    root: usize,
    /// Which of the two.
    on: bool,
}

impl<'a, A: Reverse> Facts<'a, A> {
    fn of(history: &'a [Change<A::Event>]) -> Self {
        let mut all: Vec<Fact<'a, A::Event>> = Vec::new();
        let mut ranges = HashMap::new();
        for (place, change) in history.iter().enumerate() {
            let first = all.len();
            let undone = match change.undoes {
                Undoes::Commit(id) => ranges.get(&id).cloned().unwrap_or(0..0),
                Undoes::Nothing | Undoes::Unnamed => 0..0,
            };
            for event in &change.events {
                let thing = A::thing(event);
                let target = all[undone.clone()].iter();
                let target = target.filter(|fact| A::thing(fact.event) == thing);
                let (root, on) = target
                    .map(|fact| (fact.root, !fact.on))
                    .next()
                    .unwrap_or((all.len(), true));
                all.push(Fact {
                    place,
                    event,
                    root,
                    on,
                });
            }
            ranges.insert(change.id, first..all.len());
        }
        Self { history, all }
    }

    fn undo(&self, fact: usize, now: &A, before: &A) -> Outcome<A::Event> {
        let fact = &self.all[fact];
        let (mut was, mut last) = (HashMap::new(), BTreeMap::new());
        for (place, other) in self.all.iter().enumerate() {
            if other.place <= fact.place {
                was.insert(other.root, other.on);
            } else {
                last.insert(other.root, place);
            }
        }
        let changed = last.into_iter().filter(|(root, place)| {
            self.all[*place].on != was.get(root).copied().unwrap_or_default()
        });
        let (own, others): (Vec<_>, Vec<_>) = changed.partition(|(root, _)| *root == fact.root);
        if let Some((_, by)) = own.first() {
            return Outcome::UndoneBy(self.all[*by].place);
        }
        let reversed = match now.reverse(before, fact.event) {
            Ok(reversed) => reversed,
            Err(kept) => return Outcome::Kept(kept),
        };
        let mut others: Vec<usize> = others.iter().map(|(_, place)| *place).collect();
        others.sort_unstable();
        match others
            .into_iter()
            .rev()
            .find_map(|other| self.touched(fact.event, other))
        {
            Some(reason) => Outcome::Kept(Kept(reason)),
            None => Outcome::Reversed(reversed),
        }
    }

    fn touched(&self, event: &A::Event, other: usize) -> Option<String> {
        let other = &self.all[other];
        let unnamed = self.history[other.place].undoes == Undoes::Unnamed;
        let perhaps = unnamed && A::thing(event) == A::thing(other.event);
        A::touched(event, other.event).or_else(|| {
            perhaps.then(|| "an older undo, which does not say of what, was made since".to_owned())
        })
    }
}
