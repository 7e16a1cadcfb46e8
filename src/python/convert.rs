//! JSON text straight to Python's objects, and Python's objects to JSON.
//!
//! Reads with the reader that the signatures rest on, so that what is handed out is what was
//! verified: the last of equal keys counts, lone surrogates are kept, and deep nesting costs no
//! stack.

use std::ops::RangeInclusive;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};

use super::memory::{Memory, NONE, string};
use crate::core::javascript::{Event, Reader};

/// Other threads of Python may run each time that so many bytes were read: 10 MB take 40 ms.
const PAUSE: usize = 256 * 1024;

/// Builds the value of a JSON text; `ValueError` where it is none.
pub(super) fn json_to_python<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    if text.first() == Some(&b'"') {
        return lone_string(py, text);
    }
    let mut builder = Builder {
        py,
        reader: Reader::new(text),
        memory: Memory::new(py, text.len()),
        open: Vec::with_capacity(8),
        values: Vec::with_capacity(64),
        names: Vec::with_capacity(64),
    };
    let mut rest = if text.len() > PAUSE { Some(Uncollected::new(py)?) } else { None };
    let mut pause = PAUSE;
    loop {
        if builder.reader.offset() > pause {
            drop(rest.take());
            py.detach(|| ());
            rest = Some(Uncollected::new(py)?);
            pause = builder.reader.offset() + PAUSE;
        }
        builder.step()?;
        if builder.open.is_empty() {
            return builder.finish();
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

/// A list or a dict whose end was not read yet.
struct Open {
    is_object: bool,
    /// Where its values and its names start.
    values: usize,
    names: usize,
    /// The place of the key under which it stands.
    under: usize,
    /// The place of its last key, and of the key that is expected next.
    key: usize,
    expected: usize,
}

/// Lists and dicts are made at their end, when it is known how many values they have.
struct Builder<'py, 'a> {
    py: Python<'py>,
    reader: Reader<'a>,
    memory: Memory<'py, 'a>,
    open: Vec<Open>,
    /// Of all that is open.
    values: Vec<Bound<'py, PyAny>>,
    names: Vec<Bound<'py, PyString>>,
}

impl<'py> Builder<'py, '_> {
    /// Reads on by one event, or by a key and its string that were both expected.
    #[inline]
    fn step(&mut self) -> PyResult<()> {
        if self.expected() {
            return Ok(());
        }
        // Looked at where it is: moving it costs more than all the rest.
        let value = match &self.reader.next_event() {
            Ok(Some(event)) => match *event {
                Event::String(text) => {
                    let place = self.open.last().map_or(NONE, |open| open.key);
                    self.memory.string(place, text, self.reader.spelling())?.into_any()
                }
                Event::Number(text) => number(self.py, text)?,
                Event::Null => self.py.None().into_bound(self.py),
                Event::Bool(value) => PyBool::new(self.py, value).to_owned().into_any(),
                Event::Key(text) => {
                    let (place, name) = self.memory.learn(text, self.reader.spelling())?;
                    self.learned(place, name);
                    return Ok(());
                }
                Event::StartArray | Event::StartObject => {
                    self.start(*event == Event::StartObject);
                    return Ok(());
                }
                Event::EndArray | Event::EndObject => self.end()?,
            },
            Ok(None) => return Err(PyValueError::new_err("the JSON ends early")),
            Err(error) => return Err(PyValueError::new_err(error.to_string())),
        };
        self.values.push(value);
        Ok(())
    }

    /// Takes the key that is expected, if it comes, and the value that it had the last time, if
    /// that comes, too. Tells whether both came.
    #[inline]
    fn expected(&mut self) -> bool {
        let Some(open) = self.open.last_mut() else { return false };
        let Some(key) = self.memory.key(open.expected) else { return false };
        if !self.reader.next_is_key(&key.member) {
            return false;
        }
        self.names.push(key.name.bind(self.py).clone());
        open.key = open.expected;
        open.expected = key.next;
        match self.memory.value(open.key) {
            Some((quoted, string)) if self.reader.next_is_string(quoted) => {
                self.values.push(string.clone().into_any());
                true
            }
            _ => false,
        }
    }

    fn learned(&mut self, place: usize, name: Bound<'py, PyString>) {
        self.names.push(name);
        let Some(open) = self.open.last_mut() else { return };
        if open.names + 1 == self.names.len() {
            self.memory.expect_first(open.under, place);
        } else {
            self.memory.expect_next(open.key, place);
        }
        open.key = place;
        open.expected = self.memory.key(place).map_or(NONE, |key| key.next);
    }

    fn start(&mut self, is_object: bool) {
        let under = self.open.last().map_or(NONE, |open| open.key);
        self.open.push(Open {
            is_object,
            values: self.values.len(),
            names: self.names.len(),
            under,
            // The elements of a list stand under its key.
            key: under,
            expected: if is_object { self.memory.first(under) } else { NONE },
        });
    }

    fn end(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let Some(open) = self.open.pop() else {
            return Err(PyValueError::new_err("unbalanced JSON"));
        };
        let values = self.values.drain(open.values..);
        if !open.is_object {
            return Ok(PyList::new(self.py, values)?.into_any());
        }
        let names = self.names.get(open.names..).unwrap_or_default();
        let dict = if FORMS.contains(&names.len()) {
            let dict = self.memory.dict(open.under, names)?;
            if dict.is_empty() {
                self.memory.form(open.under, names, &dict);
            }
            dict
        } else {
            PyDict::new(self.py)
        };
        for (name, value) in self.names.drain(open.names..).zip(values) {
            dict.set_item(name, value)?;
        }
        Ok(dict.into_any())
    }

    fn finish(mut self) -> PyResult<Bound<'py, PyAny>> {
        // Only white space may follow.
        match (self.reader.next_event(), self.values.pop()) {
            (Ok(None), Some(value)) => Ok(value),
            (Err(error), _) => Err(PyValueError::new_err(error.to_string())),
            _ => Err(PyValueError::new_err("the JSON ends early")),
        }
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
