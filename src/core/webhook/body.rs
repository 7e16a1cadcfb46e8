//! Which bytes of a body are signed.
//!
//! Of a key that comes twice, `JSON.parse` and Python's `json` take the last value: so does this,
//! or a forger could put an old, signed `result` in front of his own. Reading a body whole takes
//! longer than hashing it, so both ends of it are looked at first for a [`guess`].

use std::ops::Range;

use memchr::memrchr_iter;

use crate::core::javascript::{Event, Reader, SyntaxError};

/// How far from either end of a body a guess looks, in bytes.
const WINDOW: usize = 4096;
/// How far from its start a guess looks first.
const USUAL: usize = 128;
/// How many places a guess takes for the end of `result` before it gives up.
const TRIES: usize = 8;

/// The two kinds of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// `{"event": ..., "result": [...]}`
    Current,
    /// `{"result": [...]}` or the bare list: old configurations.
    Legacy,
}

/// What stands at the top of a JSON text.
pub(super) enum Top<const N: usize> {
    /// An array, and where it is.
    Array(Range<usize>),
    /// An object, and where the values of the keys in question are.
    Object([Option<Range<usize>>; N]),
    /// Neither.
    Scalar,
}

/// Reads the whole text, and finds the last values of some keys of the object at its top.
pub(super) fn survey<const N: usize>(text: &[u8], keys: [&str; N]) -> Result<Top<N>, SyntaxError> {
    let mut reader = Reader::new(text);
    let mut found = [const { None }; N];
    let mut wanted = None;
    let mut start = None;
    let mut top = Top::Scalar;
    let first = reader.next_event()?;
    let from = reader.start();
    while let Some(event) = reader.next_event()? {
        if let Event::Key(key) = event {
            if reader.depth() == 1 {
                let key = key.decode();
                wanted = keys.iter().position(|name| name.as_bytes() == key.as_ref());
            }
            continue;
        }
        let start_of_value = *start.get_or_insert(reader.start());
        if reader.depth() <= 1 {
            if let Some(slot) = wanted.take().and_then(|slot| found.get_mut(slot)) {
                *slot = Some(start_of_value..reader.offset());
            }
            start = None;
        }
    }
    match first {
        Some(Event::StartArray) => top = Top::Array(from..reader.offset()),
        Some(Event::StartObject) => top = Top::Object(found),
        _ => {}
    }
    Ok(top)
}

/// The elements of an array, each as the range it takes up.
pub(super) fn elements(array: &[u8]) -> Result<Vec<Range<usize>>, SyntaxError> {
    let mut reader = Reader::new(array);
    let mut found = Vec::new();
    let mut start = None;
    reader.next_event()?;
    while let Some(event) = reader.next_event()? {
        let from = *start.get_or_insert(reader.start());
        if reader.depth() == 1 && !matches!(event, Event::Key(_)) {
            found.push(from..reader.offset());
            start = None;
        }
    }
    Ok(found)
}

/// Where the signed bytes and the event are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) signed: Range<usize>,
    pub(super) event: Option<Range<usize>>,
}

/// Where the signed bytes and the event are, if the body is a delivery at all. Reads it whole.
pub(super) fn locate(body: &[u8]) -> Result<Option<Place>, SyntaxError> {
    Ok(match survey(body, ["result", "event"])? {
        Top::Array(signed) => Some(Place { signed, event: None }),
        Top::Object([result, event]) => result.map(|signed| Place { signed, event }),
        Top::Scalar => None,
    })
}

/// Where the signed bytes are if they are one JSON value: what is in front of them and behind
/// them was read, and has no other `result` after them; they were not looked at.
pub(super) fn guess(body: &[u8]) -> Option<Place> {
    let start = body.iter().position(|&byte| !is_space(byte))?;
    if body.get(start) == Some(&b'[') {
        let signed = start..body.iter().rposition(|&byte| !is_space(byte))? + 1;
        return Some(Place { signed, event: None });
    }
    let front = front(body, USUAL).or_else(|| front(body, WINDOW))?;
    let from = body.len().saturating_sub(WINDOW).max(front.signed.start);
    let brackets = memrchr_iter(b']', body.get(from..)?).take(TRIES);
    brackets.map(|bracket| from + bracket + 1).find_map(|end| back(body, &front, end))
}

/// What is in front of the first `result`, whose end is not known.
fn front(body: &[u8], window: usize) -> Option<Place> {
    let mut reader = Reader::of(valid_start(body.get(..window).unwrap_or(body)));
    let mut event = None;
    if reader.next_event().ok()?? != Event::StartObject {
        return None;
    }
    while let Some(Event::Key(key)) = reader.next_event().ok()? {
        let key = key.decode();
        if key.as_ref() == b"result" {
            reader.next_event().ok()??;
            return Some(Place { signed: reader.start()..reader.start(), event });
        }
        let value = value(&mut reader)?;
        if key.as_ref() == b"event" {
            event = Some(value);
        }
    }
    None
}

/// The place of a `result` that ends at `end`, if what is behind can follow a member's value.
fn back(body: &[u8], front: &Place, end: usize) -> Option<Place> {
    let rest = std::str::from_utf8(body.get(end..)?).ok()?;
    let mut reader = Reader::behind_member(rest);
    let mut event = front.event.clone();
    while let Some(Event::Key(key)) = reader.next_event().ok()? {
        let value = value(&mut reader)?;
        match key.decode().as_ref() {
            b"result" => return None,
            b"event" => event = Some(end + value.start..end + value.end),
            _ => {}
        }
    }
    let ended = reader.next_event().ok()?.is_none();
    ended.then_some(Place { signed: front.signed.start..end, event })
}

/// Reads the value of a member of the outermost object.
fn value(reader: &mut Reader<'_>) -> Option<Range<usize>> {
    reader.next_event().ok()??;
    let start = reader.start();
    while reader.depth() > 1 {
        reader.next_event().ok()??;
    }
    Some(start..reader.offset())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// As much of a text, from its start, as is UTF-8.
fn valid_start(text: &[u8]) -> &str {
    let cut = std::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), str::len);
    std::str::from_utf8(text.get(..cut).unwrap_or_default()).unwrap_or_default()
}
