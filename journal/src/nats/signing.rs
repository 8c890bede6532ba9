//! Commits that are authentic by themselves: signed by the role `commands`, checked by every reader.
//!
//! The server cannot be trusted to keep others from appending: the reply subject of a request is not
//! checked against its author's permissions. So each message carries an Ed25519 signature over the
//! log's identity, its subject, the sequence that it was appended behind, and the hash of its body,
//! which names the hash of the commit before it. The server itself refuses a message whose header
//! names another sequence than the subject's last one, so that a signed message cannot be stored twice.
//!
//! Which public keys are trusted, and from which sequence on messages are signed, stands in the
//! metadata of the partition's stream, which only `commands` may change.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_nats::header::HeaderName;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_cache::sync::Cache;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use super::fetch::Stored;
use crate::JournalError;
use crate::envelope::CommitHash;

/// The header of a signed message: the key's id, a full stop, and the signature in base64.
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("Rapport-Signature");
/// Metadata of a partition's stream: the keys that are trusted, as [`Trusted`] writes them.
pub(super) const SIGNERS: &str = "rapport-signers";
/// Metadata of a partition's stream: everything behind this sequence is signed.
pub(super) const SIGNED_AFTER: &str = "rapport-signed-after";

/// Signatures that were checked and need not be again.
const REMEMBERED: usize = 100_000;
/// How often a key that is not known is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Commit,
    Snapshot,
}

/// A message, as far as its signature covers it.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) kind: Kind,
    pub(super) log: &'a str,
    pub(super) subject: &'a str,
    /// The sequence that it is appended behind; 0 of a snapshot.
    pub(super) expected_last: u64,
    pub(super) body: &'a [u8],
}

impl Signed<'_> {
    /// What is signed: five lines, none of which holds a line break.
    fn text(&self) -> String {
        let domain = match self.kind {
            Kind::Commit => "rapport-commit-v1",
            Kind::Snapshot => "rapport-snapshot-v1",
        };
        format!(
            "{domain}\n{}\n{}\n{}\n{}",
            self.log,
            self.subject,
            self.expected_last,
            CommitHash::of(self.body)
        )
    }
}

/// The private key of the role `commands`. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey(Arc<Pair>);

struct Pair {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.0.public.id)
    }
}

impl SigningKey {
    /// The key of this seed.
    pub fn try_new(seed: &[u8; 32]) -> Result<Self, JournalError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        let pair = pair.map_err(|_| JournalError::Malformed("no key for signatures".into()))?;
        let public = PublicKey::of(pair.public_key().as_ref());
        Ok(Self(Arc::new(Pair { pair, public })))
    }

    /// What others check its signatures with.
    pub(super) fn public(&self) -> &PublicKey {
        &self.0.public
    }

    /// The header's value.
    pub(super) fn sign(&self, signed: &Signed<'_>) -> String {
        let signature = self.0.pair.sign(signed.text().as_bytes());
        format!("{}.{}", self.0.public.id, BASE64.encode(signature))
    }
}

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    id: String,
    bytes: Vec<u8>,
    /// The last sequence that it may have signed, where it signs no more.
    until: Option<u64>,
}

impl PublicKey {
    fn of(bytes: &[u8]) -> Self {
        let hash = hex::encode(Sha256::digest(bytes));
        Self {
            id: hash[..16].to_owned(),
            bytes: bytes.to_vec(),
            until: None,
        }
    }
}

/// Whom a partition's readers trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trusted {
    /// Everything behind this sequence is signed; `None` where nothing is.
    pub(super) after: Option<u64>,
    keys: Vec<PublicKey>,
}

impl Trusted {
    /// As the metadata of a stream says.
    pub(super) fn of(metadata: &std::collections::HashMap<String, String>) -> Self {
        let key = |text: &str| {
            let mut parts = text.split(':');
            let bytes = BASE64.decode(parts.next()?).ok()?;
            let until = parts.next().and_then(|until| until.parse().ok());
            Some(PublicKey {
                until,
                ..PublicKey::of(&bytes)
            })
        };
        let signers = metadata.get(SIGNERS).map(String::as_str);
        Self {
            after: metadata
                .get(SIGNED_AFTER)
                .and_then(|after| after.parse().ok()),
            keys: signers
                .unwrap_or_default()
                .split(',')
                .filter(|signer| !signer.is_empty())
                .filter_map(key)
                .collect(),
        }
    }

    /// With this key too, for what comes behind this sequence.
    #[must_use]
    pub(super) fn with(mut self, key: &PublicKey, last: u64) -> Self {
        self.after.get_or_insert(last);
        if !self.trusts(key) {
            self.keys.push(key.clone());
        }
        self
    }

    pub(super) fn trusts(&self, key: &PublicKey) -> bool {
        self.keys
            .iter()
            .any(|known| known.id == key.id && known.until.is_none())
    }

    /// The values of [`SIGNED_AFTER`] and [`SIGNERS`].
    pub(super) fn metadata(&self) -> [(String, String); 2] {
        let key = |key: &PublicKey| match key.until {
            Some(until) => format!("{}:{until}", BASE64.encode(&key.bytes)),
            None => BASE64.encode(&key.bytes),
        };
        let keys: Vec<_> = self.keys.iter().map(key).collect();
        [
            (
                SIGNED_AFTER.to_owned(),
                self.after.unwrap_or_default().to_string(),
            ),
            (SIGNERS.to_owned(), keys.join(",")),
        ]
    }
}

/// Checks the messages of one partition, each once.
#[derive(Debug)]
pub(super) struct Signers {
    log: String,
    trusted: RwLock<Arc<Trusted>>,
    looked_at: Mutex<Instant>,
    /// By sequence: the hash of the whole message that was found authentic.
    verified: Cache<u64, CommitHash>,
}

impl Signers {
    pub(super) fn new(log: &str, trusted: Trusted) -> Self {
        Self {
            log: log.to_owned(),
            trusted: RwLock::new(Arc::new(trusted)),
            looked_at: Mutex::new(Instant::now()),
            verified: Cache::new(REMEMBERED),
        }
    }

    /// Whether messages of this partition are signed.
    pub(super) fn is_signed(&self) -> bool {
        self.known().after.is_some()
    }

    /// Whether whom to trust must be looked up again before these are judged: one of them is signed by
    /// a key that is not known, or nothing was signed when it was looked up last.
    pub(super) fn must_look(&self, messages: &[Stored]) -> bool {
        let known = self.known();
        let strange = |message: &Stored| match key_id(message) {
            Some(id) => !known.keys.iter().any(|key| key.id == id),
            None => known.after.is_none(),
        };
        let mut looked_at = self
            .looked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if looked_at.elapsed() < LOOK_EVERY || !messages.iter().any(strange) {
            return false;
        }
        *looked_at = Instant::now();
        true
    }

    /// This is what the stream says now.
    pub(super) fn trust(&self, trusted: Trusted) {
        *self.trusted.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trusted);
    }

    /// Why a commit is not authentic; `None` where it is.
    pub(super) fn complaint(&self, message: &Stored) -> Option<String> {
        let known = self.known();
        let after = known.after?;
        if message.sequence <= after {
            return None;
        }
        let signed = Signed {
            kind: Kind::Commit,
            log: &self.log,
            subject: &message.subject,
            expected_last: message.expected_last.unwrap_or(u64::MAX),
            body: &message.payload,
        };
        let text = signed.text() + message.signature.as_deref().unwrap_or_default();
        let whole = CommitHash::of(text.as_bytes());
        if self.verified.get(&message.sequence) == Some(whole) {
            return None;
        }
        let complaint = complaint(&known, message, &signed);
        if complaint.is_none() {
            self.verified.insert(message.sequence, whole);
        }
        complaint
    }

    /// Whether a snapshot is one that `commands` has taken.
    pub(super) fn vouches_for_snapshot(&self, message: &Stored) -> bool {
        let known = self.known();
        let signed = Signed {
            kind: Kind::Snapshot,
            log: &self.log,
            subject: &message.subject,
            expected_last: 0,
            body: &message.payload,
        };
        known.after.is_none() || complaint(&known, message, &signed).is_none()
    }

    fn known(&self) -> Arc<Trusted> {
        let known = self.trusted.read();
        Arc::clone(&known.unwrap_or_else(PoisonError::into_inner))
    }
}

fn key_id(message: &Stored) -> Option<&str> {
    Some(message.signature.as_deref()?.split_once('.')?.0)
}

fn complaint(known: &Trusted, message: &Stored, signed: &Signed<'_>) -> Option<String> {
    let Some((id, signature)) = message
        .signature
        .as_deref()
        .and_then(|all| all.split_once('.'))
    else {
        return Some("it is not signed".into());
    };
    let Some(key) = known.keys.iter().find(|key| key.id == id) else {
        return Some("no key of this log signed it".into());
    };
    if key.until.is_some_and(|until| message.sequence > until) {
        return Some(format!("the key {id} signs no more"));
    }
    let signature = BASE64.decode(signature).unwrap_or_default();
    let checked =
        UnparsedPublicKey::new(&ED25519, &key.bytes).verify(signed.text().as_bytes(), &signature);
    checked.err().map(|_| "its signature is wrong".into())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Kind, Signed, Signers, SigningKey, Trusted};
    use crate::nats::fetch::Stored;

    const LOG: &str = "nats-1";

    fn key(seed: u8) -> SigningKey {
        SigningKey::try_new(&[seed; 32]).unwrap()
    }

    fn signed(key: &SigningKey, log: &str, sequence: u64) -> Stored {
        let (subject, body) = ("rapport.ev.0.main.lead.1", Bytes::from_static(b"{}"));
        let signature = key.sign(&Signed {
            kind: Kind::Commit,
            log,
            subject,
            expected_last: sequence - 1,
            body: &body,
        });
        Stored {
            sequence,
            subject: subject.into(),
            id: None,
            expected_last: Some(sequence - 1),
            signature: Some(signature),
            payload: body,
        }
    }

    #[test]
    fn what_was_signed_is_authentic_and_nothing_else() {
        let signers = Signers::new(LOG, Trusted::default().with(key(1).public(), 2));
        assert_eq!(signers.complaint(&signed(&key(1), LOG, 3)), None);
        assert_eq!(
            signers.complaint(&signed(&key(1), LOG, 3)),
            None,
            "and again"
        );
        let refused = |change: fn(&mut Stored)| {
            let mut message = signed(&key(1), LOG, 3);
            change(&mut message);
            assert!(signers.complaint(&message).is_some(), "{message:?}");
        };
        refused(|message| message.payload = Bytes::from_static(b"{ }"));
        refused(|message| message.subject = "rapport.ev.0.main.lead.2".into());
        refused(|message| message.expected_last = Some(1));
        refused(|message| message.expected_last = None);
        refused(|message| message.signature = None);
        refused(|message| message.signature = Some("x.y".into()));
        assert!(signers.complaint(&signed(&key(2), LOG, 3)).is_some());
        assert!(signers.complaint(&signed(&key(1), "nats-2", 3)).is_some());
        let mut old = signed(&key(1), LOG, 2);
        old.signature = None;
        assert_eq!(signers.complaint(&old), None, "from before it was signed");
    }

    #[test]
    fn whom_to_trust_is_written_and_read() {
        let trusted = Trusted::default()
            .with(key(1).public(), 7)
            .with(key(2).public(), 9)
            .with(key(1).public(), 11);
        assert_eq!((trusted.after, trusted.keys.len()), (Some(7), 2));
        assert_eq!(Trusted::of(&trusted.metadata().into()), trusted);
        assert_eq!(
            Trusted::of(&std::collections::HashMap::new()),
            Trusted::default()
        );
    }

    #[test]
    fn a_key_that_is_retired_signs_nothing_new() {
        let metadata = Trusted::default().with(key(1).public(), 0).metadata();
        let mut metadata: std::collections::HashMap<_, _> = metadata.into();
        metadata.get_mut(super::SIGNERS).unwrap().push_str(":5");
        let signers = Signers::new(LOG, Trusted::of(&metadata));
        assert_eq!(signers.complaint(&signed(&key(1), LOG, 5)), None);
        assert!(signers.complaint(&signed(&key(1), LOG, 6)).is_some());
    }
}
