//! JSON text straight to Python's objects, and Python's objects to JSON.
//!
//! Reads with the reader that the signatures rest on, so that what is handed out is what was
//! verified: the last of equal keys counts, lone surrogates are kept, and deep nesting costs no
//! stack.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::core::javascript::{Event, Reader, Text};

/// Other threads of Python may run each time that so many bytes were read: 10 MB take 40 ms.
const PAUSE: usize = 256 * 1024;
/// Longer strings than this, in bytes, hardly come twice.
const SHORT: usize = 32;

enum Open<'py> {
    List(Bound<'py, PyList>),
    Dict(Bound<'py, PyDict>, Option<Bound<'py, PyString>>),
}

/// Builds the value of a JSON text; `ValueError` where it is none.
pub(super) fn json_to_python<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut reader = Reader::new(text);
    let mut strings = Strings::new(py, text.len());
    let mut open: Vec<Open<'py>> = Vec::new();
    let mut rest = if text.len() > PAUSE { Some(Uncollected::new(py)?) } else { None };
    let mut pause = PAUSE;
    loop {
        if reader.offset() > pause {
            drop(rest.take());
            py.detach(|| ());
            rest = Some(Uncollected::new(py)?);
            pause = reader.offset() + PAUSE;
        }
        // Looked at where it is: moving it costs more than all the rest.
        let next = &reader.next_event();
        let value = match next {
            Ok(Some(event)) => match event {
                Event::String(text) => strings.get(*text)?.into_any(),
                Event::Number(text) => number(py, text)?,
                Event::Null => py.None().into_bound(py),
                Event::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
                Event::Key(text) => {
                    if let Some(Open::Dict(_, next)) = open.last_mut() {
                        *next = Some(strings.get(*text)?);
                    }
                    continue;
                }
                Event::StartArray => {
                    open.push(Open::List(PyList::empty(py)));
                    continue;
                }
                Event::StartObject => {
                    open.push(Open::Dict(PyDict::new(py), None));
                    continue;
                }
                Event::EndArray | Event::EndObject => match open.pop() {
                    Some(Open::List(list)) => list.into_any(),
                    Some(Open::Dict(dict, _)) => dict.into_any(),
                    None => return Err(PyValueError::new_err("unbalanced JSON")),
                },
            },
            Ok(None) => return Err(PyValueError::new_err("the JSON ends early")),
            Err(error) => return Err(PyValueError::new_err(error.to_string())),
        };
        match open.last_mut() {
            Some(Open::List(list)) => list.append(value)?,
            Some(Open::Dict(dict, key)) => {
                if let Some(key) = key.take() {
                    dict.set_item(key, value)?;
                }
            }
            None => {
                // Only white space may follow.
                return match reader.next_event() {
                    Ok(_) => Ok(value),
                    Err(error) => Err(PyValueError::new_err(error.to_string())),
                };
            }
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

/// Keys come again and again, and so do statuses, ids and currencies: each short string is made
/// once, unless another one takes its slot.
struct Strings<'py, 'a> {
    py: Python<'py>,
    slots: Vec<Option<(&'a str, Bound<'py, PyString>)>>,
}

impl<'py, 'a> Strings<'py, 'a> {
    fn new(py: Python<'py>, text_len: usize) -> Self {
        let slots = (text_len / 32).clamp(16, 512).next_power_of_two();
        Self { py, slots: vec![const { None }; slots] }
    }

    #[inline]
    fn get(&mut self, text: Text<'a>) -> PyResult<Bound<'py, PyString>> {
        let Some(plain) = text.plain().filter(|plain| plain.len() <= SHORT) else {
            return string(self.py, text);
        };
        let place = usize::from(hash(plain.as_bytes())) & (self.slots.len() - 1);
        match self.slots.get_mut(place) {
            Some(Some((known, string))) if *known == plain => Ok(string.clone()),
            slot => {
                let string = PyString::new(self.py, plain);
                if let Some(slot) = slot {
                    *slot = Some((plain, string.clone()));
                }
                Ok(string)
            }
        }
    }
}

#[inline]
fn hash(key: &[u8]) -> u16 {
    const ODD: u64 = 0x517c_c1b7_2722_0a95;
    let mut word = key.len() as u64;
    if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        word ^= u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
    } else {
        word = key.iter().fold(word, |word, &byte| word << 8 | u64::from(byte));
    }
    let [.., high, low] = word.wrapping_mul(ODD).rotate_left(16).to_be_bytes();
    u16::from_be_bytes([high, low])
}

fn string<'py>(py: Python<'py>, text: Text<'_>) -> PyResult<Bound<'py, PyString>> {
    if let Some(plain) = text.plain() {
        return Ok(PyString::new(py, plain));
    }
    let decoded = text.decode();
    match std::str::from_utf8(&decoded) {
        Ok(text) => Ok(PyString::new(py, text)),
        // A lone surrogate, as JavaScript makes when it cuts an emoji in two.
        Err(_) => PyString::from_encoded_object(
            &PyBytes::new(py, &decoded),
            Some(c"utf-8"),
            Some(c"surrogatepass"),
        ),
    }
}

fn number<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
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
