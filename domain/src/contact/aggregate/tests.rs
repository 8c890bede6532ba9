use cqrs_es::Aggregate as _;
use cqrs_es::test::TestFramework;

use super::decide::Address;
use super::{
    Card, Contact, ContactCommand, ContactError, ContactEvent, ContactField, MAX_ADDRESSES,
    MAX_TEXT,
};
use crate::contact::address::{Email, Phone};
use crate::contact::link::{Link, MAX_LINKS};
use crate::event::Decide as _;
use crate::tags::Tags;
use crate::text::BadText;
use crate::undo::Reverse as _;
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
        ..
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
        tags: None,
        links: None,
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
        tags: None,
        links: None,
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
        tags: None,
        links: None,
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
        tags: None,
        links: None,
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

fn linked(label: &str) -> Link {
    Link::try_new(Some(label), "https://example.com/olena").unwrap()
}

#[test]
fn tags_and_links_come_with_a_contact_and_are_replaced_or_completed() {
    let card = Card {
        tags: Tags::of(&["VIP"]).unwrap(),
        links: vec![linked("blog"), linked("blog")],
        ..olena()
    };
    let Link { label, url } = linked("blog");
    let come = [
        created(olena()),
        ContactEvent::TagAdded { tag: "vip".into() },
        ContactEvent::LinkAdded { label, url },
    ];
    contact()
        .given_no_previous_events()
        .when(ContactCommand::Create(card))
        .then_expect_events(come.to_vec());
    let tags = Tags::of(&["spring"]).unwrap();
    let added = ContactEvent::TagAdded {
        tag: "spring".into(),
    };
    let more = Card {
        name: "Olena".into(),
        tags: tags.clone(),
        links: vec![linked("blog")],
        ..Card::default()
    };
    contact()
        .given(come.to_vec())
        .when(ContactCommand::Merge {
            card: more,
            overwrite: true,
        })
        .then_expect_events(vec![added.clone()]);
    let replaced = ContactCommand::Change {
        name: None,
        company: None,
        role: None,
        phones: None,
        emails: None,
        note: None,
        tags: Some(tags),
        links: Some(vec![linked("site")]),
    };
    let with = |label: &str| (linked(label).label, linked(label).url);
    let ((old, url), (new, same)) = (with("blog"), with("site"));
    contact()
        .given(come.to_vec())
        .when(replaced)
        .then_expect_events(vec![
            ContactEvent::TagRemoved { tag: "vip".into() },
            added,
            ContactEvent::LinkRemoved { label: old, url },
            ContactEvent::LinkAdded {
                label: new,
                url: same,
            },
        ]);
}

#[test]
fn there_is_an_end_of_links() {
    let links = (0..=MAX_LINKS).map(|number| linked(&number.to_string()));
    let card = Card {
        links: links.collect(),
        ..olena()
    };
    contact()
        .given_no_previous_events()
        .when(ContactCommand::Create(card))
        .then_expect_error(ContactError::TooManyLinks);
}

#[test]
fn notes_are_numbered_and_a_withdrawn_one_leaves_its_number() {
    let note = |number, text: &str| ContactEvent::Noted {
        number,
        text: text.into(),
    };
    let ask = |text: &str| ContactCommand::Note { text: text.into() };
    contact()
        .given(vec![created(olena()), note(1, "one")])
        .when(ask(" Likes\r\nblue "))
        .then_expect_events(vec![note(2, "Likes\nblue")]);
    let back = vec![
        created(olena()),
        note(1, "one"),
        note(2, "two"),
        note(1, "one"),
    ];
    contact()
        .given(back)
        .when(ask("three"))
        .then_expect_events(vec![note(3, "three")]);
    contact()
        .given(vec![created(olena())])
        .when(ask(" "))
        .then_expect_error(ContactError::BadNote {
            bad: BadText::Empty,
        });
}

#[test]
fn the_label_of_a_link_is_taken_back_with_its_link() {
    let (old, new) = (linked("blog"), linked("site"));
    let mut shown = Contact::default();
    let both = |gone: Link, come: Link| {
        [
            ContactEvent::LinkRemoved {
                label: gone.label,
                url: gone.url,
            },
            ContactEvent::LinkAdded {
                label: come.label,
                url: come.url,
            },
        ]
    };
    let card = Card {
        links: vec![old.clone()],
        ..olena()
    };
    for event in shown.decide(ContactCommand::Create(card)).unwrap() {
        shown.apply(event);
    }
    let before = shown.clone();
    let change = both(old.clone(), new);
    for event in &change {
        shown.apply(event.clone());
    }
    for event in &change {
        let reversed = shown.reverse(&before, event).unwrap();
        shown.apply(reversed);
    }
    assert_eq!(shown, before);
}
