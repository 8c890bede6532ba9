use cqrs_es::test::TestFramework;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    CAPACITY, Idle, Reservations, ShardId, UniqueCommand, UniqueError, UniqueEvent, UniqueKind,
    Wanted,
};
use crate::id::ContactId;

const AT: Timestamp = Timestamp::UNIX_EPOCH;
const ONE: ContactId = ContactId(1);
const TWO: ContactId = ContactId(2);
const FIRST: Uuid = Uuid::from_u128(1);
const SECOND: Uuid = Uuid::from_u128(2);

fn shard() -> TestFramework<Reservations> {
    TestFramework::with(())
}

fn reserved(owner: ContactId, seen: u64, attempt: Uuid) -> UniqueEvent {
    UniqueEvent::Reserved {
        value: "v".into(),
        owner,
        seen,
        attempt: Some(attempt),
        at: AT,
    }
}

fn released(attempt: Uuid) -> UniqueEvent {
    UniqueEvent::Released {
        value: "v".into(),
        attempt: Some(attempt),
    }
}

fn reserve(owner: ContactId, seen: u64, attempt: Uuid) -> UniqueCommand {
    instead(None, owner, seen, attempt)
}

fn instead(idle: Option<Idle>, owner: ContactId, seen: u64, attempt: Uuid) -> UniqueCommand {
    let value = "v".into();
    UniqueCommand::Reserve {
        owner,
        seen,
        attempt,
        at: AT,
        values: vec![Wanted { value, idle }],
    }
}

fn release(attempt: Uuid) -> UniqueCommand {
    UniqueCommand::Release {
        attempt,
        values: vec!["v".into()],
    }
}

const fn held_by(owner: ContactId) -> UniqueError {
    UniqueError::Held { owner }
}

#[test]
fn a_value_has_one_owner() {
    shard()
        .given_no_previous_events()
        .when(reserve(ONE, 0, FIRST))
        .then_expect_events(vec![reserved(ONE, 0, FIRST)]);
    shard()
        .given(vec![reserved(ONE, 0, FIRST)])
        .when(reserve(ONE, 0, FIRST))
        .then_expect_events(vec![]);
    shard()
        .given(vec![reserved(ONE, 0, FIRST)])
        .when(reserve(TWO, 0, SECOND))
        .then_expect_error(held_by(ONE));
}

#[test]
fn a_command_reserves_all_its_values_or_none() {
    let both = UniqueCommand::Reserve {
        owner: TWO,
        seen: 0,
        attempt: SECOND,
        at: AT,
        values: ["free", "v"]
            .map(|value| Wanted {
                value: value.into(),
                idle: None,
            })
            .into(),
    };
    shard()
        .given(vec![reserved(ONE, 0, FIRST)])
        .when(both)
        .then_expect_error(held_by(ONE));
}

#[test]
fn a_value_is_free_once_every_attempt_that_relies_on_it_gave_it_back() {
    let two = vec![reserved(ONE, 4, FIRST), reserved(ONE, 4, SECOND)];
    shard()
        .given(two.clone())
        .when(release(FIRST))
        .then_expect_events(vec![released(FIRST)]);
    let one_left = [two, vec![released(FIRST)]].concat();
    shard()
        .given(one_left.clone())
        .when(reserve(TWO, 0, FIRST))
        .then_expect_error(held_by(ONE));
    shard()
        .given([one_left, vec![released(SECOND)]].concat())
        .when(reserve(TWO, 0, FIRST))
        .then_expect_events(vec![reserved(TWO, 0, FIRST)]);
}

#[test]
fn a_late_release_frees_no_newer_reservation() {
    shard()
        .given(vec![reserved(ONE, 1, FIRST), reserved(ONE, 2, SECOND)])
        .when(release(FIRST))
        .then_expect_events(vec![]);
}

#[test]
fn an_attempt_that_has_seen_less_leaves_a_newer_reservation_alone() {
    shard()
        .given(vec![reserved(ONE, 2, SECOND)])
        .when(reserve(ONE, 1, FIRST))
        .then_expect_events(vec![]);
}

#[test]
fn a_value_is_taken_from_an_owner_that_is_past_the_reservation_without_it() {
    let idle = |owner, version| Some(Idle { owner, version });
    shard()
        .given(vec![reserved(ONE, 4, FIRST)])
        .when(instead(idle(ONE, 5), TWO, 0, SECOND))
        .then_expect_events(vec![reserved(TWO, 0, SECOND)]);
    for (seen, idle) in [(5, idle(ONE, 5)), (6, idle(ONE, 5)), (4, idle(TWO, 5))] {
        shard()
            .given(vec![reserved(ONE, seen, FIRST)])
            .when(instead(idle, ContactId(3), 0, SECOND))
            .then_expect_error(held_by(ONE));
    }
}

#[test]
fn what_was_reserved_before_there_were_attempts_is_held_and_freed() {
    let old = UniqueEvent::Reserved {
        value: "v".into(),
        owner: ONE,
        seen: 0,
        attempt: None,
        at: AT,
    };
    shard()
        .given(vec![old.clone()])
        .when(reserve(TWO, 0, SECOND))
        .then_expect_error(held_by(ONE));
    let all = UniqueEvent::Released {
        value: "v".into(),
        attempt: None,
    };
    shard()
        .given(vec![old, all])
        .when(reserve(TWO, 0, SECOND))
        .then_expect_events(vec![reserved(TWO, 0, SECOND)]);
}

#[test]
fn a_shard_that_was_full_once_takes_no_other_value() {
    let filling = |place| UniqueEvent::Reserved {
        value: format!("{place:04}"),
        owner: ONE,
        seen: 0,
        attempt: Some(FIRST),
        at: AT,
    };
    let mut events: Vec<_> = (1..CAPACITY).map(filling).collect();
    shard()
        .given(events.clone())
        .when(reserve(TWO, 0, SECOND))
        .then_expect_events(vec![reserved(TWO, 0, SECOND)]);
    events.push(filling(CAPACITY));
    shard()
        .given(events.clone())
        .when(reserve(TWO, 0, SECOND))
        .then_expect_error(UniqueError::Full);
    let renewed = UniqueCommand::Reserve {
        owner: ONE,
        seen: 1,
        attempt: SECOND,
        at: AT,
        values: vec![Wanted {
            value: "0001".into(),
            idle: None,
        }],
    };
    shard()
        .given(events.clone())
        .when(renewed)
        .then_expect_events(vec![UniqueEvent::Reserved {
            value: "0001".into(),
            owner: ONE,
            seen: 1,
            attempt: Some(SECOND),
            at: AT,
        }]);
    events.push(UniqueEvent::Released {
        value: "0001".into(),
        attempt: Some(FIRST),
    });
    shard()
        .given(events)
        .when(reserve(TWO, 0, SECOND))
        .then_expect_error(UniqueError::Full);
}

#[test]
fn a_child_is_named_by_the_next_byte() {
    let root = ShardId::root(UniqueKind::Phone, 7);
    let value = "0123456789abcdef0123456789abcdef";
    let mut all = vec![root];
    while let Some(child) = all[all.len() - 1].child(value) {
        all.push(child);
    }
    let names: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "phone-7",
            "phone-7-45",
            "phone-7-45-67",
            "phone-7-45-67-89",
            "phone-7-45-67-89-ab"
        ]
    );
    assert_eq!(root.child("no HMAC"), None);
}
