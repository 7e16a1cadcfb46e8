//! Signs a body, and tells whether a signature holds and for which bytes.
//!
//! The bytes of `result` are hashed as they are before anything of them is read, since they
//! usually are what was signed; only when they fail is the text rebuilt as Node would write it. The order of the checks gives nothing
//! away: what is secret is compared in constant time, and every secret is always tried.

use std::ops::Range;

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeSliceError, Engine as _};
use thiserror::Error;

use super::body::{Generation, Place, guess, locate};
use super::secret::{Macs, UnusableSecret};
use crate::core::javascript::{Sink as _, SyntaxError, stringify_into};

/// In which form the signed bytes were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// The body has them as they were signed.
    Raw,
    /// The body was written anew on its way; rebuilt as Node writes it, it is what was signed.
    Canonical,
}

/// A signature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The part of the body that is authentic. Use no other.
    pub signed: Range<usize>,
    /// The value of `event`, which anyone may have written.
    pub event: Option<Range<usize>>,
    /// The kind of the delivery.
    pub generation: Generation,
    /// The form in which it was found.
    pub matched: Matched,
    /// The place of the secret that signed it.
    pub secret_index: usize,
}

/// Why a signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The header is missing or empty.
    #[error("the signature header is missing")]
    MissingHeader,
    /// The header is not standard base64 with its padding.
    #[error("the signature header is not base64")]
    NotBase64,
    /// The header is base64, but not of 32 bytes.
    #[error("the signature header has not the length of an HMAC-SHA256")]
    WrongLength,
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    MalformedBody(SyntaxError),
    /// The body is JSON, but neither an object with `result` nor an array.
    #[error("the body has no `result`")]
    NoResult,
    /// The body was not signed with any of the secrets, or was changed since.
    #[error("the signature does not match")]
    Mismatch,
}

impl Refusal {
    /// The refusal in a word that programs can compare.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::NotBase64 => "not_base64",
            Self::WrongLength => "wrong_length",
            Self::MalformedBody(_) => "malformed_body",
            Self::NoResult => "no_result",
            Self::Mismatch => "mismatch",
        }
    }
}

/// Why a body cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignError {
    /// The secret is unusable.
    #[error(transparent)]
    Secret(#[from] UnusableSecret),
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    MalformedBody(#[from] SyntaxError),
    /// The body is JSON, but neither an object with `result` nor an array.
    #[error("the body has no `result`")]
    NoResult,
}

/// Gives the header value with which the vendor would send `body`.
pub fn sign(body: &[u8], secret: &[u8]) -> Result<String, SignError> {
    let mut macs = Macs::new(&[secret])?;
    let place = locate(body)?.ok_or(SignError::NoResult)?;
    let message = body.get(place.signed).unwrap_or_default();
    stringify_into(message, &mut macs)?;
    Ok(macs.header())
}

/// Tells whether `header` is a signature of `body` with one of the secrets.
///
/// The outer error is the caller's: a secret that cannot be used. The inner one is the sender's.
pub fn verify(
    body: &[u8],
    header: Option<&[u8]>,
    secrets: &[&[u8]],
) -> Result<Result<Verified, Refusal>, UnusableSecret> {
    let mut macs = Macs::new(secrets)?;
    Ok(claimed(header).and_then(|claimed| check(body, &claimed, &mut macs)))
}

fn check(body: &[u8], claimed: &[u8; 32], macs: &mut Macs) -> Result<Verified, Refusal> {
    if let Some(place) = guess(body)
        && let Ok(found) = find(body, place, claimed, macs)
    {
        return found;
    }
    let located = locate(body).map_err(Refusal::MalformedBody)?;
    find(body, located.ok_or(Refusal::NoResult)?, claimed, macs).map_err(Refusal::MalformedBody)?
}

/// Looks for the message that is signed at a place, which is wrong where the bytes that stand
/// there are no JSON: a match shows that the signer wrote them, and so that they are a value; all
/// others are read.
fn find(
    body: &[u8],
    Place { signed, event }: Place,
    claimed: &[u8; 32],
    macs: &mut Macs,
) -> Result<Result<Verified, Refusal>, SyntaxError> {
    let message = body.get(signed.clone()).unwrap_or_default();
    // A guess before this may have been refused halfway.
    macs.reset();
    let raw = |macs: &mut Macs| {
        macs.put(message);
        macs.find(claimed).map(|secret| (secret, Matched::Raw))
    };
    let rebuilt = |macs: &mut Macs| {
        stringify_into(message, macs)?;
        Ok(macs.find(claimed).map(|secret| (secret, Matched::Canonical)))
    };
    let found = if is_respaced(message) {
        rebuilt(macs)?.or_else(|| raw(macs))
    } else {
        match raw(macs) {
            Some(found) => Some(found),
            None => rebuilt(macs)?,
        }
    };
    let generation = if event.is_some() { Generation::Current } else { Generation::Legacy };
    let verified =
        |(secret_index, matched)| Verified { signed, event, generation, matched, secret_index };
    Ok(found.map(verified).ok_or(Refusal::Mismatch))
}

/// Whether the JSON text surely is not as `JSON.stringify` writes it: there are spaces at its start.
fn is_respaced(text: &[u8]) -> bool {
    // A quote behind one of these may open a string, or stand in one.
    let closes = |byte| !b"[,:{\\".contains(byte);
    let start = text.get(..64).unwrap_or(text);
    matches!(start, [b'[' | b'{', b' ' | b'\n' | b'\r' | b'\t', ..])
        || start.windows(4).any(|at| matches!(at, [before, b'"', b':', b' '] if closes(before)))
}

/// The 32 bytes that the header claims to be the signature.
fn claimed(header: Option<&[u8]>) -> Result<[u8; 32], Refusal> {
    let header = header.unwrap_or_default().trim_ascii();
    if header.is_empty() {
        return Err(Refusal::MissingHeader);
    }
    let mut decoded = [0; 33];
    match STANDARD.decode_slice(header, &mut decoded) {
        Ok(32) => decoded.first_chunk().copied().ok_or(Refusal::WrongLength),
        Ok(_) | Err(DecodeSliceError::OutputSliceTooSmall) => Err(wrong_length(header)),
        Err(DecodeSliceError::DecodeError(_)) => Err(Refusal::NotBase64),
    }
}

/// What is wrong with a header that is longer or shorter than a signature.
fn wrong_length(header: &[u8]) -> Refusal {
    STANDARD.decode(header).map_or(Refusal::NotBase64, |_| Refusal::WrongLength)
}
