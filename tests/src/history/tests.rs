//! The checker is checked: it must refuse what no lead can have shown.

use std::time::Duration;

use super::lead::{Asked, Heard, Lead};
use super::{Call, explain};
use crate::dice::Dice;

fn stands(version: u64, messages: u64, stage: &str) -> Heard {
    Heard::Stands(Lead {
        version,
        messages,
        stage: stage.into(),
    })
}

fn call(asked: Asked, from: u64, to: u64, heard: Heard) -> Call {
    Call {
        client: 1,
        asked,
        invoked: Duration::from_millis(from),
        answered: Some((Duration::from_millis(to), heard)),
    }
}

fn unknown(asked: Asked, from: u64) -> Call {
    Call {
        client: 2,
        asked,
        invoked: Duration::from_millis(from),
        answered: None,
    }
}

fn opened() -> Call {
    call(Asked::Open, 0, 1, stands(1, 0, "new"))
}

fn moved(seen: &'static str, to: &'static str) -> Asked {
    Asked::Move {
        seen: seen.into(),
        to: to.into(),
    }
}

#[test]
fn one_after_the_other_is_accepted() {
    let calls = [
        opened(),
        call(Asked::Count(3), 2, 3, stands(2, 3, "new")),
        call(moved("new", "contacted"), 4, 5, stands(3, 3, "contacted")),
        call(moved("new", "lost"), 6, 7, Heard::Refused),
        call(Asked::Read, 8, 9, stands(3, 3, "contacted")),
    ];
    assert_eq!(explain(&calls), Ok(()));
}

#[test]
fn calls_at_once_may_take_effect_in_either_order() {
    let calls = [
        opened(),
        call(Asked::Count(3), 2, 9, stands(3, 7, "new")),
        call(Asked::Count(4), 2, 9, stands(2, 4, "new")),
        call(Asked::Read, 3, 4, stands(2, 4, "new")),
    ];
    assert_eq!(explain(&calls), Ok(()));
}

#[test]
fn a_lost_update_is_refused() {
    let both_saw_the_same = [
        opened(),
        call(Asked::Count(3), 2, 5, stands(2, 3, "new")),
        call(Asked::Count(4), 2, 5, stands(2, 4, "new")),
    ];
    assert_eq!(explain(&both_saw_the_same).unwrap_err().explained, 2);
    let acknowledged_and_gone = [
        opened(),
        call(Asked::Count(3), 2, 3, stands(2, 3, "new")),
        call(Asked::Read, 4, 5, stands(1, 0, "new")),
        call(Asked::Count(4), 6, 7, stands(2, 4, "new")),
    ];
    assert!(explain(&acknowledged_and_gone).is_err());
}

#[test]
fn a_stale_read_is_refused() {
    let calls = [
        opened(),
        call(Asked::Count(3), 2, 3, stands(2, 3, "new")),
        call(Asked::Read, 4, 5, stands(1, 0, "new")),
        call(Asked::Read, 6, 7, stands(2, 3, "new")),
    ];
    let violation = explain(&calls).unwrap_err();
    assert!(violation.to_string().contains("Read"), "{violation}");
}

#[test]
fn a_read_that_goes_back_is_refused() {
    let calls = [
        opened(),
        call(Asked::Count(3), 2, 20, stands(2, 3, "new")),
        call(Asked::Read, 4, 5, stands(2, 3, "new")),
        call(Asked::Read, 6, 7, stands(1, 0, "new")),
    ];
    assert!(explain(&calls).is_err());
}

#[test]
fn a_doubled_effect_is_refused() {
    let counted_twice = [
        opened(),
        call(Asked::Count(3), 2, 3, stands(2, 3, "new")),
        call(Asked::Read, 4, 5, stands(3, 6, "new")),
    ];
    assert!(explain(&counted_twice).is_err());
    let without_an_answer_twice = [
        opened(),
        unknown(Asked::Count(3), 2),
        call(Asked::Read, 4, 5, stands(3, 6, "new")),
    ];
    assert!(explain(&without_an_answer_twice).is_err());
}

#[test]
fn a_transition_that_two_won_is_refused() {
    let calls = [
        opened(),
        call(moved("new", "contacted"), 2, 9, stands(2, 0, "contacted")),
        call(moved("new", "lost"), 2, 9, stands(2, 0, "lost")),
    ];
    assert!(explain(&calls).is_err());
}

#[test]
fn a_call_without_an_answer_may_have_happened_late_or_never() {
    let late = [
        opened(),
        unknown(Asked::Count(5), 2),
        call(Asked::Read, 4, 5, stands(1, 0, "new")),
        call(Asked::Count(1), 6, 7, stands(3, 6, "new")),
    ];
    assert_eq!(explain(&late), Ok(()));
    let never = [
        opened(),
        unknown(Asked::Count(5), 2),
        call(Asked::Read, 4, 5, stands(1, 0, "new")),
    ];
    assert_eq!(explain(&never), Ok(()));
    let before_it_was_asked = [
        opened(),
        call(Asked::Read, 2, 3, stands(2, 5, "new")),
        unknown(Asked::Count(5), 4),
    ];
    assert!(explain(&before_it_was_asked).is_err());
}

/// Calls as one lead would have answered them, drawn out around the moments of their effect;
/// some answers are lost.
fn legal(dice: &mut Dice, count: u64) -> Vec<Call> {
    let mut state = None;
    let mut calls = Vec::new();
    for moment in 1..=count {
        let asked = match dice.below(4) {
            _ if moment == 1 => Asked::Open,
            0 => Asked::Read,
            1 => moved(
                dice.one_of::<&str>(&["new", "contacted", "qualified"]),
                dice.one_of::<&str>(&["contacted", "qualified", "lost"]),
            ),
            _ => Asked::Count(dice.below(5) + 1),
        };
        let (after, heard) = asked.of(state.as_ref());
        let (from, to) = (
            moment * 10 - dice.below(60).min(moment * 10),
            moment * 10 + dice.below(60),
        );
        calls.push(if moment > 1 && dice.once_in(20) {
            unknown(asked, from)
        } else {
            call(asked, from, to, heard)
        });
        state = after;
    }
    calls
}

#[test]
fn hundreds_of_legal_histories_are_accepted_and_a_changed_answer_is_not() {
    let mut dice = Dice::new(7);
    for _ in 0..300 {
        let mut calls = legal(&mut dice, 60);
        assert_eq!(explain(&calls), Ok(()));
        // One more message than there can be: every count that anybody asked for is in it.
        let all: u64 = calls
            .iter()
            .map(|call| {
                if let Asked::Count(more) = call.asked {
                    more
                } else {
                    0
                }
            })
            .sum();
        let last = calls
            .iter_mut()
            .rev()
            .find_map(|call| match &mut call.answered {
                Some((_, Heard::Stands(lead))) => Some(lead),
                Some((_, Heard::Refused | Heard::Missing)) | None => None,
            });
        last.unwrap().messages = all + 1;
        assert!(explain(&calls).is_err());
    }
}
