//! Reads a signature out of a header that is not as it should be.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::reason::Reason;
use super::undo;

/// The longest header that is looked at: twice encoded and dressed, a signature is shorter.
const LONGEST: usize = 1024;

/// A header from which 32 bytes could be read.
pub(super) struct Reading {
    pub(super) claimed: [u8; 32],
    /// What is wrong with the form in which they are written.
    pub(super) mistakes: Vec<Reason>,
}

/// Reads a header in any form that is usual for signatures.
pub(super) fn read(header: &[u8]) -> Option<Reading> {
    let header = header.trim_ascii();
    if header.len() > LONGEST {
        return None;
    }
    if let Some(claimed) = standard(header) {
        return Some(Reading { claimed, mistakes: Vec::new() });
    }
    let bare = undress(header);
    let (claimed, mistake) = standard(bare)
        .map(|claimed| (claimed, None))
        .or_else(|| Some((hex(bare)?, Some(Reason::HexSignature))))
        .or_else(|| variant(bare))?;
    let dressed = (bare.len() < header.len()).then_some(Reason::DressedHeader);
    Some(Reading { claimed, mistakes: mistake.into_iter().chain(dressed).collect() })
}

fn standard(text: &[u8]) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// Takes away what is around a value: quotes, Python's `b''`, `sha256=`, the same value again.
fn undress(header: &[u8]) -> &[u8] {
    let mut bare = header.split(|&byte| byte == b',').next().unwrap_or_default().trim_ascii();
    for (start, end) in [("b'", "'"), ("b\"", "\""), ("\"", "\""), ("'", "'"), ("sha256=", "")] {
        let inner = bare.strip_prefix(start.as_bytes());
        let inner = inner.and_then(|inner| inner.strip_suffix(end.as_bytes()));
        bare = inner.unwrap_or(bare);
    }
    bare.trim_ascii()
}

fn hex(text: &[u8]) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8; 2]| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok();
    pairs.iter().map(byte).collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// Base64 in another alphabet or without padding, and base64 of hex digits.
fn variant(text: &[u8]) -> Option<([u8; 32], Option<Reason>)> {
    let decoded = undo::base64(text)?;
    match <[u8; 32]>::try_from(decoded) {
        Ok(claimed) => Some((claimed, Some(Reason::Base64Variant))),
        Err(decoded) => Some((hex(&decoded)?, Some(Reason::HexSignature))),
    }
}
