//! One look through a body: where deliveries may be in it, and whether its keys are sorted.

use std::ops::Range;

use crate::core::javascript::{Event, Reader, SyntaxError, Text};

/// How many deliveries inside an envelope are tried.
const MOST_INNER: usize = 8;

/// What a JSON text shows.
#[derive(Default)]
pub(super) struct Sight<'a> {
    /// What would be signed: the last `result` of the object at the top, or the array there.
    pub(super) result: Option<Range<usize>>,
    /// Arrays under the key `result` further inside, none of them within another.
    pub(super) inner: Vec<Range<usize>>,
    /// The string at the top, if it is one.
    pub(super) string: Option<Text<'a>>,
    /// The longest string value.
    pub(super) longest: Option<Text<'a>>,
    /// Whether the keys of every object are in alphabetical order.
    pub(super) sorted: bool,
    /// How many keys the largest object has.
    pub(super) most_keys: u32,
}

/// An array or object that is open: where it starts, and of an object the keys so far.
struct Open<'a> {
    start: usize,
    under_result: bool,
    last_key: Option<Text<'a>>,
    keys: u32,
}

/// Looks through a body.
pub(super) fn look(text: &[u8]) -> Result<Sight<'_>, SyntaxError> {
    let mut reader = Reader::new(text);
    let mut sight = Sight { sorted: true, ..Sight::default() };
    let mut open: Vec<Open<'_>> = Vec::new();
    // How deep the array under an inner `result` is that is being read.
    let mut inside = None;
    let mut under_result = false;
    while let Some(event) = reader.next_event()? {
        match event {
            Event::Key(key) => {
                under_result = key.decode().as_ref() == b"result";
                sight.see_key(key, open.last_mut());
                continue;
            }
            Event::StartArray | Event::StartObject => {
                let array = event == Event::StartArray;
                if array && under_result && open.len() > 1 && inside.is_none() {
                    inside = Some(open.len());
                }
                let start = reader.start();
                open.push(Open { start, under_result, last_key: None, keys: 0 });
                under_result = false;
                continue;
            }
            Event::String(text) => sight.see_string(text, open.is_empty()),
            _ => {}
        }
        let (start, of_result) = if matches!(event, Event::EndArray | Event::EndObject) {
            open.pop().map_or((reader.start(), false), |open| (open.start, open.under_result))
        } else {
            (reader.start(), under_result)
        };
        under_result = false;
        let value = start..reader.offset();
        if open.is_empty() && event == Event::EndArray || open.len() == 1 && of_result {
            sight.result = Some(value);
        } else if inside == Some(open.len()) {
            inside = None;
            if sight.inner.len() < MOST_INNER {
                sight.inner.push(value);
            }
        }
    }
    Ok(sight)
}

impl<'a> Sight<'a> {
    fn see_key(&mut self, key: Text<'a>, object: Option<&mut Open<'a>>) {
        let Some(object) = object else { return };
        object.keys += 1;
        self.most_keys = self.most_keys.max(object.keys);
        if object.last_key.is_some_and(|last| last.decode() >= key.decode()) {
            self.sorted = false;
        }
        object.last_key = Some(key);
    }

    fn see_string(&mut self, text: Text<'a>, at_the_top: bool) {
        if at_the_top {
            self.string = Some(text);
        }
        if self.longest.is_none_or(|longest| longest.raw().len() < text.raw().len()) {
            self.longest = Some(text);
        }
    }
}
