//! JSON text straight to Python's objects, and Python's objects to JSON.
//!
//! Reads with the reader that the signatures rest on, so that what is handed out is what was
//! verified: the last of equal keys counts, lone surrogates are kept, and deep nesting costs no
//! stack.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::core::javascript::{Event, Reader, Text};

const MOST_KEYS: usize = 1024;

enum Open<'py> {
    List(Bound<'py, PyList>),
    Dict(Bound<'py, PyDict>, Option<Bound<'py, PyString>>),
}

/// Builds the value of a JSON text; `ValueError` where it is none.
pub(super) fn json_to_python<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut reader = Reader::new(text);
    let mut keys = HashMap::new();
    let mut open: Vec<Open<'py>> = Vec::new();
    loop {
        let event = reader
            .next_event()
            .map_err(|error| PyValueError::new_err(error.to_string()))?
            .ok_or_else(|| PyValueError::new_err("the JSON ends early"))?;
        let value = match event {
            Event::StartArray => {
                open.push(Open::List(PyList::empty(py)));
                continue;
            }
            Event::StartObject => {
                open.push(Open::Dict(PyDict::new(py), None));
                continue;
            }
            Event::Key(text) => {
                if let Some(Open::Dict(_, next)) = open.last_mut() {
                    *next = Some(key(py, text, &mut keys)?);
                }
                continue;
            }
            Event::EndArray | Event::EndObject => match open.pop() {
                Some(Open::List(list)) => list.into_any(),
                Some(Open::Dict(dict, _)) => dict.into_any(),
                None => return Err(PyValueError::new_err("unbalanced JSON")),
            },
            Event::Null => py.None().into_bound(py),
            Event::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
            Event::Number(text) => number(py, text)?,
            Event::String(text) => string(py, text)?.into_any(),
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

fn key<'py, 'a>(
    py: Python<'py>,
    text: Text<'a>,
    known: &mut HashMap<&'a str, Bound<'py, PyString>>,
) -> PyResult<Bound<'py, PyString>> {
    let Some(plain) = text.plain() else { return string(py, text) };
    if let Some(key) = known.get(plain) {
        return Ok(key.clone());
    }
    let key = PyString::new(py, plain);
    if known.len() < MOST_KEYS {
        known.insert(plain, key.clone());
    }
    Ok(key)
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
    if !text.contains(['.', 'e', 'E']) {
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
