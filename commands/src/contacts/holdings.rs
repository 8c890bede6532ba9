//! Reserving phones and emails, and finding out whether a holder still needs what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use cqrs_es::AggregateError;
use domain::contact::address::Phone;
use domain::contact::aggregate::Contact;
use domain::contact::command::ContactCommand;
use domain::id::ContactId;
use domain::unique::{
    Idle, Reservation, Reservations, SHARDS, ShardId, UniqueCommand, UniqueError, UniqueKind,
    Wanted,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::SignedDuration;
use journal::store::Loaded;
use journal::token::Token;
use sha2::Sha256;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use super::{ContactsError, unavailable, without_refusal};
use crate::desk::Desk;
use crate::origin::Origin;
use crate::precondition::mismatch;

/// No request lives this long: what it reserved and did not use may be taken from it then. It cannot
/// use it any more once it was, however late it wakes up.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// A request that is about to use what it reserved has done so by then.
const SOON: SignedDuration = SignedDuration::from_secs(5);
/// How often values are looked at anew because their shards or holders changed meanwhile.
const TRIES: u32 = 16;
/// Requests of this process that change one contact wait for each other instead of losing races.
const STRIPES: usize = 1024;

/// A value that one contact may have, in its canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) kind: UniqueKind,
    text: String,
}

/// What a contact shows; nothing where it is not there.
pub(super) fn shown(contact: &Contact) -> Vec<Value> {
    let Some(card) = contact.present() else {
        return Vec::new();
    };
    let of = |kind, text: &str| Value {
        kind,
        text: text.to_owned(),
    };
    let phones = card
        .phones
        .iter()
        .map(|phone| of(UniqueKind::Phone, phone.as_str()));
    let emails = card
        .emails
        .iter()
        .map(|email| of(UniqueKind::Email, email.as_str()));
    phones.chain(emails).collect()
}

impl Value {
    /// Whether it is an address at all: what a lost key sealed reads as a word.
    pub(super) fn is_address(&self) -> bool {
        match self.kind {
            UniqueKind::Phone => Phone::try_new(&self.text).is_ok(),
            UniqueKind::Email => self.text.contains('@'),
        }
    }
}

/// One request's try to change one contact, and what it has reserved so far.
pub(super) struct Attempt {
    pub(super) owner: ContactId,
    id: Uuid,
    reserved: BTreeMap<ShardId, BTreeSet<String>>,
}

impl Attempt {
    pub(super) const fn new(owner: ContactId, id: Uuid) -> Self {
        Self {
            owner,
            id,
            reserved: BTreeMap::new(),
        }
    }
}

/// Values by their shards, in an order that is the same for everybody.
type Placed<'a> = BTreeMap<ShardId, Vec<(String, &'a Value)>>;

/// Who holds which phone and which email. Cheap to clone.
#[derive(Clone)]
pub(super) struct Holdings(Arc<Inner>);

struct Inner {
    desk: Desk,
    secret: Vec<u8>,
    stripes: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl Holdings {
    pub(super) fn new(desk: Desk, secret: &[u8]) -> Self {
        Self(Arc::new(Inner {
            desk,
            secret: secret.into(),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }))
    }

    /// Held while a request of this process changes the contact.
    pub(super) async fn turn(&self, id: ContactId, origin: &Origin) -> MutexGuard<'_, ()> {
        let hash = self.0.hasher.hash_one((&origin.workspace, id));
        let stripe = usize::try_from(hash % STRIPES as u64).unwrap_or_default();
        self.0.stripes[stripe].lock().await
    }

    /// The contact as the log has it now.
    pub(super) async fn card(
        &self,
        id: ContactId,
        origin: &Origin,
    ) -> Result<Arc<Loaded<Contact>>, ContactsError> {
        let loaded = self.0.desk.load::<Contact>(&origin.workspace, id).await;
        loaded.map_err(unavailable)
    }

    /// Refuses values that somebody has; reserves nothing.
    pub(super) async fn look(
        &self,
        owner: Option<ContactId>,
        values: &[Value],
        origin: &Origin,
    ) -> Result<(), ContactsError> {
        for (shard, placed) in self.placed(values, &origin.workspace) {
            self.survey(owner, shard, &placed, origin).await?;
        }
        Ok(())
    }

    /// Reserves values for a change of the owner at this version: one commit per shard at most.
    pub(super) async fn reserve(
        &self,
        attempt: &mut Attempt,
        seen: u64,
        values: &[Value],
        origin: &Origin,
    ) -> Result<(), ContactsError> {
        // Everything is looked at before anything is reserved.
        let mut all = Vec::new();
        for (shard, placed) in self.placed(values, &origin.workspace) {
            let wanted = self
                .survey(Some(attempt.owner), shard, &placed, origin)
                .await?;
            all.push((shard, placed, wanted));
        }
        for (shard, placed, wanted) in all {
            self.reserve_in(shard, &placed, wanted, attempt, seen, origin)
                .await?;
        }
        Ok(())
    }

    async fn reserve_in(
        &self,
        shard: ShardId,
        placed: &[(String, &Value)],
        mut wanted: Vec<Wanted>,
        attempt: &mut Attempt,
        seen: u64,
        origin: &Origin,
    ) -> Result<(), ContactsError> {
        for _ in 0..TRIES {
            let reserve = UniqueCommand::Reserve {
                owner: attempt.owner,
                seen,
                attempt: attempt.id,
                at: self.0.desk.clock().now(),
                values: wanted,
            };
            // Noted first: it may be reserved although nobody says so.
            let hashes = placed.iter().map(|(hash, _)| hash.clone());
            attempt.reserved.entry(shard).or_default().extend(hashes);
            match self.send(shard, reserve, origin).await {
                Ok(()) => return Ok(()),
                // Somebody was faster, or no longer there.
                Err(AggregateError::UserError(UniqueError::Held { .. })) => {}
                Err(error) => return Err(without_refusal(error)),
            }
            wanted = self
                .survey(Some(attempt.owner), shard, placed, origin)
                .await?;
        }
        Err(ContactsError::Busy {
            kind: shard.kind,
            seconds: 1,
        })
    }

    /// Gives back what an attempt has reserved that has certainly changed nothing. Where that is not
    /// certain, whoever wants the values finds out.
    pub(super) async fn give_back(
        &self,
        attempt: &Attempt,
        because: &ContactsError,
        origin: &Origin,
    ) {
        let is_certain = match because {
            ContactsError::Contact(AggregateError::UserError(_))
            | ContactsError::Taken { .. }
            | ContactsError::Several { .. }
            | ContactsError::Busy { .. } => true,
            ContactsError::Contact(error) if mismatch(error).is_some() => true,
            ContactsError::Contact(
                AggregateError::AggregateConflict
                | AggregateError::DatabaseConnectionError(_)
                | AggregateError::DeserializationError(_)
                | AggregateError::UnexpectedError(_),
            )
            | ContactsError::Unknown { .. }
            | ContactsError::Failed(_) => false,
        };
        if !is_certain {
            return;
        }
        for (shard, values) in &attempt.reserved {
            let release = UniqueCommand::Release {
                attempt: attempt.id,
                values: values.iter().cloned().collect(),
            };
            if let Err(error) = self.send(*shard, release, origin).await {
                tracing::warn!(%error, "a reservation was not given back; it is free in a minute");
            }
        }
    }

    /// What has to be said to reserve these values, or that somebody has one of them.
    async fn survey(
        &self,
        owner: Option<ContactId>,
        shard: ShardId,
        placed: &[(String, &Value)],
        origin: &Origin,
    ) -> Result<Vec<Wanted>, ContactsError> {
        let loaded = self.0.desk.load::<Reservations>(&origin.workspace, shard);
        let loaded = loaded.await.map_err(unavailable)?;
        let mut all = Vec::new();
        for (hash, value) in placed {
            let idle = match loaded.state.held.get(hash) {
                Some(held) if Some(held.owner) != owner => {
                    Some(self.idle(held, value, origin).await?)
                }
                Some(_) | None => None,
            };
            all.push(Wanted {
                value: hash.clone(),
                idle,
            });
        }
        Ok(all)
    }

    /// That the holder of a value does not need it: it is past the version for which it was reserved,
    /// and does not show it.
    async fn idle(
        &self,
        held: &Reservation,
        value: &Value,
        origin: &Origin,
    ) -> Result<Idle, ContactsError> {
        let (kind, owner) = (value.kind, held.owner);
        let mut holder = self.card(owner, origin).await?;
        for _ in 0..TRIES {
            if shown(&holder.state).contains(value) {
                return Err(ContactsError::Taken { kind, owner });
            }
            if holder.version > held.seen {
                let version = holder.version;
                return Ok(Idle { owner, version });
            }
            let age = self.0.desk.clock().now().duration_since(held.at);
            if age < LEASE {
                let seconds = if age < SOON {
                    1
                } else {
                    (LEASE - age).as_secs().max(1)
                };
                let seconds = u16::try_from(seconds).unwrap_or(1);
                return Err(ContactsError::Busy { kind, seconds });
            }
            holder = self.lapse(owner, holder.version, origin).await?;
        }
        Err(ContactsError::Busy { kind, seconds: 1 })
    }

    /// Moves a contact past this version, so that whatever was prepared for it cannot be done: a
    /// process that stood still for a minute may wake up and go on.
    async fn lapse(
        &self,
        owner: ContactId,
        version: u64,
        origin: &Origin,
    ) -> Result<Arc<Loaded<Contact>>, ContactsError> {
        let origin = apart(origin);
        let lapse = ContactCommand::Lapse;
        let sent = self
            .0
            .desk
            .send_at::<Contact>(owner, lapse, version, &origin);
        match sent.await {
            Ok(holder) => Ok(holder),
            Err(AggregateError::AggregateConflict) => self.card(owner, &origin).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn send(
        &self,
        shard: ShardId,
        command: UniqueCommand,
        origin: &Origin,
    ) -> Result<(), AggregateError<UniqueError>> {
        let origin = apart(origin);
        let sent = self.0.desk.send::<Reservations>(shard, command, &origin);
        sent.await.map(drop)
    }

    fn placed<'a>(&self, values: &'a [Value], workspace: &Token) -> Placed<'a> {
        let mut placed = Placed::new();
        for value in values {
            let (shard, hash) = self.place(value, workspace);
            placed.entry(shard).or_default().push((hash, value));
        }
        placed
    }

    /// The shard and the keyed hash of a value; the workspace is part of what is hashed.
    pub(super) fn place(&self, value: &Value, workspace: &Token) -> (ShardId, String) {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0.secret).expect("a key");
        mac.update(workspace.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(value.text.as_bytes());
        let hash = mac.finalize().into_bytes();
        let shard = u16::from_le_bytes([hash[0], hash[1]]) % SHARDS;
        let hex = hex::encode(&hash[..16]);
        let kind = value.kind;
        (ShardId { kind, shard }, hex)
    }
}

/// The same request without its ids: a reservation is made again by every try, and a holder is moved
/// on as often as it takes.
fn apart(origin: &Origin) -> Origin {
    Origin {
        seed: None,
        retried: false,
        claim: None,
        ..origin.clone()
    }
}
