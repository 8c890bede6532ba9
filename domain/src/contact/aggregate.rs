//! What a contact decides, how facts change it, and why it refuses.

use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};

use super::address::{Email, Phone};
use super::command::{Card, ContactCommand};
use super::event::{ContactEvent, ContactField};
use crate::event::{Decide, decided};
use crate::id::{ContactId, Keyed};

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
    /// Nobody is called nothing.
    #[error("name must not be empty")]
    NoName,
    /// A text is too long.
    #[error("{field} must have at most {most} characters")]
    TooLong {
        /// Which field.
        field: ContactField,
        /// How many it takes.
        most: usize,
    },
    /// Too many phones or emails.
    #[error("a contact has at most {MAX_ADDRESSES} phones and as many emails")]
    TooMany,
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
            (
                Some(card),
                ContactCommand::Change {
                    name,
                    company,
                    role,
                    phones,
                    emails,
                    note,
                },
            ) if !self.removed => {
                let texts = [
                    (ContactField::Name, name.map(Some)),
                    (ContactField::Company, company),
                    (ContactField::Role, role),
                    (ContactField::Note, note),
                ];
                let mut events = Vec::new();
                for (field, to) in texts {
                    events.extend(to.map(|to| card.set(field, to)).transpose()?.flatten());
                }
                events.extend(
                    phones
                        .map(|phones| card.replace_phones(phones))
                        .transpose()?
                        .into_iter()
                        .flatten(),
                );
                events.extend(
                    emails
                        .map(|emails| card.replace_emails(emails))
                        .transpose()?
                        .into_iter()
                        .flatten(),
                );
                Ok(events)
            }
            (
                _,
                ContactCommand::Change { .. }
                | ContactCommand::Remove
                | ContactCommand::Erase
                | ContactCommand::Compensate { .. },
            ) => Err(ContactError::NotFound),
        }
    }
}

fn create(card: Card) -> Result<Vec<ContactEvent>, ContactError> {
    let name = checked(ContactField::Name, Some(card.name))?.ok_or(ContactError::NoName)?;
    Ok(vec![ContactEvent::Created {
        name,
        company: checked(ContactField::Company, card.company)?,
        role: checked(ContactField::Role, card.role)?,
        phones: distinct(card.phones)?,
        emails: distinct(card.emails)?,
        note: checked(ContactField::Note, card.note)?,
    }])
}

/// The text trimmed, `None` when nothing is left, refused when too long.
fn checked(field: ContactField, text: Option<String>) -> Result<Option<String>, ContactError> {
    let most = match field {
        ContactField::Note => MAX_NOTE,
        ContactField::Name | ContactField::Company | ContactField::Role => MAX_TEXT,
    };
    let text = text
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    match &text {
        Some(text) if text.chars().count() > most => Err(ContactError::TooLong { field, most }),
        _ => Ok(text),
    }
}

fn distinct<T: PartialEq>(values: Vec<T>) -> Result<Vec<T>, ContactError> {
    let mut kept: Vec<T> = Vec::with_capacity(values.len());
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    if kept.len() > MAX_ADDRESSES {
        Err(ContactError::TooMany)
    } else {
        Ok(kept)
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

    fn set(
        &self,
        field: ContactField,
        to: Option<String>,
    ) -> Result<Option<ContactEvent>, ContactError> {
        let to = checked(field, to)?;
        if field == ContactField::Name && to.is_none() {
            return Err(ContactError::NoName);
        }
        let from = self.get(field).cloned();
        Ok((from != to).then_some(ContactEvent::FieldChanged { field, from, to }))
    }

    fn replace_phones(&self, phones: Vec<Phone>) -> Result<Vec<ContactEvent>, ContactError> {
        let (gone, new) = difference(&self.phones, distinct(phones)?);
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
        let (gone, new) = difference(&self.emails, distinct(emails)?);
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
            ContactEvent::Created { .. } => {}
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
        Card, Contact, ContactCommand, ContactError, ContactEvent, ContactField, MAX_TEXT,
    };
    use crate::contact::address::{Email, Phone};
    use crate::event::Decide as _;

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
            .then_expect_error(ContactError::NoName);
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
            .then_expect_error(ContactError::NoName);
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
            .then_expect_error(ContactError::TooLong {
                field: ContactField::Name,
                most: MAX_TEXT,
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
