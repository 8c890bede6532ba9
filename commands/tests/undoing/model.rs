//! What a record is by its changes: as if those that were undone had never been.
//!
//! Which may be undone is told by stacks: for each thing, the changes in effect, one upon the other. Undoing a
//! change brings back the stack from before it, and may do so only while the stack is the one that the change
//! left. Of a sum, every part is taken away by itself.

use std::collections::BTreeMap;

/// What comes of one event that is to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Reversed,
    UndoneAlready,
    Kept,
}

/// What one event says of one thing.
#[derive(Debug, Clone)]
pub struct Fact {
    pub thing: String,
    pub is: Says,
    /// Whether the whole record has to be as this left it, for its undo.
    pub whole: bool,
    /// Whether it can be undone at all.
    pub forever: bool,
}

#[derive(Debug, Clone)]
pub enum Says {
    Value(String),
    More(i64),
}

pub const EXISTENCE: &str = "existence";
pub const SUM: &str = "sum";

type Stacks = BTreeMap<String, Vec<usize>>;

#[derive(Debug)]
struct Event {
    position: u64,
    fact: Fact,
    /// The change of a person's that it undoes or does again; itself, where it is one.
    root: usize,
    /// Whether that is in effect behind it.
    on: bool,
    before: Stacks,
    after: Stacks,
}

#[derive(Debug, Default)]
pub struct Model {
    initially: BTreeMap<String, String>,
    events: Vec<Event>,
    /// Which roots are in effect.
    on: BTreeMap<usize, bool>,
    stacks: Stacks,
    seen: u64,
}

impl Model {
    pub fn begins(&mut self, shown: BTreeMap<String, String>) {
        self.initially = shown;
    }

    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// The position of a change, counted from the last one.
    pub fn position(&self, back: usize) -> u64 {
        let mut positions: Vec<u64> = self.events.iter().map(|event| event.position).collect();
        positions.dedup();
        positions[positions.len() - 1 - back % positions.len()]
    }

    pub fn shown(&self) -> BTreeMap<String, String> {
        let mut shown = self.initially.clone();
        let mut sum = 0;
        for (root, _) in self.on.iter().filter(|(_, on)| **on) {
            let fact = &self.events[*root].fact;
            match &fact.is {
                _ if fact.forever => {}
                Says::Value(value) => drop(shown.insert(fact.thing.clone(), value.clone())),
                Says::More(more) => sum += more,
            }
        }
        if let Some(shown) = shown.get_mut(SUM) {
            *shown = sum.to_string();
        }
        shown
    }

    pub fn undo(&self, position: u64) -> Vec<Verdict> {
        let at = self
            .events
            .iter()
            .filter(|event| event.position == position);
        at.map(|event| self.verdict(event)).collect()
    }

    fn verdict(&self, event: &Event) -> Verdict {
        let held = |stacks: &Stacks, thing: &str| stacks.get(thing).cloned().unwrap_or_default();
        let as_it_left = |thing: &str| held(&self.stacks, thing) == held(&event.after, thing);
        match &event.fact {
            _ if self.on[&event.root] != event.on => Verdict::UndoneAlready,
            fact if fact.forever => Verdict::Kept,
            Fact {
                is: Says::More(_), ..
            } => Verdict::Reversed,
            fact if fact.whole && !self.stacks.keys().all(|thing| as_it_left(thing)) => {
                Verdict::Kept
            }
            fact if as_it_left(&fact.thing) && as_it_left(EXISTENCE) => Verdict::Reversed,
            _ => Verdict::Kept,
        }
    }

    /// A change of a person's.
    pub fn done(&mut self, position: u64, facts: Vec<Fact>) {
        let (before, first) = (self.stacks.clone(), self.events.len());
        for (root, fact) in (first..).zip(&facts) {
            self.on.insert(root, true);
            if !fact.forever {
                self.stacks
                    .entry(fact.thing.clone())
                    .or_default()
                    .push(root);
            }
        }
        for (root, fact) in (first..).zip(facts) {
            self.push(position, fact, (root, true), before.clone());
        }
        self.seen = position;
    }

    /// An undo of the change at this position; answers what it comes to.
    pub fn undone(&mut self, position: u64, undone: u64) -> Vec<Verdict> {
        let verdicts = self.undo(undone);
        let at = (0..self.events.len()).filter(|event| self.events[*event].position == undone);
        let at: Vec<usize> = at.collect();
        let reversed = at.iter().zip(&verdicts);
        let reversed = reversed.filter(|(_, verdict)| **verdict == Verdict::Reversed);
        let reversed: Vec<usize> = reversed.map(|(event, _)| *event).collect();
        let before = self.stacks.clone();
        for event in &reversed {
            let Event {
                fact,
                root,
                on,
                before,
                ..
            } = &self.events[*event];
            let stack = before.get(&fact.thing).cloned().unwrap_or_default();
            self.stacks.insert(fact.thing.clone(), stack);
            self.on.insert(*root, !on);
        }
        for event in reversed {
            let Event { fact, root, on, .. } = &self.events[event];
            let (toggled, fact) = ((*root, !on), fact.clone());
            // What brings a whole contact back is undone only while nobody has changed it since.
            let whole = fact.thing == EXISTENCE && !fact.whole;
            self.push(position, Fact { whole, ..fact }, toggled, before.clone());
        }
        self.seen = position;
        verdicts
    }

    fn push(&mut self, position: u64, fact: Fact, (root, on): (usize, bool), before: Stacks) {
        self.events.push(Event {
            position,
            fact,
            root,
            on,
            before,
            after: self.stacks.clone(),
        });
    }
}
