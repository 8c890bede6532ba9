//! Looks for an order of all calls that explains every answer (Wing and Gong's search, with
//! Lowe's memory of what was tried).
//!
//! Next in the order can be every call that was invoked before the first answer among those that
//! are not in it yet. A set of calls that led to a state which was reached before with the same
//! set needs no second look; without that the search would take for ever.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use super::Call;
use super::lead::Lead;

/// No order explains what the clients heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// How many calls the longest explanation orders.
    pub explained: usize,
    /// How many there are.
    pub calls: usize,
    /// How the lead stands after the longest explanation.
    pub state: Option<Lead>,
    /// The calls that could come next by their times, and cannot by their answers.
    pub stuck: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            explained,
            calls,
            state,
            stuck,
        } = self;
        writeln!(
            f,
            "{explained} of {calls} calls can be put in order, to {state:?}; none of these can be next:"
        )?;
        stuck.iter().try_for_each(|call| writeln!(f, "  {call}"))
    }
}

/// Which calls are in the order.
type Done = Vec<u64>;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Node {
    done: Done,
    state: Option<Lead>,
}

impl Node {
    fn has(&self, call: usize) -> bool {
        self.done[call / 64] & (1 << (call % 64)) != 0
    }

    fn then(&self, call: usize, state: Option<Lead>) -> Self {
        let mut done = self.done.clone();
        done[call / 64] |= 1 << (call % 64);
        Self { done, state }
    }

    fn count(&self) -> usize {
        self.done
            .iter()
            .map(|bits| bits.count_ones() as usize)
            .sum()
    }
}

/// Finds an order of one lead's calls.
///
/// # Errors
///
/// Where there is none.
pub fn explain(calls: &[Call]) -> Result<(), Violation> {
    let mut calls = calls.to_vec();
    calls.sort_by_key(|call| call.invoked);
    let begin = Node {
        done: vec![0; calls.len().div_ceil(64)],
        state: None,
    };
    let mut longest = begin.clone();
    let mut known = HashSet::from([begin.clone()]);
    let mut open = vec![begin];
    while let Some(node) = open.pop() {
        let candidates = candidates(&calls, &node);
        if candidates.is_empty() {
            return Ok(());
        }
        if node.count() > longest.count() {
            longest = node.clone();
        }
        // The earliest is looked at first: it is put on the pile last.
        for call in candidates.into_iter().rev() {
            if let Some(next) = step(&calls, &node, call)
                && known.insert(next.clone())
            {
                open.push(next);
            }
        }
    }
    let stuck = candidates(&calls, &longest).into_iter();
    Err(Violation {
        explained: longest.count(),
        calls: calls.len(),
        stuck: stuck.map(|call| shown(&calls[call])).collect(),
        state: longest.state,
    })
}

/// The calls that can be next by their times; none once every answer is explained.
fn candidates(calls: &[Call], node: &Node) -> Vec<usize> {
    let missing = || (0..calls.len()).filter(|call| !node.has(*call));
    let answers = missing().filter_map(|call| calls[call].answered.as_ref().map(|(at, _)| *at));
    let Some(first) = answers.min() else {
        return Vec::new();
    };
    missing()
        .take_while(|call| calls[*call].invoked <= first)
        .collect()
}

/// The order with this call behind it, where that explains its answer.
fn step(calls: &[Call], node: &Node, call: usize) -> Option<Node> {
    let (after, answer) = calls[call].asked.of(node.state.as_ref());
    match &calls[call].answered {
        Some((_, heard)) => (*heard == answer).then(|| node.then(call, after)),
        // Without an answer and without an effect it explains nothing.
        None => (after != node.state).then(|| node.then(call, after)),
    }
}

fn shown(call: &Call) -> String {
    let Call {
        client,
        asked,
        invoked,
        answered,
    } = call;
    let micros = Duration::as_micros;
    match answered {
        Some((at, heard)) => format!(
            "client {client} asked {asked:?} from {} to {} µs and heard {heard:?}",
            micros(invoked),
            micros(at)
        ),
        None => format!(
            "client {client} asked {asked:?} from {} µs on",
            micros(invoked)
        ),
    }
}
