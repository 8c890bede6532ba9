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

/// What became of values that were to be reserved in a shard.
enum Reserved {
    All,
    /// The shard is full by now: they are to be placed anew.
    Elsewhere,
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
        for (shard, placed) in self.placed(values, &origin.workspace).await? {
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
        let mut kind = None;
        for _ in 0..TRIES {
            kind = self.try_reserve(attempt, seen, values, origin).await?;
            if kind.is_none() {
                return Ok(());
            }
        }
        let kind = kind.unwrap_or(UniqueKind::Phone);
        Err(ContactsError::Busy { kind, seconds: 1 })
    }

    /// The kind of a shard that was full by the time it was asked; none where everything is reserved. What was
    /// reserved then stays so, for the same attempt asks again.
    async fn try_reserve(
        &self,
        attempt: &mut Attempt,
        seen: u64,
        values: &[Value],
        origin: &Origin,
    ) -> Result<Option<UniqueKind>, ContactsError> {
        // Everything is looked at before anything is reserved.
        let mut all = Vec::new();
        for (shard, placed) in self.placed(values, &origin.workspace).await? {
            let wanted = self
                .survey(Some(attempt.owner), shard, &placed, origin)
                .await?;
            all.push((shard, placed, wanted));
        }
        for (shard, placed, wanted) in all {
            let reserve = self.reserve_in(shard, &placed, wanted, attempt, seen, origin);
            match reserve.await? {
                Reserved::All => {}
                Reserved::Elsewhere => return Ok(Some(shard.kind)),
            }
        }
        Ok(None)
    }

    async fn reserve_in(
        &self,
        shard: ShardId,
        placed: &[(String, &Value)],
        mut wanted: Vec<Wanted>,
        attempt: &mut Attempt,
        seen: u64,
        origin: &Origin,
    ) -> Result<Reserved, ContactsError> {
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
                Ok(()) => return Ok(Reserved::All),
                Err(AggregateError::UserError(UniqueError::Full)) => {
                    return Ok(Reserved::Elsewhere);
                }
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

    async fn placed<'a>(
        &self,
        values: &'a [Value],
        workspace: &Token,
    ) -> Result<Placed<'a>, ContactsError> {
        let mut placed = Placed::new();
        for value in values {
            let (root, hash) = self.place(value, workspace);
            let shard = self.descend(root, &hash, workspace).await?;
            placed.entry(shard).or_default().push((hash, value));
        }
        Ok(placed)
    }

    /// The shard that holds a value, or would take it.
    async fn descend(
        &self,
        root: ShardId,
        hash: &str,
        workspace: &Token,
    ) -> Result<ShardId, ContactsError> {
        let mut shard = root;
        loop {
            let loaded = self.0.desk.load::<Reservations>(workspace, shard).await;
            if loaded.map_err(unavailable)?.state.has_place_for(hash) {
                return Ok(shard);
            }
            let (kind, seconds) = (shard.kind, 1);
            let full = ContactsError::Busy { kind, seconds };
            shard = shard.child(hash).ok_or(full)?;
        }
    }

    /// The first shard and the keyed hash of a value; the workspace is part of what is hashed.
    pub(super) fn place(&self, value: &Value, workspace: &Token) -> (ShardId, String) {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0.secret).expect("a key");
        mac.update(workspace.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(value.text.as_bytes());
        let hash = mac.finalize().into_bytes();
        let shard = u16::from_le_bytes([hash[0], hash[1]]) % SHARDS;
        let hex = hex::encode(&hash[..16]);
        (ShardId::root(value.kind, shard), hex)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::id::ContactId;
    use domain::unique::{
        CAPACITY, Reservations, ShardId, UniqueCommand, UniqueError, UniqueKind, Wanted,
    };
    use jiff::Timestamp;
    use journal::Journal;
    use journal::memory::MemoryJournal;
    use journal::token::Token;
    use uuid::Uuid;

    use super::{AggregateError, Holdings};
    use crate::clock::Clock;
    use crate::desk::Desk;
    use crate::origin::Origin;

    /// Values whose HMACs begin alike, so that one of the first shards gets them all.
    const VALUES: u32 = 50_000;

    fn hash(number: u32) -> String {
        let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        format!("0700{:028x}", spread >> 16)
    }

    fn reserve(owner: u64, hashes: &[String]) -> UniqueCommand {
        UniqueCommand::Reserve {
            owner: ContactId(owner),
            seen: 0,
            attempt: Uuid::from_u128(owner.into()),
            at: Timestamp::UNIX_EPOCH,
            values: hashes
                .iter()
                .map(|value| Wanted {
                    value: value.clone(),
                    idle: None,
                })
                .collect(),
        }
    }

    #[tokio::test]
    async fn however_many_values_fall_to_a_shard_none_holds_more_than_fit() {
        let desk = Desk::local(Journal::from(MemoryJournal::new()), Clock::System);
        let holdings = Holdings::new(desk.clone(), b"secret");
        let workspace = Token::try_new("main").unwrap();
        let origin = Origin::new(workspace.clone(), "test");
        let root = ShardId::root(UniqueKind::Phone, 7);
        let all: Vec<_> = (0..VALUES).map(hash).collect();
        for (owner, hashes) in (1..).zip(all.chunks(500)) {
            let mut placed = BTreeMap::<ShardId, Vec<String>>::new();
            for hash in hashes {
                let shard = holdings.descend(root, hash, &workspace).await.unwrap();
                placed.entry(shard).or_default().push(hash.clone());
            }
            for (shard, hashes) in placed {
                let reserve = reserve(owner, &hashes);
                holdings.send(shard, reserve, &origin).await.unwrap();
            }
        }
        let mut held = BTreeMap::<ShardId, usize>::new();
        for (place, hash) in all.iter().enumerate().step_by(7) {
            let shard = holdings.descend(root, hash, &workspace).await.unwrap();
            let loaded = desk.load::<Reservations>(&workspace, shard).await.unwrap();
            let owner = ContactId(place as u64 / 500 + 1);
            assert_eq!(loaded.state.held[hash].owner, owner);
            held.insert(shard, loaded.state.held.len());
        }
        assert!(held.len() > 200, "{} shards", held.len());
        let largest = held.values().max().copied().unwrap_or_default();
        assert!(largest <= CAPACITY + 500, "{largest} values");

        let (first, last) = (&all[..1], &all[all.len() - 1..]);
        for taken in [first, last] {
            let shard = holdings.descend(root, &taken[0], &workspace);
            let reserve = reserve(1_000_000, taken);
            let refused = holdings.send(shard.await.unwrap(), reserve, &origin).await;
            let refusal = match refused {
                Err(AggregateError::UserError(refusal)) => refusal,
                other => panic!("{other:?}"),
            };
            assert!(matches!(refusal, UniqueError::Held { .. }), "{refusal}");
        }
    }
}
