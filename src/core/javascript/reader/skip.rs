//! Reads over values that nobody asked for, as strictly as those that are read event by event.

use std::ops::Range;

use super::super::nesting::Container;
use super::super::scan;
use super::{MAX_DEPTH, Reader, SyntaxError};

/// What is wrong, and where.
type Wrong = (usize, &'static str);

impl Reader<'_> {
    /// Reads over the value of the key that was read last; tells where it stands.
    pub fn skip_value(&mut self) -> Result<Range<usize>, SyntaxError> {
        let start = scan::behind_space(self.text.as_bytes(), self.at);
        match self.behind_value(start) {
            Ok(end) => {
                (self.start, self.at) = (start, end);
                self.value_ended();
                Ok(start..end)
            }
            Err((at, what)) => {
                self.at = at;
                self.error(what);
                Err(self.error)
            }
        }
    }

    fn behind_value(&mut self, start: usize) -> Result<usize, Wrong> {
        let bytes = self.text.as_bytes();
        let outside = self.open.depth();
        let mut at = start;
        'value: loop {
            at = match bytes.get(at) {
                Some(b'"') => scan::string(bytes, at + 1)?,
                Some(b'-' | b'0'..=b'9') => {
                    scan::number(bytes, at).map_err(|bad| (bad, "expected a digit"))?
                }
                Some(&opening @ (b'{' | b'[')) => match self.enter(at, opening)? {
                    (inside, true) => {
                        at = inside;
                        continue 'value;
                    }
                    (behind, false) => behind,
                },
                _ => word(bytes, at)?,
            };
            while self.open.depth() > outside {
                at = scan::behind_space(bytes, at);
                match (bytes.get(at), self.open.last()) {
                    (Some(b','), Some(Container::Array)) => {
                        at = scan::behind_space(bytes, at + 1);
                        continue 'value;
                    }
                    (Some(b','), Some(Container::Object)) => {
                        at = behind_key(bytes, scan::behind_space(bytes, at + 1))?;
                        continue 'value;
                    }
                    (Some(b']'), Some(Container::Array))
                    | (Some(b'}'), Some(Container::Object)) => self.open.pop(),
                    _ => return Err((at, "expected a comma or the end")),
                };
                at += 1;
            }
            return Ok(at);
        }
    }

    /// Goes into a list or an object, to its first value: true; or behind it, if it is empty.
    #[inline]
    fn enter(&mut self, at: usize, opening: u8) -> Result<(usize, bool), Wrong> {
        if self.open.depth() >= MAX_DEPTH {
            return Err((at, "nested too deeply"));
        }
        let bytes = self.text.as_bytes();
        let inside = scan::behind_space(bytes, at + 1);
        let (container, end) = match opening {
            b'[' => (Container::Array, b']'),
            _ => (Container::Object, b'}'),
        };
        if bytes.get(inside) == Some(&end) {
            return Ok((inside + 1, false));
        }
        self.open.push(container);
        match container {
            Container::Array => Ok((inside, true)),
            Container::Object => Ok((behind_key(bytes, inside)?, true)),
        }
    }
}

/// Where the value stands whose key is at `at`.
#[inline]
fn behind_key(bytes: &[u8], at: usize) -> Result<usize, Wrong> {
    match bytes.get(at) {
        Some(b'"') => {}
        Some(_) => return Err((at, "expected a key")),
        None => return Err((at, "the text ends too early")),
    }
    let at = scan::behind_space(bytes, scan::string(bytes, at + 1)?);
    if bytes.get(at) != Some(&b':') {
        return Err((at, "expected a colon"));
    }
    Ok(scan::behind_space(bytes, at + 1))
}

fn word(bytes: &[u8], at: usize) -> Result<usize, Wrong> {
    let rest = bytes.get(at..).unwrap_or_default();
    let word = ["true", "false", "null"].iter().find(|word| rest.starts_with(word.as_bytes()));
    let what = if rest.is_empty() { "the text ends too early" } else { "expected a value" };
    word.map(|word| at + word.len()).ok_or((at, what))
}
