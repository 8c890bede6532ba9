//! The contact that has a phone or an email, or a new one: people are found by what nobody else has.

use std::collections::BTreeSet;
use std::sync::Arc;

use cqrs_es::AggregateError;
use domain::contact::aggregate::{Contact, ContactError};
use domain::contact::command::{Card, ContactCommand};
use domain::id::ContactId;
use journal::store::Loaded;

use super::holdings::Value;
use super::{Contacts, ContactsError, TRIES, planned};
use crate::origin::Origin;

/// A contact, and how it came to be that of a request.
#[derive(Debug)]
pub struct Found {
    /// Its number.
    pub id: ContactId,
    /// As it is now.
    pub contact: Arc<Loaded<Contact>>,
    /// Whether it was made for this request.
    pub is_new: bool,
}

impl Contacts {
    /// Finds the contact that has one of these phones or emails, and takes over what else the card says;
    /// makes one where nobody has any. `overwrite`: whether texts that are known already are replaced.
    pub async fn find_or_create(
        &self,
        card: &Card,
        overwrite: bool,
        origin: &Origin,
    ) -> Result<Found, ContactsError> {
        let create = ContactCommand::Create(card.clone());
        let (_, wanted) = planned(&Contact::default(), &create)?;
        for _ in 0..TRIES {
            let found = match self.owner(&wanted, origin).await? {
                Some(id) => self.merge(id, card.clone(), overwrite, origin).await,
                None => self.make(card.clone(), origin).await,
            };
            match found {
                // It was removed, or made by another request, between the two.
                Err(
                    ContactsError::Taken { .. }
                    | ContactsError::Contact(AggregateError::UserError(ContactError::NotFound)),
                ) => {}
                outcome => return outcome,
            }
        }
        Err(AggregateError::AggregateConflict.into())
    }

    async fn merge(
        &self,
        id: ContactId,
        card: Card,
        overwrite: bool,
        origin: &Origin,
    ) -> Result<Found, ContactsError> {
        let merge = ContactCommand::Merge { card, overwrite };
        let contact = self.change(id, merge, &origin.step("merge")).await?;
        Ok(Found {
            id,
            contact,
            is_new: false,
        })
    }

    async fn make(&self, card: Card, origin: &Origin) -> Result<Found, ContactsError> {
        let (id, contact) = self.create(card, &origin.step("create")).await?;
        Ok(Found {
            id,
            contact,
            is_new: true,
        })
    }

    /// The one who shows any of these values.
    async fn owner(
        &self,
        values: &[Value],
        origin: &Origin,
    ) -> Result<Option<ContactId>, ContactsError> {
        let mut owners = BTreeSet::new();
        for value in values {
            match self
                .holdings
                .look(None, std::slice::from_ref(value), origin)
                .await
            {
                Ok(()) => {}
                Err(ContactsError::Taken { owner, .. }) => drop(owners.insert(owner)),
                Err(error) => return Err(error),
            }
        }
        match owners.len() {
            0 | 1 => Ok(owners.pop_first()),
            _ => Err(ContactsError::Several {
                owners: owners.into_iter().collect(),
            }),
        }
    }
}
