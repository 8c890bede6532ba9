//! Contacts and the reservations that keep a phone or an email with one of them.
//!
//! A value is reserved before the contact has it and freed after it has lost it, so a crash in
//! between leaves a reservation that nobody uses. Whoever wants the value then looks whether
//! its owner has it, and takes it over once the owner had time enough to finish.

use std::sync::Arc;

use cqrs_es::{Aggregate as _, AggregateError};
use domain::contact::address::{Email, Phone};
use domain::contact::aggregate::{Contact, ContactError};
use domain::contact::command::{Card, ContactCommand};
use domain::contact::event::ContactEvent;
use domain::id::{ContactId, NumberKind};
use domain::unique::{Reservations, SHARDS, ShardId, UniqueCommand, UniqueError, UniqueKind};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use journal::store::Loaded;
use journal::vault::Subject;
use sha2::Sha256;

use crate::desk::Desk;
use crate::numbers::Allocator;
use crate::origin::Origin;

/// No request lives this long: what it reserved and did not use is free after it.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Creates, changes and removes contacts. Cheap to clone.
#[derive(Clone)]
pub struct Contacts {
    desk: Desk,
    numbers: Allocator,
    secret: Arc<[u8]>,
}

/// Why a contact is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ContactsError {
    /// The contact refuses, or the log does.
    #[error(transparent)]
    Contact(#[from] AggregateError<ContactError>),
    /// Another contact has the phone or the email.
    #[error("contact {owner} has this {kind}")]
    Taken {
        /// Which kind of value.
        kind: UniqueKind,
        /// Who has it.
        owner: ContactId,
    },
    /// Another request is about to use the phone or the email.
    #[error("another request is using this {kind}; try again in a minute")]
    Busy {
        /// Which kind of value.
        kind: UniqueKind,
    },
    /// A contact that is referred to is not there.
    #[error("there is no contact {id}; POST /api/v1/contacts makes one")]
    Unknown {
        /// Which.
        id: ContactId,
    },
    /// The log does not answer.
    #[error("{0}")]
    Failed(AggregateError<std::convert::Infallible>),
}

/// A value that one contact may have.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Phone(Phone),
    Email(Email),
}

impl Value {
    const fn kind(&self) -> UniqueKind {
        match self {
            Self::Phone(_) => UniqueKind::Phone,
            Self::Email(_) => UniqueKind::Email,
        }
    }

    fn folded(&self) -> String {
        match self {
            Self::Phone(phone) => phone.to_string(),
            Self::Email(email) => email.folded(),
        }
    }
}

fn values(card: &Card) -> Vec<Value> {
    let phones = card.phones.iter().cloned().map(Value::Phone);
    phones
        .chain(card.emails.iter().cloned().map(Value::Email))
        .collect()
}

/// What comes back with an undo, and has to be free for it.
fn wanted_again(events: &[ContactEvent], seen: &Contact) -> Vec<Value> {
    let again = |event: &ContactEvent| match event {
        ContactEvent::PhoneAdded { phone } => vec![Value::Phone(phone.clone())],
        ContactEvent::EmailAdded { email } => vec![Value::Email(email.clone())],
        ContactEvent::Restored {} => seen.card.as_ref().map(values).unwrap_or_default(),
        ContactEvent::Created { .. }
        | ContactEvent::FieldChanged { .. }
        | ContactEvent::PhoneRemoved { .. }
        | ContactEvent::EmailRemoved { .. }
        | ContactEvent::Removed {}
        | ContactEvent::Erased {} => Vec::new(),
    };
    events.iter().flat_map(again).collect()
}

impl Contacts {
    /// Contacts whose phones and emails are known to the reservations by HMAC with this secret.
    #[must_use]
    pub fn new(desk: Desk, numbers: Allocator, secret: &[u8]) -> Self {
        Self {
            desk,
            numbers,
            secret: secret.into(),
        }
    }

    /// Creates a contact.
    pub async fn create(
        &self,
        card: Card,
        origin: &Origin,
    ) -> Result<(ContactId, Arc<Loaded<Contact>>), ContactsError> {
        let number = self
            .numbers
            .next(NumberKind::Contact, origin)
            .await
            .map_err(without_refusal)?;
        let id = ContactId(number);
        let wanted = values(&card);
        self.reserve(id, &wanted, origin).await?;
        let outcome = self
            .desk
            .open::<Contact>(id, ContactCommand::Create(card), origin)
            .await;
        self.settle(id, &wanted, outcome, origin)
            .await
            .map(|contact| (id, contact))
    }

    /// Changes a contact.
    pub async fn change(
        &self,
        id: ContactId,
        command: ContactCommand,
        origin: &Origin,
    ) -> Result<Arc<Loaded<Contact>>, ContactsError> {
        let before = self.card(id, origin).await?;
        let had = before.state.present().map(values).unwrap_or_default();
        let wanted: Vec<Value> = match &command {
            ContactCommand::Change { phones, emails, .. } => {
                let phones = phones.iter().flatten().cloned().map(Value::Phone);
                let emails = emails.iter().flatten().cloned().map(Value::Email);
                phones
                    .chain(emails)
                    .filter(|value| !had.contains(value))
                    .collect()
            }
            ContactCommand::Compensate { events, seen } => wanted_again(events, seen),
            ContactCommand::Create(_) | ContactCommand::Remove | ContactCommand::Erase => {
                Vec::new()
            }
        };
        let restores = matches!(command, ContactCommand::Compensate { .. });
        if restores || before.state.present().is_some() {
            self.reserve(id, &wanted, origin).await?;
        }
        let outcome = self.desk.send::<Contact>(id, command, origin).await;
        let after = self.settle(id, &wanted, outcome, origin).await?;
        let has = after.state.present().map(values).unwrap_or_default();
        let gone: Vec<Value> = had
            .into_iter()
            .filter(|value| !has.contains(value))
            .collect();
        self.release(id, &gone, origin).await;
        Ok(after)
    }

    /// Forgets a person for ever: an event, then the key of everything that was said of them.
    /// Doing it again finishes what a crash left undone.
    pub async fn erase(
        &self,
        id: ContactId,
        origin: &Origin,
    ) -> Result<Arc<Loaded<Contact>>, ContactsError> {
        let erased = self.change(id, ContactCommand::Erase, origin).await?;
        let subject = Subject::named(origin.workspace.clone(), format!("{}-{id}", Contact::TYPE));
        let destroyed = self.desk.journal().vault().destroy(&subject).await;
        destroyed.map_err(|error| {
            ContactsError::Failed(AggregateError::DatabaseConnectionError(error.into()))
        })?;
        Ok(erased)
    }

    /// Refuses to refer to a contact that is not there.
    pub async fn expect_present(
        &self,
        id: Option<ContactId>,
        origin: &Origin,
    ) -> Result<(), ContactsError> {
        let Some(id) = id else { return Ok(()) };
        match self.card(id, origin).await?.state.present() {
            Some(_) => Ok(()),
            None => Err(ContactsError::Unknown { id }),
        }
    }

    /// Frees what was reserved for a change that was refused.
    async fn settle(
        &self,
        id: ContactId,
        reserved: &[Value],
        outcome: Result<Arc<Loaded<Contact>>, AggregateError<ContactError>>,
        origin: &Origin,
    ) -> Result<Arc<Loaded<Contact>>, ContactsError> {
        if let Err(AggregateError::UserError(_) | AggregateError::AggregateConflict) = &outcome {
            self.release(id, reserved, origin).await;
        }
        Ok(outcome?)
    }

    async fn card(
        &self,
        id: ContactId,
        origin: &Origin,
    ) -> Result<Arc<Loaded<Contact>>, ContactsError> {
        let loaded = self.desk.load::<Contact>(&origin.workspace, id).await;
        loaded.map_err(|error| {
            ContactsError::Failed(AggregateError::DatabaseConnectionError(error.into()))
        })
    }

    async fn reserve(
        &self,
        owner: ContactId,
        wanted: &[Value],
        origin: &Origin,
    ) -> Result<(), ContactsError> {
        for (index, value) in wanted.iter().enumerate() {
            if let Err(error) = self.reserve_one(owner, value, origin).await {
                self.release(owner, &wanted[..index], origin).await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn reserve_one(
        &self,
        owner: ContactId,
        value: &Value,
        origin: &Origin,
    ) -> Result<(), ContactsError> {
        let (shard, hash) = self.place(value, origin);
        let at = self.desk.clock().now();
        let reserve = UniqueCommand::Reserve {
            value: hash.clone(),
            owner,
            at,
        };
        match self.send(shard, reserve, origin).await {
            Ok(()) => Ok(()),
            Err(AggregateError::UserError(UniqueError::Held {
                owner: from,
                at: since,
            })) => {
                self.check_holder(from, since, value, origin).await?;
                let take = UniqueCommand::Take {
                    value: hash,
                    from,
                    owner,
                    at,
                };
                self.send(shard, take, origin)
                    .await
                    .map_err(|error| match error {
                        AggregateError::UserError(_) => ContactsError::Busy { kind: value.kind() },
                        error @ (AggregateError::AggregateConflict
                        | AggregateError::DatabaseConnectionError(_)
                        | AggregateError::DeserializationError(_)
                        | AggregateError::UnexpectedError(_)) => without_refusal(error),
                    })
            }
            Err(error) => Err(without_refusal(error)),
        }
    }

    /// Fine only where the holder has long had the time to use the value and has not.
    async fn check_holder(
        &self,
        holder: ContactId,
        since: Timestamp,
        value: &Value,
        origin: &Origin,
    ) -> Result<(), ContactsError> {
        let kind = value.kind();
        let holder_card = self.card(holder, origin).await?;
        let has = holder_card.state.present().is_some_and(|card| {
            values(card)
                .iter()
                .any(|held| held.folded() == value.folded())
        });
        let age = self.desk.clock().now().duration_since(since);
        match (has, age) {
            (true, _) => Err(ContactsError::Taken {
                kind,
                owner: holder,
            }),
            (false, age) if age < ABANDONED_AFTER => Err(ContactsError::Busy { kind }),
            (false, _) => Ok(()),
        }
    }

    async fn release(&self, owner: ContactId, values: &[Value], origin: &Origin) {
        for value in values {
            let (shard, hash) = self.place(value, origin);
            let release = UniqueCommand::Release { value: hash, owner };
            if let Err(error) = self.send(shard, release, origin).await {
                tracing::warn!(%error, "a reservation was not released; it is free in a minute");
            }
        }
    }

    /// Reservations are idempotent by their owner: they take no ids from the request, whose
    /// retry may have to reserve again what the first try released.
    async fn send(
        &self,
        shard: ShardId,
        command: UniqueCommand,
        origin: &Origin,
    ) -> Result<(), AggregateError<UniqueError>> {
        let origin = Origin {
            seed: None,
            retried: false,
            claim: None,
            ..origin.clone()
        };
        self.desk
            .send::<Reservations>(shard, command, &origin)
            .await
            .map(drop)
    }

    /// The shard and the keyed hash of a value; the workspace is part of what is hashed.
    fn place(&self, value: &Value, origin: &Origin) -> (ShardId, String) {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("a key");
        mac.update(origin.workspace.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(value.folded().as_bytes());
        let hash = mac.finalize().into_bytes();
        let shard = u16::from_le_bytes([hash[0], hash[1]]) % SHARDS;
        let hex = hex::encode(&hash[..16]);
        (
            ShardId {
                kind: value.kind(),
                shard,
            },
            hex,
        )
    }
}

/// A failure of a step that cannot be refused for the caller's fault.
fn without_refusal<E: std::error::Error>(error: AggregateError<E>) -> ContactsError {
    ContactsError::Failed(match error {
        AggregateError::UserError(refusal) => {
            AggregateError::UnexpectedError(refusal.to_string().into())
        }
        AggregateError::AggregateConflict => AggregateError::AggregateConflict,
        AggregateError::DatabaseConnectionError(error) => {
            AggregateError::DatabaseConnectionError(error)
        }
        AggregateError::DeserializationError(error) => AggregateError::DeserializationError(error),
        AggregateError::UnexpectedError(error) => AggregateError::UnexpectedError(error),
    })
}
