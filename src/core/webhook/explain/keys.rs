//! The keys that a signer may have made of a secret: the right one, and the usual wrong ones.

use std::borrow::Cow;

use super::reason::Reason;
use crate::core::javascript::{Sink as _, stringify_into};
use crate::core::webhook::Matched;
use crate::core::webhook::secret::{Macs, PREFIX, without_prefix};

/// Keys of all secrets; the right ones come first.
pub(super) struct Keys {
    right: Macs,
    all: Macs,
    /// Of each key of `all`: which secret it is of, and what is wrong with it.
    origins: Vec<(usize, Option<Reason>)>,
}

impl Keys {
    pub(super) fn new(secrets: &[&[u8]]) -> Self {
        let mut keys: Vec<_> = secrets.iter().map(|secret| without_prefix(secret)).collect();
        let right = Macs::of_keys(&keys);
        let mut origins: Vec<_> = (0..keys.len()).map(|index| (index, None)).collect();
        for (index, secret) in secrets.iter().enumerate() {
            for (key, mistake) in mistaken(secret) {
                // With an empty key anyone can sign: it proves nothing.
                if !key.is_empty() && !keys.iter().any(|known| **known == *key) {
                    keys.push(Cow::Owned(key));
                    origins.push((index, Some(mistake)));
                }
            }
        }
        Self { right, all: Macs::of_keys(&keys), origins }
    }

    /// The secret whose right key signed the message, which is hashed in this form.
    pub(super) fn right(&self, message: &[u8], form: Matched, claimed: &[u8; 32]) -> Option<usize> {
        sums(&self.right, message, form)?.find(claimed)
    }

    /// The secret that signed the message, and what was wrong with the key.
    pub(super) fn any(
        &self,
        message: &[u8],
        form: Matched,
        claimed: &[u8; 32],
    ) -> Option<(usize, Option<Reason>)> {
        let place = sums(&self.all, message, form)?.find(claimed)?;
        self.origins.get(place).copied()
    }
}

fn sums(macs: &Macs, message: &[u8], form: Matched) -> Option<Macs> {
    let mut sums = macs.clone();
    match form {
        Matched::Raw => sums.put(message),
        Matched::Canonical => stringify_into(message, &mut sums).ok()?,
    }
    Some(sums)
}

fn mistaken(secret: &[u8]) -> [(Vec<u8>, Reason); 5] {
    let right = without_prefix(secret);
    let kept =
        if right.len() == secret.len() { [PREFIX, secret].concat() } else { secret.to_vec() };
    let stripped = strip(&without_prefix(strip(secret))).to_vec();
    let ending = |end: &[u8]| [&stripped, end].concat();
    [
        (kept, Reason::PrefixKept),
        (ending(b""), Reason::SecretNotStripped),
        (ending(b"\n"), Reason::SignerSecretNotStripped),
        (ending(b"\r\n"), Reason::SignerSecretNotStripped),
        (ending(b" "), Reason::SignerSecretNotStripped),
    ]
}

/// Takes white space and quotes away that are around a secret in files of settings.
fn strip(mut secret: &[u8]) -> &[u8] {
    let around = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`');
    while let [first, rest @ ..] = secret
        && around(first)
    {
        secret = rest;
    }
    while let [rest @ .., last] = secret
        && around(last)
    {
        secret = rest;
    }
    secret
}
