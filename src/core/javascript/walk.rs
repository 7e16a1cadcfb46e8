//! Walks over JSON text at once: quicker than event by event, and as strictly.

use std::ops::Range;

use super::members::{Behind, Last, Members};
use super::nesting::{Container, Nesting};
use super::scan;
use super::text::Text;

/// What is told on the way. Where a step gives `None` the walk ends.
pub trait Visit<'a> {
    /// The key that was told to be new at this place the last time; its value follows.
    fn key(&mut self, place: usize) -> Option<()>;
    /// A key that has this place from now on, or none; its value follows.
    fn new_key(&mut self, place: Option<usize>, key: Text<'a>) -> Option<()>;
    /// A string, and whether it has escapes.
    fn string(&mut self, between_quotes: Range<usize>, escaped: bool) -> Option<()>;
    /// A number.
    fn number(&mut self, number: Range<usize>) -> Option<()>;
    /// `true` or `false`, or `null`.
    fn word(&mut self, word: Option<bool>) -> Option<()>;
    /// A list or an object begins.
    fn start(&mut self, is_object: bool) -> Option<()>;
    /// The innermost list or object ends.
    fn end(&mut self, end: usize) -> Option<()>;
}

/// Walks over the value that stands at `start`, or white space before it, and is nested at most
/// `depth` levels deep. Gives where it ends; `None` where it is not JSON or the visitor stopped.
#[inline]
pub fn walk<'a, V: Visit<'a>>(
    text: &'a str,
    start: usize,
    depth: usize,
    members: &mut Members,
    visitor: &mut V,
) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut open, mut last) = (Nesting::default(), Last::default());
    let mut at = start;
    'value: loop {
        match *bytes.get(at)? {
            b'"' => {
                let (end, escaped) = string(bytes, at + 1)?;
                visitor.string(at + 1..end, escaped)?;
                at = end + 1;
            }
            b'-' | b'0'..=b'9' => {
                let end = scan::number(bytes, at).ok()?;
                visitor.number(at..end)?;
                at = end;
            }
            b'{' | b'[' if open.depth() >= depth => return None,
            b'{' => {
                visitor.start(true)?;
                at = scan::behind_space(bytes, at + 1);
                open.push(Container::Object);
                if *bytes.get(at)? != b'}' {
                    (at, last) = key(text, at, members, (last, Behind::Brace), visitor)?;
                    continue 'value;
                }
            }
            b'[' => {
                visitor.start(false)?;
                at = scan::behind_space(bytes, at + 1);
                open.push(Container::Array);
                if *bytes.get(at)? != b']' {
                    continue 'value;
                }
            }
            b't' => at = word(bytes, at, b"true", Some(true), visitor)?,
            b'f' => at = word(bytes, at, b"false", Some(false), visitor)?,
            b'n' => at = word(bytes, at, b"null", None, visitor)?,
            b' ' | b'\n' | b'\r' | b'\t' => {
                at = scan::behind_space(bytes, at);
                continue 'value;
            }
            _ => return None,
        }
        while let Some(container) = open.last() {
            let byte = *bytes.get(at)?;
            at += 1;
            let end = if container == Container::Object { b'}' } else { b']' };
            if byte == b',' {
                if container == Container::Object {
                    (at, last) = key(text, at, members, (last, Behind::Comma), visitor)?;
                }
                continue 'value;
            }
            if byte == end {
                open.pop();
                visitor.end(at)?;
            } else if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return None;
            }
        }
        return Some(at);
    }
}

/// Reads the key at `at`, or behind white space: where its value follows, and which one it is.
#[inline(always)]
fn key<'a>(
    text: &'a str,
    at: usize,
    members: &mut Members,
    before: (Last, Behind),
    visitor: &mut impl Visit<'a>,
) -> Option<(usize, Last)> {
    if let Some((len, found)) = members.expected(text.as_bytes().get(at..)?, before) {
        visitor.key(found.place())?;
        return Some((at + len, found));
    }
    other_key(text, at, members, before, visitor)
}

#[inline(never)]
fn other_key<'a>(
    text: &'a str,
    at: usize,
    members: &mut Members,
    before: (Last, Behind),
    visitor: &mut impl Visit<'a>,
) -> Option<(usize, Last)> {
    let bytes = text.as_bytes();
    let start = scan::behind_space(bytes, at);
    if start > at
        && let Some((len, found)) = members.expected(bytes.get(start..)?, before)
    {
        visitor.key(found.place())?;
        return Some((start + len, found));
    }
    if *bytes.get(start)? != b'"' {
        return None;
    }
    let (end, escaped) = string(bytes, start + 1)?;
    let colon = scan::behind_space(bytes, end + 1);
    if *bytes.get(colon)? != b':' {
        return None;
    }
    let key = Text::new(text.get(start + 1..end)?, escaped);
    let last = match members.learn(bytes.get(start..=colon)?, before) {
        Some((found, true)) => {
            visitor.new_key(Some(found.place()), key)?;
            found
        }
        Some((found, false)) => {
            visitor.key(found.place())?;
            found
        }
        None => {
            visitor.new_key(None, key)?;
            before.0
        }
    };
    Some((colon + 1, last))
}

/// Where the quote stands that ends the string, and whether it has escapes.
#[inline(always)]
fn string(bytes: &[u8], from: usize) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (from, false);
    loop {
        at = scan::special(bytes, at);
        match *bytes.get(at)? {
            b'"' => return Some((at, escaped)),
            b'\\' => at += scan::escape(bytes, at)?,
            _ => return None,
        }
        escaped = true;
    }
}

#[inline(always)]
fn word<'a>(
    bytes: &[u8],
    at: usize,
    word: &[u8],
    value: Option<bool>,
    visitor: &mut impl Visit<'a>,
) -> Option<usize> {
    if !bytes.get(at..)?.starts_with(word) {
        return None;
    }
    let end = at + word.len();
    visitor.word(value)?;
    Some(end)
}
