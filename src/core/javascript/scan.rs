//! Finds where a JSON string stops being plain, eight bytes at a time, and where a number ends.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The position of the first quote, backslash or control character (below 0x20) at or behind
/// `from`; the length of `bytes` where there is none.
#[inline]
pub(super) fn special(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let hits = specials(u64::from_le_bytes(*chunk));
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        at += 1;
    }
    at
}

/// The high bit of each special byte. A borrow can only mark bytes above a true hit, so the
/// lowest mark is always right.
#[inline]
fn specials(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let found = (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word);
    found & HIGH
}

/// The position of the first byte at or behind `from` that is no white space.
#[inline]
pub(super) fn behind_space(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

pub(super) const UNKNOWN_ESCAPE: &str = "an escape that JSON does not know";

/// How long the escape at `at` is; `None` where JSON has no such escape.
pub(super) fn escape(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1..).unwrap_or_default() {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|hex| hex.is_ascii_hexdigit()) => Some(6),
        _ => None,
    }
}

/// Where the number that starts at `from` ends; or where a digit is missing.
#[inline]
pub(super) fn number(bytes: &[u8], from: usize) -> Result<usize, usize> {
    let peek = |at: usize| bytes.get(at).copied();
    let mut at = if peek(from) == Some(b'-') { from + 1 } else { from };
    at = if peek(at) == Some(b'0') { at + 1 } else { digits(bytes, at)? };
    if peek(at) == Some(b'.') {
        at = digits(bytes, at + 1)?;
    }
    if matches!(peek(at), Some(b'e' | b'E')) {
        let signed = matches!(peek(at + 1), Some(b'+' | b'-'));
        at = digits(bytes, at + 1 + usize::from(signed))?;
    }
    Ok(at)
}

#[inline]
fn digits(bytes: &[u8], from: usize) -> Result<usize, usize> {
    let mut at = from;
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at == from { Err(at) } else { Ok(at) }
}
