//! What a contact decides.

use super::{Contact, ContactError, MAX_ADDRESSES, MAX_NOTE, MAX_TEXT};
use crate::contact::address::{Email, Phone};
use crate::contact::command::{Card, ContactCommand};
use crate::contact::event::{ContactEvent, ContactField};
use crate::contact::link::{self, Link};
use crate::event::Decide;
use crate::tags::Tags;
use crate::text::{self, BadText};
use crate::unique::UniqueKind;

impl Decide for Contact {
    const STATE: u32 = 2;

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
    let created = ContactEvent::Created {
        name: name.unwrap_or_default(),
        company: checked(ContactField::Company, card.company.as_deref())?,
        role: checked(ContactField::Role, card.role.as_deref())?,
        phones: distinct(card.phones)?,
        emails: distinct(card.emails)?,
        note: checked(ContactField::Note, card.note.as_deref())?,
    };
    let nothing = Card::default();
    let tagged = nothing.retag(&card.tags);
    let linked = nothing.relink(card.links)?;
    Ok(std::iter::once(created)
        .chain(tagged)
        .chain(linked)
        .collect())
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

impl Card {
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
                tags,
                links,
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
                    events.extend(replace(&self.phones, phones)?);
                }
                if let Some(emails) = emails {
                    events.extend(replace(&self.emails, emails)?);
                }
                events.extend(tags.iter().flat_map(|tags| self.retag(tags)));
                if let Some(links) = links {
                    events.extend(self.relink(links)?);
                }
                Ok(events)
            }
            ContactCommand::Merge { card, overwrite } => self.merged(card, overwrite),
            ContactCommand::AddPhone { phone } => add(&self.phones, phone),
            ContactCommand::AddEmail { email } => add(&self.emails, email),
            ContactCommand::RemovePhone { phone } => Ok(remove(&self.phones, phone)),
            ContactCommand::RemoveEmail { email } => Ok(remove(&self.emails, email)),
            ContactCommand::AddTag { tag } => {
                let tags = self.tags.with(&tag);
                Ok(self.retag(&tags.map_err(|bad| ContactError::bad_tags("tag", bad))?))
            }
            ContactCommand::RemoveTag { tag } => {
                let tags = self.tags.without(&tag);
                Ok(self.retag(&tags.map_err(|bad| ContactError::bad_tags("tag", bad.into()))?))
            }
            ContactCommand::Note { text } => Ok(vec![self.noted(&text)?]),
            ContactCommand::Create(_)
            | ContactCommand::Remove
            | ContactCommand::Erase
            | ContactCommand::Lapse
            | ContactCommand::Compensate { .. } => Err(ContactError::NotFound),
        }
    }

    fn merged(&self, given: Card, overwrite: bool) -> Result<Vec<ContactEvent>, ContactError> {
        let texts = [
            (ContactField::Name, Some(given.name)),
            (ContactField::Company, given.company),
            (ContactField::Role, given.role),
            (ContactField::Note, given.note),
        ];
        let mut events = Vec::new();
        for (field, text) in texts {
            // What is no good is refused also where it would not be used.
            let text = text.map(|text| checked(field, Some(&text))).transpose()?;
            let Some(text) = text.flatten() else { continue };
            if overwrite || self.get(field).is_none() {
                events.extend(self.set(field, Some(&text))?);
            }
        }
        let phones = self.phones.iter().cloned().chain(given.phones);
        events.extend(replace(&self.phones, phones.collect())?);
        let emails = self.emails.iter().cloned().chain(given.emails);
        events.extend(replace(&self.emails, emails.collect())?);
        let tags = self.tags.and(&given.tags);
        events.extend(self.retag(&tags.map_err(|bad| ContactError::bad_tags("tags", bad))?));
        let links = self.links.iter().cloned().chain(given.links);
        events.extend(self.relink(links.collect())?);
        Ok(events)
    }

    fn retag(&self, tags: &Tags) -> Vec<ContactEvent> {
        let gone = |tag| ContactEvent::TagRemoved { tag };
        let come = |tag| ContactEvent::TagAdded { tag };
        self.tags.changes_to(tags, gone, come)
    }

    /// What is in the old list only goes, then what is in the new one only comes.
    fn relink(&self, links: Vec<Link>) -> Result<Vec<ContactEvent>, ContactError> {
        let links = link::distinct(links).ok_or(ContactError::TooManyLinks)?;
        let gone = self.links.iter().filter(|link| !links.contains(link));
        let gone = gone
            .cloned()
            .map(|Link { label, url }| ContactEvent::LinkRemoved { label, url });
        let mut events: Vec<_> = gone.collect();
        let come = links.into_iter().filter(|link| !self.links.contains(link));
        events.extend(come.map(|Link { label, url }| ContactEvent::LinkAdded { label, url }));
        Ok(events)
    }

    fn noted(&self, text: &str) -> Result<ContactEvent, ContactError> {
        let text = text::required_prose(text, MAX_NOTE);
        Ok(ContactEvent::Noted {
            number: self.notes + 1,
            text: text.map_err(|bad| ContactError::BadNote { bad })?,
        })
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
}

/// What a contact has a list of, and which events put it there and take it away.
pub(super) trait Address: Clone + PartialEq {
    /// What it is called.
    const KIND: UniqueKind;

    /// It is in the list now.
    fn added(self) -> ContactEvent;

    /// It is in the list no more.
    fn removed(self) -> ContactEvent;
}

impl Address for Phone {
    const KIND: UniqueKind = UniqueKind::Phone;

    fn added(self) -> ContactEvent {
        ContactEvent::PhoneAdded { phone: self }
    }

    fn removed(self) -> ContactEvent {
        ContactEvent::PhoneRemoved { phone: self }
    }
}

impl Address for Email {
    const KIND: UniqueKind = UniqueKind::Email;

    fn added(self) -> ContactEvent {
        ContactEvent::EmailAdded { email: self }
    }

    fn removed(self) -> ContactEvent {
        ContactEvent::EmailRemoved { email: self }
    }
}

/// Each value once; stops counting where there are too many, however many follow.
fn distinct<T: Address>(values: Vec<T>) -> Result<Vec<T>, ContactError> {
    let mut kept: Vec<T> = Vec::new();
    for value in values {
        if kept.contains(&value) {
            continue;
        }
        if kept.len() == MAX_ADDRESSES {
            return Err(ContactError::TooMany { kind: T::KIND });
        }
        kept.push(value);
    }
    Ok(kept)
}

fn add<T: Address>(list: &[T], value: T) -> Result<Vec<ContactEvent>, ContactError> {
    match list.contains(&value) {
        true => Ok(vec![]),
        false if list.len() >= MAX_ADDRESSES => Err(ContactError::TooMany { kind: T::KIND }),
        false => Ok(vec![value.added()]),
    }
}

fn remove<T: Address>(list: &[T], value: T) -> Vec<ContactEvent> {
    let is_there = list.contains(&value);
    is_there.then(|| value.removed()).into_iter().collect()
}

/// What is in the old list only goes, then what is in the new one only comes.
fn replace<T: Address>(old: &[T], new: Vec<T>) -> Result<Vec<ContactEvent>, ContactError> {
    let new = distinct(new)?;
    let gone = old.iter().filter(|value| !new.contains(value)).cloned();
    let mut events: Vec<_> = gone.map(T::removed).collect();
    let come = new.into_iter().filter(|value| !old.contains(value));
    events.extend(come.map(T::added));
    Ok(events)
}
