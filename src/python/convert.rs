//! JSON text straight to Python's objects, and Python's objects to JSON.
//!
//! Reads by the rules that the signatures rest on, so that what is handed out is what was verified:
//! the last of equal keys counts, lone surrogates are kept, and deep nesting costs no stack.

use std::ops::{Range, RangeInclusive};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};

use super::memory::{Copied, Kept, Keys, Memory, NONE, string};
use crate::core::javascript::{Event, MAX_DEPTH, Reader, Text, Visit, walk};

/// Other threads of Python may run each time that so many bytes were read: 10 MB take 40 ms.
const PAUSE: usize = 256 * 1024;

/// Builds the value of a JSON text; `ValueError` where it is none.
pub(super) fn json_to_python<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    if text.first() == Some(&b'"') {
        return lone_string(py, text);
    }
    let Ok(json) = std::str::from_utf8(text) else { return Err(no_json(text)) };
    let mut keys = Keys::earlier();
    let mut builder = Builder {
        py,
        json,
        kept: &mut keys.kept,
        memory: Memory::new(py, json.len()),
        open: Vec::with_capacity(8),
        values: Vec::with_capacity(16),
        key: NONE,
        long: None,
        made: None,
        error: None,
        uncollected: if json.len() > PAUSE { Some(Uncollected::new(py)?) } else { None },
        pause: PAUSE,
    };
    let end = walk(json, 0, MAX_DEPTH, &mut keys.members, &mut builder);
    let (made, error) = (builder.made.take(), builder.error.take());
    drop(builder);
    if let Some(error) = error {
        return Err(error);
    }
    keys.keep();
    let rest = end.and_then(|end| json.get(end..)).unwrap_or("no JSON");
    match made {
        Some(made) if rest.bytes().all(|byte| b" \n\r\t".contains(&byte)) => Ok(made),
        _ => Err(no_json(text)),
    }
}

/// Tells what is wrong with a text.
#[cold]
fn no_json(text: &[u8]) -> PyErr {
    let mut reader = Reader::new(text);
    loop {
        match reader.next_event() {
            Ok(Some(_)) => {}
            Ok(None) => return PyValueError::new_err("the JSON ends early"),
            Err(error) => return PyValueError::new_err(error.to_string()),
        }
    }
}

/// A text that is one string needs no memory of what came before.
fn lone_string<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut reader = Reader::new(text);
    match (reader.next_event(), reader.next_event()) {
        (Ok(Some(Event::String(text))), Ok(None)) => Ok(string(py, text)?.into_any()),
        (Err(error), _) | (_, Err(error)) => Err(PyValueError::new_err(error.to_string())),
        _ => Err(PyValueError::new_err("the JSON ends early")),
    }
}

/// Builds the dict of a JSON object.
pub(super) fn json_to_dict<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    Ok(json_to_python(py, text)?.cast_into()?)
}

/// Of how many members objects are made as copies of the last one that had the same names: smaller
/// ones fit into an empty dict, larger ones are rare.
const FORMS: RangeInclusive<usize> = 6..=64;

/// A list or an object whose end was not read yet.
struct Open<'py> {
    /// None for a list.
    dict: Option<Bound<'py, PyDict>>,
    /// Where the list's values start.
    values: usize,
    /// The key under which it stands: its place, and its name in an object.
    under: usize,
    name: Option<Bound<'py, PyString>>,
    /// How many keys were read; while the dict is a copy of a form they are the form's first ones.
    keys: usize,
    copied: Option<Copied>,
}

struct Builder<'py, 'a, 'k> {
    py: Python<'py>,
    json: &'a str,
    kept: &'k mut Kept,
    memory: Memory<'py, 'a>,
    open: Vec<Open<'py>>,
    /// Of all lists that are open.
    values: Vec<Bound<'py, PyAny>>,
    /// The place of the last key, and its name if it has none.
    key: usize,
    long: Option<Bound<'py, PyString>>,
    made: Option<Bound<'py, PyAny>>,
    error: Option<PyErr>,
    uncollected: Option<Uncollected<'py>>,
    pause: usize,
}

impl<'a> Visit<'a> for Builder<'_, 'a, '_> {
    #[inline]
    fn key(&mut self, place: usize) -> Option<()> {
        self.key = place;
        let open = self.open.last_mut()?;
        let number = open.keys;
        open.keys += 1;
        match open.copied {
            Some(copied) => self.compare(copied, number),
            None => Some(()),
        }
    }

    fn new_key(&mut self, place: Option<usize>, key: Text<'a>) -> Option<()> {
        let name = string(self.py, key);
        let name = self.or_stop(name)?;
        if let Some(place) = place {
            self.memory.name(self.kept, place, name);
        } else {
            self.long = Some(name);
        }
        self.key(place.unwrap_or(NONE))
    }

    #[inline]
    fn string(&mut self, between_quotes: Range<usize>, escaped: bool) -> Option<()> {
        let end = between_quotes.end;
        let text = Text::new(self.json.get(between_quotes)?, escaped);
        let made = self.memory.string(self.key, text);
        let made = self.or_stop(made)?.into_any();
        self.put(made, end)
    }

    #[inline]
    fn number(&mut self, at: Range<usize>) -> Option<()> {
        let end = at.end;
        let made = number(self.py, self.json.get(at)?);
        let made = self.or_stop(made)?;
        self.put(made, end)
    }

    #[inline]
    fn word(&mut self, word: Option<bool>) -> Option<()> {
        let made = match word {
            Some(word) => PyBool::new(self.py, word).to_owned().into_any(),
            None => self.py.None().into_bound(self.py),
        };
        self.put(made, 0)
    }

    #[inline]
    fn start(&mut self, is_object: bool) -> Option<()> {
        let within_object = self.open.last().is_some_and(|open| open.dict.is_some());
        let name = if within_object { Some(self.name()?.clone()) } else { None };
        let (mut dict, mut copied) = (None, None);
        if is_object {
            dict = Some(match self.kept.copy(self.py, self.key) {
                Some(copy) => {
                    let (dict, of) = self.or_stop(copy)?;
                    copied = Some(of);
                    dict
                }
                None => PyDict::new(self.py),
            });
        }
        let (values, under) = (self.values.len(), self.key);
        self.open.push(Open { dict, values, under, name, keys: 0, copied });
        if is_object {
            self.key = NONE;
        }
        Some(())
    }

    #[inline]
    fn end(&mut self, end: usize) -> Option<()> {
        let Open { dict, values, under, name, keys, copied } = self.open.pop()?;
        let made = match dict {
            None => {
                let list = PyList::new(self.py, self.values.drain(values..));
                self.or_stop(list)?.into_any()
            }
            Some(dict) if copied.is_some_and(|copied| copied.len != keys) => {
                let dict = self.memory.start_of_copy(self.kept, under, keys, &dict);
                self.or_stop(dict)?.into_any()
            }
            Some(dict) => {
                if copied.is_none() && FORMS.contains(&keys) && dict.len() == keys {
                    let remembered = self.memory.remember(self.kept, under, &dict);
                    self.or_stop(remembered)?;
                }
                dict.into_any()
            }
        };
        self.key = under;
        match (name, self.open.last()) {
            (Some(name), Some(Open { dict: Some(dict), .. })) => {
                let set = dict.set_item(name, made);
                self.or_stop(set)?;
                self.pause_if(end)
            }
            _ => self.put(made, end),
        }
    }
}

impl<'py> Builder<'py, '_, '_> {
    /// The name of the last key.
    #[inline]
    fn name(&self) -> Option<&Bound<'py, PyString>> {
        if self.key == NONE { self.long.as_ref() } else { self.kept.get(self.py, self.key) }
    }

    #[inline]
    fn or_stop<T>(&mut self, made: PyResult<T>) -> Option<T> {
        match made {
            Ok(made) => Some(made),
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    /// Whether the key that was read has the place in its object that it has in the form; otherwise
    /// the dict is no copy any more.
    fn compare(&mut self, copied: Copied, number: usize) -> Option<()> {
        let open = self.open.last_mut()?;
        if self.kept.is_next(copied, open.under, number, self.key) {
            return Some(());
        }
        open.copied = None;
        let dict = self.memory.start_of_copy(self.kept, open.under, number, open.dict.as_ref()?);
        let dict = self.or_stop(dict)?;
        self.open.last_mut()?.dict = Some(dict);
        Some(())
    }

    /// Puts a value where it belongs; it ended about at `end`.
    #[inline]
    fn put(&mut self, value: Bound<'py, PyAny>, end: usize) -> Option<()> {
        match self.open.last() {
            Some(Open { dict: Some(dict), .. }) => {
                let set = dict.set_item(self.name()?, value);
                self.or_stop(set)?;
            }
            Some(_) => self.values.push(value),
            None => self.made = Some(value),
        }
        self.pause_if(end)
    }

    #[inline]
    fn pause_if(&mut self, end: usize) -> Option<()> {
        if end > self.pause { self.pause(end) } else { Some(()) }
    }

    #[cold]
    fn pause(&mut self, end: usize) -> Option<()> {
        drop(self.uncollected.take());
        self.py.detach(|| ());
        let rest = Uncollected::new(self.py);
        self.uncollected = Some(self.or_stop(rest)?);
        self.pause = end + PAUSE;
        Some(())
    }
}

/// Holds up the collection of cycles, which JSON has none of: with each few hundred new objects
/// Python would look through all that were made before. Ends before another thread can run.
struct Uncollected<'py>(Option<Bound<'py, PyModule>>);

impl<'py> Uncollected<'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        let collector = py.import("gc")?;
        if !collector.call_method0("isenabled")?.is_truthy()? {
            return Ok(Self(None));
        }
        collector.call_method0("disable")?;
        Ok(Self(Some(collector)))
    }
}

impl Drop for Uncollected<'_> {
    fn drop(&mut self) {
        if let Some(collector) = &self.0 {
            // `gc.enable` takes nothing and cannot fail.
            let _ = collector.call_method0("enable");
        }
    }
}

/// Powers of ten that are doubles.
const TENS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

fn number<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match short_number(digits) {
        Some((value, None)) => {
            let value = if negative { -value } else { value };
            Ok(value.into_pyobject(py)?.into_any())
        }
        Some((value, Some(tens))) => {
            #[expect(clippy::cast_precision_loss, reason = "15 digits are less than 2^53")]
            let value = value as f64 / tens;
            Ok(PyFloat::new(py, if negative { -value } else { value }).into_any())
        }
        None => other_number(py, text),
    }
}

/// The digits of a number of at most 16 bytes without an exponent, and where it has a point, what
/// divides them. Both are doubles, so that their quotient is rounded correctly.
#[inline]
fn short_number(digits: &[u8]) -> Option<(i64, Option<f64>)> {
    if digits.len() > TENS.len() {
        return None;
    }
    let (mut value, mut decimals) = (0, None);
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + i64::from(byte - b'0'),
            b'.' => decimals = digits.len().checked_sub(at + 1),
            _ => return None,
        }
    }
    Some((value, decimals.and_then(|decimals| TENS.get(decimals).copied())))
}

fn other_number<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        if let Ok(small) = text.parse::<i64>() {
            return Ok(small.into_pyobject(py)?.into_any());
        }
        // Python refuses integers of thousands of digits; their value as a double remains.
        if let Ok(big) = py.get_type::<PyInt>().call1((text,)) {
            return Ok(big);
        }
    }
    let value = text.parse().map_err(|_| PyValueError::new_err("not a number"))?;
    Ok(PyFloat::new(py, value).into_any())
}

/// A Python object as JSON text, by Python's own `json`.
pub(super) fn python_to_json(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let options = PyDict::new(value.py());
    options.set_item("allow_nan", false)?;
    value.py().import("json")?.call_method("dumps", (value,), Some(&options))?.extract()
}
