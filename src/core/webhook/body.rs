//! Which bytes of a body are signed.
//!
//! Of a key that comes twice, `JSON.parse` and Python's `json` take the last value: so does this,
//! or a forger could put an old, signed `result` in front of his own.

use std::ops::Range;

use crate::core::javascript::{Event, Reader, SyntaxError};

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
