use cqrs_es::Aggregate as _;
use cqrs_es::test::TestFramework;

use super::decide::Address;
use super::{
    Card, Contact, ContactCommand, ContactError, ContactEvent, ContactField, MAX_ADDRESSES,
    MAX_TEXT,
};
use crate::contact::address::{Email, Phone};
use crate::event::Decide as _;
use crate::text::BadText;
use crate::unique::UniqueKind;

fn contact() -> TestFramework<Contact> {
    TestFramework::with(())
}

fn phone(text: &str) -> Phone {
    Phone::try_new(text).unwrap()
}

fn email(text: &str) -> Email {
    Email::try_new(text).unwrap()
}

fn olena() -> Card {
    Card {
        name: "Olena".into(),
        company: Some("Dnipro Fitness".into()),
        phones: vec![phone("+380501234567")],
        emails: vec![email("olena@example.com")],
        ..Card::default()
    }
}

fn created(card: Card) -> ContactEvent {
    let Card {
        name,
        company,
        role,
        phones,
        emails,
        note,
    } = card;
    ContactEvent::Created {
        name,
        company,
        role,
        phones,
        emails,
        note,
    }
}

const fn no_name() -> ContactError {
    ContactError::BadText {
        field: ContactField::Name,
        bad: BadText::Empty,
    }
}

fn change() -> ContactCommand {
    ContactCommand::Change {
        name: None,
        company: None,
        role: None,
        phones: None,
        emails: None,
        note: None,
    }
}

#[test]
fn a_contact_is_created_once() {
    let create = ContactCommand::Create(olena());
    contact()
        .given_no_previous_events()
        .when(create.clone())
        .then_expect_events(vec![created(olena())]);
    contact()
        .given(vec![created(olena())])
        .when(create)
        .then_expect_error(ContactError::AlreadyCreated);
}

#[test]
fn spaces_around_a_text_and_doubled_phones_are_dropped() {
    let untidy = Card {
        name: "  Olena ".into(),
        company: Some("  ".into()),
        phones: vec![phone("+380501234567"), phone("+380501234567")],
        ..Card::default()
    };
    let tidy = Card {
        name: "Olena".into(),
        phones: vec![phone("+380501234567")],
        ..Card::default()
    };
    contact()
        .given_no_previous_events()
        .when(ContactCommand::Create(untidy))
        .then_expect_events(vec![created(tidy)]);
}

#[test]
fn somebody_must_be_called_something() {
    let nameless = ContactCommand::Create(Card {
        name: " ".into(),
        ..Card::default()
    });
    contact()
        .given_no_previous_events()
        .when(nameless)
        .then_expect_error(no_name());
    let clear = ContactCommand::Change {
        name: Some(String::new()),
        company: None,
        role: None,
        phones: None,
        emails: None,
        note: None,
    };
    contact()
        .given(vec![created(olena())])
        .when(clear)
        .then_expect_error(no_name());
}

#[test]
fn a_text_without_end_is_refused() {
    let long = Card {
        name: "x".repeat(MAX_TEXT + 1),
        ..Card::default()
    };
    contact()
        .given_no_previous_events()
        .when(ContactCommand::Create(long))
        .then_expect_error(ContactError::BadText {
            field: ContactField::Name,
            bad: BadText::TooLong { most: MAX_TEXT },
        });
}

#[test]
fn only_what_differs_becomes_an_event() {
    let change = ContactCommand::Change {
        name: Some("Olena".into()),
        company: Some(None),
        role: Some(Some("trainer".into())),
        phones: Some(vec![phone("+380507654321")]),
        emails: None,
        note: None,
    };
    contact()
        .given(vec![created(olena())])
        .when(change)
        .then_expect_events(vec![
            ContactEvent::FieldChanged {
                field: ContactField::Company,
                from: Some("Dnipro Fitness".into()),
                to: None,
            },
            ContactEvent::FieldChanged {
                field: ContactField::Role,
                from: None,
                to: Some("trainer".into()),
            },
            ContactEvent::PhoneRemoved {
                phone: phone("+380501234567"),
            },
            ContactEvent::PhoneAdded {
                phone: phone("+380507654321"),
            },
        ]);
}

/// What becomes of a phone or an email that somebody adds or takes away.
fn one_comes_and_goes<T: Address>(
    [old, new]: [T; 2],
    add: fn(T) -> ContactCommand,
    remove: fn(T) -> ContactCommand,
) {
    let (added, removed) = (new.clone().added(), old.clone().removed());
    for (command, then) in [
        (add(new.clone()), vec![added]),
        (add(old.clone()), vec![]),
        (remove(old), vec![removed]),
        (remove(new), vec![]),
    ] {
        contact()
            .given(vec![created(olena())])
            .when(command)
            .then_expect_events(then);
    }
}

#[test]
fn one_phone_comes_and_goes_and_the_others_stay() {
    one_comes_and_goes(
        ["+380501234567", "+380507654321"].map(phone),
        |phone| ContactCommand::AddPhone { phone },
        |phone| ContactCommand::RemovePhone { phone },
    );
}

#[test]
fn one_email_comes_and_goes_and_the_others_stay() {
    one_comes_and_goes(
        ["olena@example.com", "o@example.com"].map(email),
        |email| ContactCommand::AddEmail { email },
        |email| ContactCommand::RemoveEmail { email },
    );
}

/// Neither one more than all, nor all and one more at once.
fn there_is_an_end(full: Card, one_more: ContactCommand, fuller: Card, kind: UniqueKind) {
    let too_many = ContactError::TooMany { kind };
    contact()
        .given(vec![created(full)])
        .when(one_more)
        .then_expect_error(too_many.clone());
    contact()
        .given_no_previous_events()
        .when(ContactCommand::Create(fuller))
        .then_expect_error(too_many);
}

#[test]
fn there_is_an_end_of_phones() {
    let with = |count: usize| {
        let phones = (0..count).map(|n| phone(&format!("+3805012345{n:02}")));
        Card {
            phones: phones.collect(),
            ..olena()
        }
    };
    let phone = phone("+380507654321");
    let one_more = ContactCommand::AddPhone { phone };
    let (full, fuller) = (with(MAX_ADDRESSES), with(MAX_ADDRESSES + 1));
    there_is_an_end(full, one_more, fuller, UniqueKind::Phone);
}

#[test]
fn there_is_an_end_of_emails() {
    let with = |count: usize| {
        let emails = (0..count).map(|n| email(&format!("o{n}@example.com")));
        Card {
            emails: emails.collect(),
            ..olena()
        }
    };
    let email = email("olena@example.com");
    let one_more = ContactCommand::AddEmail { email };
    let (full, fuller) = (with(MAX_ADDRESSES), with(MAX_ADDRESSES + 1));
    there_is_an_end(full, one_more, fuller, UniqueKind::Email);
}

#[test]
fn what_lapses_changes_nothing_that_is_shown() {
    let lapsed = ContactEvent::ReservationLapsed {};
    for before in [
        vec![],
        vec![created(olena())],
        vec![created(olena()), ContactEvent::Erased {}],
    ] {
        let mut contact = Contact::default();
        for event in before {
            contact.apply(event);
        }
        let shown = contact.clone();
        assert_eq!(
            contact.decide(ContactCommand::Lapse),
            Ok(vec![lapsed.clone()])
        );
        contact.apply(lapsed.clone());
        assert_eq!(contact, shown);
    }
    contact()
        .given(vec![lapsed])
        .when(ContactCommand::Create(olena()))
        .then_expect_events(vec![created(olena())]);
}

#[test]
fn an_erased_contact_is_forgotten_and_never_comes_back() {
    for before in [
        vec![created(olena())],
        vec![created(olena()), ContactEvent::Removed {}],
    ] {
        contact()
            .given(before)
            .when(ContactCommand::Erase)
            .then_expect_events(vec![ContactEvent::Erased {}]);
    }
    let mut erased = Contact::default();
    erased.apply(created(olena()));
    erased.apply(ContactEvent::Erased {});
    assert_eq!(erased.card, Some(Card::default()), "nothing of it is left");
    assert_eq!(erased.present(), None);
    assert_eq!(erased.decide(ContactCommand::Erase), Ok(vec![]));
    assert_eq!(
        erased.decide(ContactCommand::Create(olena())),
        Err(ContactError::AlreadyCreated)
    );
    assert_eq!(
        Contact::default().decide(ContactCommand::Erase),
        Err(ContactError::NotFound)
    );
}

#[test]
fn a_removed_contact_is_gone() {
    let gone = vec![created(olena()), ContactEvent::Removed {}];
    contact()
        .given(vec![created(olena())])
        .when(ContactCommand::Remove)
        .then_expect_events(vec![ContactEvent::Removed {}]);
    contact()
        .given(gone.clone())
        .when(ContactCommand::Remove)
        .then_expect_events(vec![]);
    contact()
        .given(gone)
        .when(change())
        .then_expect_error(ContactError::NotFound);
    contact()
        .given_no_previous_events()
        .when(change())
        .then_expect_error(ContactError::NotFound);
}

#[test]
fn a_change_survives_the_wire() {
    let change = ContactCommand::Change {
        name: None,
        company: Some(None),
        role: Some(Some("x".into())),
        phones: None,
        emails: None,
        note: None,
    };
    let json = serde_json::to_string(&change).unwrap();
    assert_eq!(
        serde_json::from_str::<ContactCommand>(&json).unwrap(),
        change
    );
}

#[test]
fn what_else_is_known_of_a_person_comes_to_what_is_there() {
    let more = || Card {
        name: "Olena Koval".into(),
        company: None,
        role: Some("CEO".into()),
        phones: vec![phone("+380671112233"), phone("+380501234567")],
        ..Card::default()
    };
    let merge = |overwrite| ContactCommand::Merge {
        card: more(),
        overwrite,
    };
    let changed = |field, from: Option<&str>, to: &str| ContactEvent::FieldChanged {
        field,
        from: from.map(Into::into),
        to: Some(to.into()),
    };
    let role = changed(ContactField::Role, None, "CEO");
    let added = ContactEvent::PhoneAdded {
        phone: phone("+380671112233"),
    };
    contact()
        .given(vec![created(olena())])
        .when(merge(false))
        .then_expect_events(vec![role.clone(), added.clone()]);
    let name = changed(ContactField::Name, Some("Olena"), "Olena Koval");
    contact()
        .given(vec![created(olena())])
        .when(merge(true))
        .then_expect_events(vec![name.clone(), role.clone(), added.clone()]);
    contact()
        .given(vec![created(olena()), name, role, added])
        .when(merge(true))
        .then_expect_events(vec![]);
    contact()
        .given_no_previous_events()
        .when(merge(true))
        .then_expect_error(ContactError::NotFound);
}
