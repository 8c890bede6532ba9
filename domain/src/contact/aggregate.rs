//! What a contact decides, how facts change it, and why it refuses.

use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};

use super::address::{Email, Phone};
use super::command::{Card, ContactCommand};
use super::event::{ContactEvent, ContactField};
use crate::event::{Decide, decided};
use crate::id::{ContactId, Keyed};
use crate::text::{self, BadText};
use crate::unique::UniqueKind;

/// The longest text that a field takes, in characters.
pub const MAX_TEXT: usize = 500;
/// The longest note, in characters.
pub const MAX_NOTE: usize = 10_000;
/// The most phones, and the most emails, that one contact has.
pub const MAX_ADDRESSES: usize = 20;

/// A contact as its events made it; the default one was never created.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// What is known, since it was created.
    pub card: Option<Card>,
    /// Whether it was removed.
    pub removed: bool,
    /// Whether the person was forgotten.
    pub erased: bool,
}

/// Why a contact refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ContactError {
    /// There is no such contact, or no longer.
    #[error("This contact does not exist")]
    NotFound,
    /// It changed while its undo was prepared.
    #[error("This contact changed just now; try again")]
    MovedOn,
    /// It was created before.
    #[error("This contact was created before")]
    AlreadyCreated,
    /// A text cannot be taken.
    #[error("{field} {bad}")]
    BadText {
        /// Which field.
        field: ContactField,
        /// What is wrong with it.
        bad: BadText,
    },
    /// Too many phones or emails.
    #[error("a contact has at most {MAX_ADDRESSES} {kind}s")]
    TooMany {
        /// Which of both.
        kind: UniqueKind,
    },
}

impl Contact {
    /// The card of a contact that exists and was not removed.
    #[must_use]
    pub fn present(&self) -> Option<&Card> {
        self.card.as_ref().filter(|_| !self.removed)
    }
}

impl Decide for Contact {
    fn decide(&self, command: ContactCommand) -> Result<Vec<ContactEvent>, ContactError> {
        match (&self.card, command) {
            (None, ContactCommand::Create(card)) => create(card),
            (Some(_), ContactCommand::Create(_)) => Err(ContactError::AlreadyCreated),
            (Some(_), ContactCommand::Erase) if self.erased => Ok(vec![]),
            (Some(_), ContactCommand::Erase) => Ok(vec![ContactEvent::Erased {}]),
            (Some(_), ContactCommand::Compensate { seen, events }) if *seen == *self => Ok(events),
            (Some(_), ContactCommand::Compensate { .. }) => Err(ContactError::MovedOn),
            (Some(_), ContactCommand::Remove) if self.removed => Ok(vec![]),
            (Some(_), ContactCommand::Remove) => Ok(vec![ContactEvent::Removed {}]),
            (_, ContactCommand::Lapse) => Ok(vec![ContactEvent::ReservationLapsed {}]),
            (Some(card), command) if !self.removed => card.changed(command),
            (None | Some(_), _) => Err(ContactError::NotFound),
        }
    }
}

fn create(card: Card) -> Result<Vec<ContactEvent>, ContactError> {
    let name = checked(ContactField::Name, Some(&card.name))?;
    Ok(vec![ContactEvent::Created {
        name: name.unwrap_or_default(),
        company: checked(ContactField::Company, card.company.as_deref())?,
        role: checked(ContactField::Role, card.role.as_deref())?,
        phones: distinct(card.phones, UniqueKind::Phone)?,
        emails: distinct(card.emails, UniqueKind::Email)?,
        note: checked(ContactField::Note, card.note.as_deref())?,
    }])
}

/// The text in its one form, `None` when nothing is left.
fn checked(field: ContactField, text: Option<&str>) -> Result<Option<String>, ContactError> {
    let checked = match (text, field) {
        (None, ContactField::Name) => Err(BadText::Empty),
        (None, ContactField::Company | ContactField::Role | ContactField::Note) => Ok(None),
        (Some(text), ContactField::Name) => text::required_line(text, MAX_TEXT).map(Some),
        (Some(text), ContactField::Company | ContactField::Role) => text::line(text, MAX_TEXT),
        (Some(text), ContactField::Note) => text::prose(text, MAX_NOTE),
    };
    checked.map_err(|bad| ContactError::BadText { field, bad })
}

/// Each value once; stops counting where there are too many, however many follow.
fn distinct<T: PartialEq>(values: Vec<T>, kind: UniqueKind) -> Result<Vec<T>, ContactError> {
    let mut kept: Vec<T> = Vec::new();
    for value in values {
        if kept.contains(&value) {
            continue;
        }
        if kept.len() == MAX_ADDRESSES {
            return Err(ContactError::TooMany { kind });
        }
        kept.push(value);
    }
    Ok(kept)
}

/// Whether a list takes one more value, or has it already.
fn is_new<T: PartialEq>(list: &[T], value: &T, kind: UniqueKind) -> Result<bool, ContactError> {
    match list.contains(value) {
        true => Ok(false),
        false if list.len() >= MAX_ADDRESSES => Err(ContactError::TooMany { kind }),
        false => Ok(true),
    }
}

impl Card {
    /// What a text field holds.
    #[must_use]
    pub fn get(&self, field: ContactField) -> Option<&String> {
        match field {
            ContactField::Name => Some(&self.name),
            ContactField::Company => self.company.as_ref(),
            ContactField::Role => self.role.as_ref(),
            ContactField::Note => self.note.as_ref(),
        }
    }

    /// What a change of a contact that is shown comes to.
    fn changed(&self, command: ContactCommand) -> Result<Vec<ContactEvent>, ContactError> {
        match command {
            ContactCommand::Change {
                name,
                company,
                role,
                phones,
                emails,
                note,
            } => {
                let texts = [
                    (ContactField::Name, name.map(Some)),
                    (ContactField::Company, company),
                    (ContactField::Role, role),
                    (ContactField::Note, note),
                ];
                let mut events = Vec::new();
                for (field, to) in texts {
                    let Some(to) = to else { continue };
                    events.extend(self.set(field, to.as_deref())?);
                }
                if let Some(phones) = phones {
                    events.extend(self.replace_phones(phones)?);
                }
                if let Some(emails) = emails {
                    events.extend(self.replace_emails(emails)?);
                }
                Ok(events)
            }
            ContactCommand::AddPhone { phone } => {
                let is_new = is_new(&self.phones, &phone, UniqueKind::Phone)?;
                Ok(is_new
                    .then_some(ContactEvent::PhoneAdded { phone })
                    .into_iter()
                    .collect())
            }
            ContactCommand::AddEmail { email } => {
                let is_new = is_new(&self.emails, &email, UniqueKind::Email)?;
                Ok(is_new
                    .then_some(ContactEvent::EmailAdded { email })
                    .into_iter()
                    .collect())
            }
            ContactCommand::RemovePhone { phone } => {
                let is_there = self.phones.contains(&phone);
                Ok(is_there
                    .then_some(ContactEvent::PhoneRemoved { phone })
                    .into_iter()
                    .collect())
            }
            ContactCommand::RemoveEmail { email } => {
                let is_there = self.emails.contains(&email);
                Ok(is_there
                    .then_some(ContactEvent::EmailRemoved { email })
                    .into_iter()
                    .collect())
            }
            ContactCommand::Create(_)
            | ContactCommand::Remove
            | ContactCommand::Erase
            | ContactCommand::Lapse
            | ContactCommand::Compensate { .. } => Err(ContactError::NotFound),
        }
    }

    fn set(
        &self,
        field: ContactField,
        to: Option<&str>,
    ) -> Result<Option<ContactEvent>, ContactError> {
        let to = checked(field, to)?;
        let from = self.get(field).cloned();
        Ok((from != to).then_some(ContactEvent::FieldChanged { field, from, to }))
    }

    fn replace_phones(&self, phones: Vec<Phone>) -> Result<Vec<ContactEvent>, ContactError> {
        let (gone, new) = difference(&self.phones, distinct(phones, UniqueKind::Phone)?);
        let gone = gone
            .into_iter()
            .map(|phone| ContactEvent::PhoneRemoved { phone });
        Ok(gone
            .chain(
                new.into_iter()
                    .map(|phone| ContactEvent::PhoneAdded { phone }),
            )
            .collect())
    }

    fn replace_emails(&self, emails: Vec<Email>) -> Result<Vec<ContactEvent>, ContactError> {
        let (gone, new) = difference(&self.emails, distinct(emails, UniqueKind::Email)?);
        let gone = gone
            .into_iter()
            .map(|email| ContactEvent::EmailRemoved { email });
        Ok(gone
            .chain(
                new.into_iter()
                    .map(|email| ContactEvent::EmailAdded { email }),
            )
            .collect())
    }

    fn put(&mut self, field: ContactField, to: Option<String>) {
        match field {
            ContactField::Name => self.name = to.unwrap_or_default(),
            ContactField::Company => self.company = to,
            ContactField::Role => self.role = to,
            ContactField::Note => self.note = to,
        }
    }
}

/// What is in the old list only, and what is in the new list only.
fn difference<T: PartialEq + Clone>(old: &[T], new: Vec<T>) -> (Vec<T>, Vec<T>) {
    let gone = old
        .iter()
        .filter(|value| !new.contains(value))
        .cloned()
        .collect();
    (
        gone,
        new.into_iter()
            .filter(|value| !old.contains(value))
            .collect(),
    )
}

impl Aggregate for Contact {
    const TYPE: &'static str = "contact";
    type Command = ContactCommand;
    type Event = ContactEvent;
    type Error = ContactError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: ContactEvent) {
        if let ContactEvent::Created {
            name,
            company,
            role,
            phones,
            emails,
            note,
        } = event
        {
            self.card = Some(Card {
                name,
                company,
                role,
                phones,
                emails,
                note,
            });
            return;
        }
        let Some(card) = &mut self.card else { return };
        match event {
            ContactEvent::Created { .. } | ContactEvent::ReservationLapsed {} => {}
            ContactEvent::FieldChanged { field, to, .. } => card.put(field, to),
            ContactEvent::PhoneAdded { phone } => card.phones.push(phone),
            ContactEvent::PhoneRemoved { phone } => card.phones.retain(|kept| *kept != phone),
            ContactEvent::EmailAdded { email } => card.emails.push(email),
            ContactEvent::EmailRemoved { email } => card.emails.retain(|kept| *kept != email),
            ContactEvent::Removed {} => self.removed = true,
            ContactEvent::Restored {} => self.removed = false,
            ContactEvent::Erased {} => {
                *card = Card::default();
                (self.removed, self.erased) = (true, true);
            }
        }
    }
}

mod undo;

impl Keyed for Contact {
    type Id = ContactId;
}

#[cfg(test)]
mod tests {
    use cqrs_es::Aggregate as _;
    use cqrs_es::test::TestFramework;

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

    fn olena() -> Card {
        Card {
            name: "Olena".into(),
            company: Some("Dnipro Fitness".into()),
            phones: vec![phone("+380501234567")],
            emails: vec![Email::try_new("olena@example.com").unwrap()],
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

    #[test]
    fn one_phone_comes_and_goes_and_the_others_stay() {
        let (old, new) = (phone("+380501234567"), phone("+380507654321"));
        let add = |phone: &Phone| ContactCommand::AddPhone {
            phone: phone.clone(),
        };
        let remove = |phone: &Phone| ContactCommand::RemovePhone {
            phone: phone.clone(),
        };
        let added = ContactEvent::PhoneAdded { phone: new.clone() };
        let removed = ContactEvent::PhoneRemoved { phone: old.clone() };
        for (command, then) in [
            (add(&new), vec![added]),
            (add(&old), vec![]),
            (remove(&old), vec![removed]),
            (remove(&new), vec![]),
        ] {
            contact()
                .given(vec![created(olena())])
                .when(command)
                .then_expect_events(then);
        }
    }

    #[test]
    fn one_email_comes_and_goes_and_the_others_stay() {
        let email = |text: &str| Email::try_new(text).unwrap();
        let (old, new) = (email("olena@example.com"), email("o@example.com"));
        let add = |email: &Email| ContactCommand::AddEmail {
            email: email.clone(),
        };
        let remove = |email: &Email| ContactCommand::RemoveEmail {
            email: email.clone(),
        };
        let added = ContactEvent::EmailAdded { email: new.clone() };
        let removed = ContactEvent::EmailRemoved { email: old.clone() };
        for (command, then) in [
            (add(&new), vec![added]),
            (add(&old), vec![]),
            (remove(&old), vec![removed]),
            (remove(&new), vec![]),
        ] {
            contact()
                .given(vec![created(olena())])
                .when(command)
                .then_expect_events(then);
        }
    }

    #[test]
    fn there_is_an_end_of_phones() {
        let phones = |count: usize| (0..count).map(|n| phone(&format!("+3805012345{n:02}")));
        let full = Card {
            phones: phones(MAX_ADDRESSES).collect(),
            ..olena()
        };
        let too_many = ContactError::TooMany {
            kind: UniqueKind::Phone,
        };
        contact()
            .given(vec![created(full)])
            .when(ContactCommand::AddPhone {
                phone: phone("+380507654321"),
            })
            .then_expect_error(too_many.clone());
        contact()
            .given_no_previous_events()
            .when(ContactCommand::Create(Card {
                phones: phones(MAX_ADDRESSES + 1).collect(),
                ..olena()
            }))
            .then_expect_error(too_many);
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
}
