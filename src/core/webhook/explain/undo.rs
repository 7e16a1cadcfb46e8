//! Undoes what programs do to a body by mistake. `None` where it does not look as if they had.
//!
//! Each takes one pass, and gives at most three bytes for one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::python;
use super::reason::Reason;
use crate::core::javascript::{Event, Reader};

/// Gives the body as it was before a mistake, if it looks as if that had been made.
type Undo = fn(&[u8]) -> Option<Vec<u8>>;

/// What may have been done to a body as a whole.
pub(super) const FORMS: [(Undo, Reason); 7] = [
    (byte_order_mark, Reason::ByteOrderMark),
    (utf16, Reason::EncodedAsUtf16),
    (latin1, Reason::EncodedAsLatin1),
    (cp1252, Reason::EncodedAsLatin1),
    (python::bytes, Reason::PythonBytes),
    (python::dict, Reason::PythonDict),
    (base64, Reason::Base64Body),
];

/// The characters of the bytes 0x80 to 0x9f in cp1252; the five that have none stand for controls.
const CP1252: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}',
    '\u{2c6}', '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}',
    '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}',
    '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
]; // fmt: skip

/// UTF-8 that was decoded as latin-1 or cp1252 and encoded again.
pub(super) fn mojibake(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let bytes = text.chars().map(byte_of).collect::<Option<Vec<_>>>()?;
    (!bytes.is_ascii() && std::str::from_utf8(&bytes).is_ok()).then_some(bytes)
}

/// The byte that is this character in latin-1 or in cp1252.
fn byte_of(char: char) -> Option<u8> {
    if let Ok(byte) = u8::try_from(char) {
        return Some(byte);
    }
    let place = CP1252.iter().position(|&other| other == char)?;
    u8::try_from(0x80 + place).ok()
}

fn byte_order_mark(body: &[u8]) -> Option<Vec<u8>> {
    body.trim_ascii_start().strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec)
}

fn utf16(body: &[u8]) -> Option<Vec<u8>> {
    let (read, rest): (fn([u8; 2]) -> u16, _) = match body {
        [0xff, 0xfe, rest @ ..] => (u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => (u16::from_be_bytes, rest),
        [0, 0, ..] => return None,
        [_, 0, ..] => (u16::from_le_bytes, body),
        [0, _, ..] => (u16::from_be_bytes, body),
        _ => return None,
    };
    let (units, []) = rest.as_chunks::<2>() else { return None };
    let chars = char::decode_utf16(units.iter().map(|&unit| read(unit)));
    Some(chars.collect::<Result<String, _>>().ok()?.into_bytes())
}

fn latin1(body: &[u8]) -> Option<Vec<u8>> {
    single_bytes(body, char::from)
}

fn cp1252(body: &[u8]) -> Option<Vec<u8>> {
    let char = |byte: u8| match byte {
        0x80..=0x9f => CP1252.get(usize::from(byte & 0x1f)).copied().unwrap_or(char::from(byte)),
        _ => char::from(byte),
    };
    body.iter().any(|byte| matches!(byte, 0x80..=0x9f)).then(|| single_bytes(body, char))?
}

fn single_bytes(body: &[u8], char: impl Fn(u8) -> char) -> Option<Vec<u8>> {
    if std::str::from_utf8(body).is_ok() {
        return None;
    }
    Some(body.iter().map(|&byte| char(byte)).collect::<String>().into_bytes())
}

/// The content of a JSON text that is a string.
pub(super) fn json_string(text: &[u8]) -> Option<Vec<u8>> {
    if text.first() != Some(&b'"') {
        return None;
    }
    match Reader::new(text).next_event() {
        Ok(Some(Event::String(text))) => Some(text.decode().into_owned()),
        _ => None,
    }
}

/// Decodes base64 of either alphabet, padded or not, on one line or more.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|&byte| byte != b'=' && !byte.is_ascii_whitespace())?;
    let mut digits = Vec::with_capacity(end + 1);
    for &byte in text.get(..=end)? {
        match byte {
            b'-' => digits.push(b'+'),
            b'_' => digits.push(b'/'),
            b'+' | b'/' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => digits.push(byte),
            b'\r' | b'\n' => {}
            _ => return None,
        }
    }
    STANDARD_NO_PAD.decode(digits).ok()
}
