//! Secrets, and the sums that are made with them. Nothing here can be shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use thiserror::Error;

use crate::core::javascript::Sink;

/// What the vendor's dashboard writes in front of the key, and the signing code removes.
pub(super) const PREFIX: &[u8] = b"E_AI_K_";

/// No signature could be trusted: with an empty key anyone can sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UnusableSecret {
    /// There is no secret at all.
    #[error("no webhook secret was given")]
    Missing,
    /// A secret is empty, or of NULs alone.
    #[error("a webhook secret is empty, or nothing is left of it without `E_AI_K_`")]
    Empty,
}

/// HMAC-SHA256 with each of some secrets, over the same message.
#[derive(Clone)]
pub(super) struct Macs(Vec<Hmac<Sha256>>);

impl Macs {
    pub(super) fn new(secrets: &[&[u8]]) -> Result<Self, UnusableSecret> {
        if secrets.is_empty() {
            return Err(UnusableSecret::Missing);
        }
        secrets.iter().map(|secret| keyed(secret)).collect::<Result<_, _>>().map(Self)
    }

    /// With keys that were made of secrets in another way, which are not empty.
    pub(super) fn of_keys(keys: &[Vec<u8>]) -> Self {
        Self(keys.iter().filter_map(|key| Hmac::new_from_slice(key).ok()).collect())
    }

    /// The place of the secret whose sum is `claimed`. Takes the same time whichever it is.
    pub(super) fn find(self, claimed: &[u8; 32]) -> Option<usize> {
        let mut found = Choice::from(0);
        let mut place = 0;
        for (candidate, mac) in (0_u64..).zip(self.0) {
            let equal = mac.finalize().into_bytes().ct_eq(claimed.as_slice());
            place.conditional_assign(&candidate, equal & !found);
            found |= equal;
        }
        if found.into() { usize::try_from(place).ok() } else { None }
    }

    /// The header value for the first secret.
    pub(super) fn header(self) -> String {
        let first = self.0.into_iter().next();
        first.map(|mac| STANDARD.encode(mac.finalize().into_bytes())).unwrap_or_default()
    }
}

impl Sink for Macs {
    fn put(&mut self, bytes: &[u8]) {
        for mac in &mut self.0 {
            mac.update(bytes);
        }
    }
}

/// The key that a secret stands for; unusable where it is empty.
pub(super) fn without_prefix(secret: &[u8]) -> Vec<u8> {
    match secret.windows(PREFIX.len()).position(|at| at == PREFIX) {
        Some(at) => [&secret[..at], &secret[at + PREFIX.len()..]].concat(),
        None => secret.to_vec(),
    }
}

fn keyed(secret: &[u8]) -> Result<Hmac<Sha256>, UnusableSecret> {
    let key = without_prefix(secret);
    // HMAC fills a key up with NULs: those alone are the empty key.
    if key.iter().all(|&byte| byte == 0) {
        return Err(UnusableSecret::Empty);
    }
    Hmac::new_from_slice(&key).map_err(|_| UnusableSecret::Empty)
}
