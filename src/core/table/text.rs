//! Text that may hold halves of surrogate pairs, which JSON can name and UTF-8 cannot hold.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Text as Python and JavaScript have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Text {
    /// Nearly all. Shared by the rows of an exploded array, and by objects with the same keys.
    Plain(Arc<str>),
    /// In WTF-8: a half of a pair has the three bytes that its number would have.
    Halves(Box<[u8]>),
}

impl Text {
    /// Takes text in WTF-8.
    #[must_use]
    pub fn of(wtf8: Vec<u8>) -> Self {
        match String::from_utf8(wtf8) {
            Ok(text) => Self::Plain(text.into()),
            Err(odd) => Self::Halves(odd.into_bytes().into()),
        }
    }

    /// The text, where it has no halves.
    #[must_use]
    pub fn plain(&self) -> Option<&str> {
        if let Self::Plain(text) = self { Some(text) } else { None }
    }

    /// The text in WTF-8.
    #[must_use]
    pub fn wtf8(&self) -> &[u8] {
        match self {
            Self::Plain(text) => text.as_bytes(),
            Self::Halves(text) => text,
        }
    }

    /// The text with U+FFFD for each half.
    #[must_use]
    pub fn lossy(&self) -> Cow<'_, str> {
        match self {
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Halves(text) => Cow::Owned(lossy(text)),
        }
    }

    /// The text, which is JSON, with an escape for each half: those can only stand in strings.
    #[must_use]
    pub fn escaped(&self) -> Cow<'_, str> {
        match self {
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Halves(text) => Cow::Owned(replaced(text, |out, unit| {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            })),
        }
    }
}

/// Text in WTF-8 with U+FFFD for each half.
#[must_use]
pub fn lossy(wtf8: &[u8]) -> String {
    replaced(wtf8, |out, _| out.push(char::REPLACEMENT_CHARACTER))
}

fn replaced(mut rest: &[u8], half: impl Fn(&mut String, u16)) -> String {
    let mut out = String::with_capacity(rest.len());
    loop {
        let valid = match std::str::from_utf8(rest) {
            Ok(_) => rest.len(),
            Err(odd) => odd.valid_up_to(),
        };
        let (text, odd) = rest.split_at(valid);
        out.push_str(std::str::from_utf8(text).unwrap_or_default());
        match (surrogate(odd), odd.get(3..).and_then(surrogate)) {
            // Two halves that somebody put side by side are a pair.
            (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
                out.extend(char::decode_utf16([high, low]).flatten());
                rest = &odd[6..];
            }
            (Some(unit), _) => {
                half(&mut out, unit);
                rest = &odd[3..];
            }
            (None, _) if odd.is_empty() => return out,
            (None, _) => {
                out.push(char::REPLACEMENT_CHARACTER);
                rest = &odd[1..];
            }
        }
    }
}

/// The half of a pair that a text begins with.
fn surrogate(wtf8: &[u8]) -> Option<u16> {
    let [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] = *wtf8 else { return None };
    Some(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f))
}
