//! API keys: `rk_<workspace>_<number>_<secret>`.
//!
//! The secret is shown once, when the key is made; the log keeps only its hash. Who presents a
//! key is looked up in the log and remembered for a few seconds, so that a revoked key stops
//! opening things soon and a busy one costs nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_es::AggregateError;
use domain::event::Decide as _;
use domain::id::{KeyId, NumberKind};
use domain::key::{ApiKey, KeyCommand, KeyError, Role};
use journal::JournalError;
use journal::token::Token;
use quick_cache::sync::Cache;

use crate::desk::Desk;
use crate::idempotency::digest;
use crate::numbers::Allocator;
use crate::origin::Origin;

/// How long a looked-up key is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(5);
const PREFIX: &str = "rk";

/// Makes and checks API keys. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Keys {
    desk: Desk,
    numbers: Allocator,
    known: Arc<Cache<String, (Instant, Holder)>>,
}

/// Who presents a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Whose data it opens.
    pub workspace: Token,
    /// Which key it is.
    pub id: KeyId,
    /// What it may do.
    pub role: Role,
}

/// A key that was just made.
#[derive(Debug)]
pub struct NewKey {
    /// Its number.
    pub id: KeyId,
    /// What the caller presents; shown once.
    pub secret: String,
}

/// A key as it is listed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ListedKey {
    /// Its number.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it opens nothing any more.
    pub revoked: bool,
}

impl Keys {
    /// Keys over this desk.
    #[must_use]
    pub fn new(desk: Desk, numbers: Allocator) -> Self {
        Self {
            desk,
            numbers,
            known: Arc::new(Cache::new(10_000)),
        }
    }

    /// Makes a key.
    pub async fn create(
        &self,
        name: &str,
        role: Role,
        origin: &Origin,
    ) -> Result<NewKey, AggregateError<KeyError>> {
        let issue = |hash| KeyCommand::Issue {
            name: name.to_owned(),
            role,
            hash,
        };
        // A refusal uses no number.
        let refused = ApiKey::default().decide(issue(String::new())).err();
        if let Some(refusal) = refused {
            return Err(AggregateError::UserError(refusal));
        }
        let number = self.numbers.next(NumberKind::Key, origin).await;
        let id = KeyId(
            number.map_err(|error| AggregateError::UnexpectedError(error.to_string().into()))?,
        );
        let mut random = [0_u8; 32];
        getrandom::fill(&mut random)
            .map_err(|error| AggregateError::UnexpectedError(error.into()))?;
        let random = hex::encode(random);
        let secret = format!("{PREFIX}_{}_{id}_{random}", origin.workspace);
        let command = issue(digest(&[secret.as_bytes()]));
        self.desk.open::<ApiKey>(id, command, origin).await?;
        Ok(NewKey { id, secret })
    }

    /// Lets a key open nothing any more, everywhere within seconds.
    pub async fn revoke(&self, id: KeyId, origin: &Origin) -> Result<(), AggregateError<KeyError>> {
        self.desk
            .send::<ApiKey>(id, KeyCommand::Revoke, origin)
            .await?;
        self.known.clear();
        Ok(())
    }

    /// Every key of a workspace, without its secret.
    pub async fn list(&self, workspace: &Token) -> Result<Vec<ListedKey>, JournalError> {
        let used = self
            .desk
            .load::<domain::number::Numbers>(workspace, NumberKind::Key)
            .await?
            .state
            .used;
        let mut keys = Vec::new();
        for id in (1..=used).map(KeyId) {
            let key = &self.desk.load::<ApiKey>(workspace, id).await?.state;
            keys.extend(key.issued.as_ref().map(|issued| ListedKey {
                id,
                name: issued.name.clone(),
                role: issued.role,
                revoked: key.revoked,
            }));
        }
        Ok(keys)
    }

    /// Who presents this key, where that was looked up a moment ago.
    #[must_use]
    pub fn remembered(&self, presented: &str) -> Option<Holder> {
        let (seen, holder) = self.known.get(&digest(&[presented.as_bytes()]))?;
        (seen.elapsed() < BELIEVED_FOR).then_some(holder)
    }

    /// Who presented this key when it was last looked up, however long ago: for where the log, in which
    /// keys are, does not answer.
    #[must_use]
    pub fn known_before(&self, presented: &str) -> Option<Holder> {
        let (_, holder) = self.known.get(&digest(&[presented.as_bytes()]))?;
        Some(holder)
    }

    /// Who presents this key, if it opens anything.
    pub async fn holder(&self, presented: &str) -> Result<Option<Holder>, JournalError> {
        let hash = digest(&[presented.as_bytes()]);
        let holder = self.look_up(presented, &hash).await?;
        // What opens nothing is not remembered: whoever invents keys would push out the good ones.
        match &holder {
            Some(holder) => self.known.insert(hash, (Instant::now(), holder.clone())),
            None => drop(self.known.remove(&hash)),
        }
        Ok(holder)
    }

    async fn look_up(&self, presented: &str, hash: &str) -> Result<Option<Holder>, JournalError> {
        let Some((workspace, id)) = parts(presented) else {
            return Ok(None);
        };
        let key = self.desk.load::<ApiKey>(&workspace, id).await?;
        let issued = key
            .state
            .issued
            .as_ref()
            .filter(|issued| !key.state.revoked && equal_in_constant_time(&issued.hash, hash));
        Ok(issued.map(|issued| Holder {
            workspace,
            id,
            role: issued.role,
        }))
    }
}

/// A workspace's name may have underscores, so the parts are read from the end.
fn parts(presented: &str) -> Option<(Token, KeyId)> {
    let rest = presented.strip_prefix(PREFIX)?.strip_prefix('_')?;
    let (rest, _secret) = rest.rsplit_once('_')?;
    let (workspace, id) = rest.rsplit_once('_')?;
    Some((Token::try_new(workspace).ok()?, KeyId(id.parse().ok()?)))
}

/// Both are hashes of equal length, so only their bytes could tell something.
fn equal_in_constant_time(one: &str, two: &str) -> bool {
    let differ = one
        .bytes()
        .zip(two.bytes())
        .fold(0, |differ, (a, b)| differ | (a ^ b));
    one.len() == two.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use domain::key::Role;
    use journal::Journal;
    use journal::memory::MemoryJournal;
    use journal::token::Token;

    use super::Keys;
    use crate::clock::Clock;
    use crate::desk::Desk;
    use crate::numbers::Allocator;
    use crate::origin::Origin;

    fn keys() -> Keys {
        let desk = Desk::local(Journal::from(MemoryJournal::new()), Clock::System);
        Keys::new(desk.clone(), Allocator::new(desk))
    }

    fn origin() -> Origin {
        Origin::new(Token::try_new("my_shop").unwrap(), "test")
    }

    #[tokio::test]
    async fn a_name_that_is_refused_uses_no_number() {
        let keys = keys();
        assert!(keys.create(" ", Role::Analyst, &origin()).await.is_err());
        let key = keys.create("ci", Role::Analyst, &origin()).await.unwrap();
        assert_eq!(key.id.0, 1);
    }

    #[tokio::test]
    async fn a_key_opens_its_workspace_until_it_is_revoked() {
        let keys = keys();
        let key = keys.create("ci", Role::Analyst, &origin()).await.unwrap();
        let holder = keys.holder(&key.secret).await.unwrap().unwrap();
        assert_eq!(
            (holder.workspace.as_str(), holder.role),
            ("my_shop", Role::Analyst)
        );
        keys.revoke(key.id, &origin()).await.unwrap();
        assert_eq!(keys.holder(&key.secret).await.unwrap(), None);
        assert!(keys.list(&origin().workspace).await.unwrap()[0].revoked);
    }

    #[tokio::test]
    async fn a_made_up_key_opens_nothing() {
        let keys = keys();
        let key = keys.create("ci", Role::Analyst, &origin()).await.unwrap();
        let other_workspace = key.secret.replace("my_shop", "other");
        let other_secret = format!("{}0", &key.secret[..key.secret.len() - 1]);
        for forged in [
            "",
            "rk",
            "rk_a",
            "rk_my_shop_x_y",
            &other_workspace,
            &format!("{}00", key.secret),
            &format!("{other_secret}1"),
        ] {
            assert_eq!(keys.holder(forged).await.unwrap(), None, "{forged}");
        }
    }
}
