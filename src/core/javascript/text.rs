//! The text between the quotes of a JSON string, and what it stands for.

use std::borrow::Cow;

use super::scan;

/// A string or a key: the bytes between its quotes, checked but not yet unescaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

/// One step through an escaped text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes that stand for themselves.
    Plain(&'a str),
    /// An escaped character.
    Char(char),
    /// Half of a surrogate pair without its other half.
    Surrogate(u16),
}

impl<'a> Text<'a> {
    /// What stands between two quotes; `escaped` where a backslash is in it.
    #[must_use]
    pub fn new(raw: &'a str, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The text of the string whose opening quote is at `offset` of text that was read before.
    pub(super) fn at(text: &'a str, offset: usize) -> Self {
        let start = offset + 1;
        let (mut end, mut escaped) = (start, false);
        loop {
            end = scan::special(text.as_bytes(), end);
            if text.as_bytes().get(end) != Some(&b'\\') {
                return Self::new(text.get(start..end).unwrap_or_default(), escaped);
            }
            end += 2;
            escaped = true;
        }
    }

    /// The bytes between the quotes, as they stand in the JSON.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// The string itself, where it has no escapes.
    #[must_use]
    #[inline]
    pub fn plain(&self) -> Option<&'a str> {
        if self.escaped { None } else { Some(self.raw) }
    }

    /// The string in WTF-8: UTF-8, but a lone surrogate keeps its three bytes.
    #[must_use]
    pub fn decode(&self) -> Cow<'a, [u8]> {
        if !self.escaped {
            return Cow::Borrowed(self.raw.as_bytes());
        }
        let mut out = Vec::with_capacity(self.raw.len());
        for piece in self.pieces() {
            match piece {
                Piece::Plain(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Char(char) => {
                    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Piece::Surrogate(unit) => out.extend_from_slice(&wtf8(unit)),
            }
        }
        Cow::Owned(out)
    }

    pub(super) fn pieces(&self) -> Pieces<'a> {
        Pieces { rest: self.raw }
    }
}

fn wtf8(unit: u16) -> [u8; 3] {
    let [high, low] = unit.to_be_bytes();
    [0xe0 | high >> 4, 0x80 | (high & 0x0f) << 2 | low >> 6, 0x80 | low & 0x3f]
}

/// Walks a text's pieces.
pub(super) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if !self.rest.starts_with('\\') {
            let end = scan::special(self.rest.as_bytes(), 0);
            return Some(Piece::Plain(self.take(end)));
        }
        let simple = match self.take(2).as_bytes().get(1)? {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return Some(self.unicode()),
            &other => char::from(other),
        };
        Some(Piece::Char(simple))
    }
}

impl<'a> Pieces<'a> {
    fn take(&mut self, len: usize) -> &'a str {
        let (head, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        head
    }

    fn unicode(&mut self) -> Piece<'a> {
        let unit = hex(self.take(4));
        if let Some(char) = char::from_u32(unit.into()) {
            return Piece::Char(char);
        }
        let low = self.rest.strip_prefix("\\u").and_then(|rest| rest.get(..4)).map(hex);
        if let (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) = (unit, low) {
            let code = 0x1_0000 + (u32::from(unit & 0x3ff) << 10) + u32::from(low & 0x3ff);
            self.take(6);
            return Piece::Char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Piece::Surrogate(unit)
    }
}

fn hex(digits: &str) -> u16 {
    u16::from_str_radix(digits, 16).unwrap_or_default()
}
