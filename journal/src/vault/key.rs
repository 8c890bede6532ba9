//! A key, what it seals, and the keys that it wraps: XChaCha20-Poly1305 with random nonces.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};

use super::VaultError;

const NONCE: usize = 24;

/// A key that seals and opens.
#[derive(Clone)]
pub struct DataKey(XChaCha20Poly1305);

impl DataKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(bytes.into()))
    }

    /// The ciphertext, bound to a context that opening must name again.
    #[must_use]
    pub fn seal(&self, context: &str, plain: &[u8]) -> String {
        BASE64.encode(self.seal_bytes(context, plain))
    }

    pub(super) fn seal_bytes(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = random();
        let payload = Payload {
            msg: plain,
            aad: context.as_bytes(),
        };
        // It fails for messages of more than 256 GB only.
        let mut sealed = self
            .0
            .encrypt(XNonce::from_slice(&nonce), payload)
            .unwrap_or_default();
        sealed.splice(0..0, nonce);
        sealed
    }

    /// What was sealed in this context; `None` where anything was changed.
    #[must_use]
    pub fn open(&self, context: &str, sealed: &str) -> Option<Vec<u8>> {
        self.open_bytes(context, &BASE64.decode(sealed).ok()?)
    }

    pub(super) fn open_bytes(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let payload = Payload {
            msg: sealed,
            aad: context.as_bytes(),
        };
        self.0.decrypt(XNonce::from_slice(nonce), payload).ok()
    }
}

/// What a wrapped key is bound to: whose it is.
pub(super) fn context(workspace: &str, name: &str) -> String {
    format!("key {workspace} {name}")
}

/// The key that was wrapped by this one.
pub(super) fn unwrap(by: &DataKey, context: &str, wrapped: &[u8]) -> Result<[u8; 32], VaultError> {
    let key = by
        .open_bytes(context, wrapped)
        .ok_or(VaultError::WrongKey)?;
    key.try_into().map_err(|_| VaultError::WrongKey)
}

pub(super) fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    #[expect(
        clippy::expect_used,
        reason = "a machine without randomness must not seal anything"
    )]
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}
