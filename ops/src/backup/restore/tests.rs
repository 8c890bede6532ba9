use std::collections::HashMap;

use commands::people::{Known, People, Person};
use jiff::Timestamp;
use journal::token::Token;
use journal::vault::{OURS, Row};

use super::{Erasure, plan};

const MAIN: &str = "main";

fn moment(hour: u8) -> Timestamp {
    format!("2026-11-21T{hour:02}:00:00Z").parse().unwrap()
}

fn person(number: u64) -> Person {
    (Token::try_new(MAIN).unwrap(), format!("contact-{number}"))
}

fn erased(number: u64, hour: u8) -> Erasure {
    let (workspace, subject) = person(number);
    Erasure {
        workspace,
        subject,
        at: moment(hour),
    }
}

fn key(number: u64, key: Option<&str>) -> Row {
    (
        MAIN.into(),
        format!("contact-{number}"),
        key.map(ToOwned::to_owned),
    )
}

fn since(hour: u8, erased: bool) -> Known {
    Known {
        began: moment(hour),
        erased,
        certain: true,
    }
}

#[test]
fn nobody_who_was_erased_gets_a_key_back() {
    let keys = vec![
        (OURS.to_owned(), "unique".to_owned(), Some("aa".to_owned())),
        (MAIN.to_owned(), String::new(), Some("bb".to_owned())),
        key(1, Some("01")),
        key(2, Some("02")),
        key(3, Some("03")),
        key(4, None),
    ];
    let people = People(HashMap::from([
        (person(1), since(8, false)),
        // Erased after the backup.
        (person(2), since(8, false)),
        // Erased in the log, and the process died before the key was destroyed.
        (person(3), since(8, true)),
        // Erased between the log and the keys.
        (person(4), since(8, false)),
    ]));
    let plan = plan(keys.clone(), &[erased(2, 9), erased(2, 9)], &people).unwrap();
    assert_eq!(plan.erase, [person(2), person(4)]);
    let mut restored = plan.keys;
    restored.sort();
    let expected = [
        keys[0].clone(),
        keys[1].clone(),
        key(1, Some("01")),
        key(2, None),
        key(3, None),
        key(4, None),
    ];
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(restored, expected);
}

#[test]
fn a_number_that_is_given_again_is_another_person() {
    // 5 came after an earlier restore and has the number of somebody who was erased before it; 6
    // came and went after the log was read, so the next contact will be 6.
    let keys = vec![key(5, Some("05")), key(6, None), key(7, Some("07"))];
    let people = People(HashMap::from([(person(5), since(12, false))]));
    let plan = plan(keys, &[erased(5, 9), erased(6, 13)], &people).unwrap();
    assert_eq!(plan.keys, [key(5, Some("05"))]);
    assert_eq!(plan.erase, []);
}
