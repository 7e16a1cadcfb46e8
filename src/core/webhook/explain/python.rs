//! Reads what Python's `str` makes of bytes and of dicts, as JSON.

use memchr::memchr;

/// The bytes of a text like `b'...'`.
pub(super) fn bytes(body: &[u8]) -> Option<Vec<u8>> {
    let quoted = body.trim_ascii().strip_prefix(b"b")?;
    let (&quote, rest) = quoted.split_first()?;
    if !matches!(quote, b'\'' | b'"') {
        return None;
    }
    let mut rest = rest.strip_suffix(&[quote])?;
    let mut out = Vec::with_capacity(rest.len());
    while let Some(at) = memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (byte, behind) = match escape {
            [_, b'n', behind @ ..] => (b'\n', behind),
            [_, b'r', behind @ ..] => (b'\r', behind),
            [_, b't', behind @ ..] => (b'\t', behind),
            [_, b'x', high, low, behind @ ..] => (hex(*high, *low)?, behind),
            [_, other @ (b'\\' | b'\'' | b'"'), behind @ ..] => (*other, behind),
            _ => return None,
        };
        out.push(byte);
        rest = behind;
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Whether a text starts like a dict, or a list of dicts, whose first key is in single quotes.
pub(super) fn looks_like_dict(body: &[u8]) -> bool {
    let text = body.trim_ascii_start();
    let text = text.strip_prefix(b"[").unwrap_or(text);
    text.starts_with(b"{'")
}

/// The JSON of a dict or list, or nearly JSON where it is none.
pub(super) fn dict(body: &[u8]) -> Option<Vec<u8>> {
    if !looks_like_dict(body) {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() + body.len() / 8);
    let mut rest = body;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match byte {
            b'\'' | b'"' => string(byte, behind, &mut out)?,
            b'T' => word(rest, b"True", b"true", &mut out)?,
            b'F' => word(rest, b"False", b"false", &mut out)?,
            b'N' => word(rest, b"None", b"null", &mut out)?,
            _ => {
                out.push(byte);
                behind
            }
        };
    }
    Some(out)
}

fn word<'a>(rest: &'a [u8], python: &[u8], json: &[u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    out.extend_from_slice(json);
    rest.strip_prefix(python)
}

/// Writes a string whose opening quote was read; gives what is behind it.
fn string<'a>(quote: u8, mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    out.push(b'"');
    loop {
        let (plain, special) =
            rest.split_at(rest.iter().position(|byte| matches!(byte, b'\'' | b'"' | b'\\'))?);
        out.extend_from_slice(plain);
        rest = match special {
            [byte, behind @ ..] if *byte == quote => {
                out.push(b'"');
                return Some(behind);
            }
            [b'\\', b'\'', behind @ ..] | [b'\'', behind @ ..] => {
                out.push(b'\'');
                behind
            }
            [b'\\', b'"', behind @ ..] | [b'"', behind @ ..] => {
                out.extend_from_slice(b"\\\"");
                behind
            }
            [b'\\', b'x', behind @ ..] => {
                out.extend_from_slice(b"\\u00");
                behind
            }
            [b'\\', b'U', behind @ ..] => astral(behind, out)?,
            [b'\\', escaped @ (b'\\' | b'n' | b'r' | b't' | b'u'), behind @ ..] => {
                out.extend_from_slice(&[b'\\', *escaped]);
                behind
            }
            _ => return None,
        };
    }
}

/// Writes the character of an escape like `\U0001f600`.
fn astral<'a>(digits: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (digits, behind) = digits.split_at_checked(8)?;
    let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    Some(behind)
}
