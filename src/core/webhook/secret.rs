//! Secrets, and the sums that are made with them. Nothing here can be shown.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{HmacReset, KeyInit as _, Mac as _};
use sha2::Sha256;
use smallvec::SmallVec;
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
pub(super) struct Macs(SmallVec<[HmacReset<Sha256>; 1]>);

impl Macs {
    pub(super) fn new(secrets: &[&[u8]]) -> Result<Self, UnusableSecret> {
        if secrets.is_empty() {
            return Err(UnusableSecret::Missing);
        }
        let mut macs = SmallVec::new();
        for secret in secrets {
            macs.push(keyed(secret)?);
        }
        Ok(Self(macs))
    }

    /// With keys that were made of secrets in another way, which are not empty.
    pub(super) fn of_keys(keys: &[Cow<'_, [u8]>]) -> Self {
        Self(keys.iter().filter_map(|key| HmacReset::new_from_slice(key).ok()).collect())
    }

    /// The place of the secret whose sum is `claimed`. Takes the same time whichever it is. The
    /// message is forgotten.
    pub(super) fn find(&mut self, claimed: &[u8; 32]) -> Option<usize> {
        let claimed = words(claimed);
        let mut found = Choice::from(0);
        let mut place = 0;
        for (candidate, mac) in (0_u64..).zip(&mut self.0) {
            let equal = words(&mac.finalize_reset().into_bytes().0).ct_eq(&claimed);
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

    fn reset(&mut self) {
        for mac in &mut self.0 {
            mac.reset();
        }
    }
}

/// A sum in words, of which few are quicker compared in constant time than many bytes.
fn words(sum: &[u8; 32]) -> [u64; 4] {
    let (words, _) = sum.as_chunks::<8>();
    std::array::from_fn(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word)))
}

/// The key that a secret stands for; unusable where it is empty.
pub(super) fn without_prefix(secret: &[u8]) -> Cow<'_, [u8]> {
    match secret.windows(PREFIX.len()).position(|at| at == PREFIX) {
        Some(0) => Cow::Borrowed(&secret[PREFIX.len()..]),
        Some(at) => Cow::Owned([&secret[..at], &secret[at + PREFIX.len()..]].concat()),
        None => Cow::Borrowed(secret),
    }
}

fn keyed(secret: &[u8]) -> Result<HmacReset<Sha256>, UnusableSecret> {
    let key = without_prefix(secret);
    // HMAC fills a key up with NULs: those alone are the empty key.
    if key.iter().all(|&byte| byte == 0) {
        return Err(UnusableSecret::Empty);
    }
    HmacReset::new_from_slice(&key).map_err(|_| UnusableSecret::Empty)
}
