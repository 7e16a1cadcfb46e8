//! Python's objects as the core's tables see them. Holds the interpreter's lock throughout.

use std::collections::HashMap;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::iter::{BoundDictIterator, BoundListIterator};
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::core::javascript::MAX_DEPTH;
use crate::core::table::{DEEPEST, Each, Node, Text, Value, text_to_json};

/// A value of a result.
#[derive(Clone)]
pub(super) struct Object<'py>(pub(super) Bound<'py, PyAny>);

impl Node for Object<'_> {
    type Error = PyErr;

    fn is_null(&self) -> bool {
        self.0.is_none()
    }

    fn is_object(&self) -> bool {
        self.0.is_instance_of::<PyDict>()
    }

    fn elements(&self) -> Option<Vec<Self>> {
        Some(self.0.cast::<PyList>().ok()?.iter().map(Self).collect())
    }

    fn members(&self, each: &mut Each<'_, Self>) -> PyResult<()> {
        for (key, value) in self.0.cast::<PyDict>()? {
            let key = key_of(&key)?;
            match key.to_str() {
                Ok(plain) => each(plain.as_bytes(), Self(value))?,
                Err(_) => each(&wtf8(key)?, Self(value))?,
            }
        }
        Ok(())
    }
}

fn key_of<'a, 'py>(key: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyString>> {
    key.cast::<PyString>().map_err(|_| {
        PyTypeError::new_err(format!("a result has a key that is no string: {}", named(key)))
    })
}

fn named(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

/// A string with halves of surrogate pairs, in WTF-8.
pub(super) fn wtf8(text: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
    Ok(bytes.cast::<PyBytes>()?.as_bytes().to_vec())
}

fn text(text: &Bound<'_, PyString>) -> PyResult<Text> {
    match text.to_str() {
        Ok(plain) => Ok(Text::Plain(plain.into())),
        Err(_) => Ok(Text::of(wtf8(text)?)),
    }
}

/// How many keys are remembered.
const KEYS: usize = 1024;

/// Reads values, and remembers keys: objects of one kind have the same strings for them.
#[derive(Default)]
pub(super) struct Values {
    /// By the address of the string, which lives as long as it is remembered.
    keys: HashMap<usize, (Py<PyString>, Text)>,
}

impl Values {
    /// The value of a cell.
    pub(super) fn read(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Value> {
        match self.shallow(object, 0)? {
            Some(value) => Ok(value),
            None => json(object).map(Value::Json),
        }
    }

    /// The value; none where it is nested too deep to be looked at by recursion.
    fn shallow(&mut self, object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Option<Value>> {
        if let Some(leaf) = leaf(object)? {
            return Ok(Some(leaf));
        }
        if depth >= DEEPEST {
            return Ok(None);
        }
        if let Ok(object) = object.cast::<PyDict>() {
            let mut members = Vec::with_capacity(object.len());
            for (key, value) in object {
                let Some(value) = self.shallow(&value, depth + 1)? else { return Ok(None) };
                members.push((self.key(key_of(&key)?)?, value));
            }
            return Ok(Some(Value::Object(members)));
        }
        let list = list(object)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            let Some(item) = self.shallow(&item, depth + 1)? else { return Ok(None) };
            items.push(item);
        }
        Ok(Some(Value::List(items)))
    }

    fn key(&mut self, key: &Bound<'_, PyString>) -> PyResult<Text> {
        let address = key.as_ptr().addr();
        if let Some((_, known)) = self.keys.get(&address) {
            return Ok(known.clone());
        }
        if self.keys.len() == KEYS {
            self.keys.clear();
        }
        let text = text(key)?;
        self.keys.insert(address, (key.clone().unbind(), text.clone()));
        Ok(text)
    }
}

/// What is neither an array nor an object.
fn leaf(object: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    Ok(Some(if let Ok(found) = object.cast::<PyString>() {
        Value::Text(text(found)?)
    } else if object.is_none() {
        Value::Null
    } else if let Ok(found) = object.cast::<PyBool>() {
        Value::Bool(found.is_true())
    } else if object.is_instance_of::<PyInt>() {
        match object.extract() {
            Ok(small) => Value::Int(small),
            Err(_) => Value::Big(object.str()?.to_str()?.into()),
        }
    } else if let Ok(found) = object.cast::<PyFloat>() {
        Value::Float(found.value())
    } else {
        return Ok(None);
    }))
}

fn list<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return Ok(tuple.to_list());
    }
    object.cast::<PyList>().cloned().map_err(|_| {
        PyTypeError::new_err(format!("a result has a value that is not JSON: {}", named(object)))
    })
}

enum Open<'py> {
    List(BoundListIterator<'py>),
    Object(BoundDictIterator<'py>),
}

/// The JSON of a value that may be nested as deep as what the service sends.
fn json(object: &Bound<'_, PyAny>) -> PyResult<Text> {
    let (mut out, mut open) = (Vec::new(), Vec::new());
    begin(object, &mut out, &mut open)?;
    while let Some(last) = open.last_mut() {
        let next = match last {
            Open::List(items) => items.next().map(|item| (None, item)),
            Open::Object(members) => members.next().map(|(key, value)| (Some(key), value)),
        };
        let Some((key, value)) = next else {
            out.push(if matches!(last, Open::List(_)) { b']' } else { b'}' });
            open.pop();
            continue;
        };
        if !matches!(out.last(), Some(b'[' | b'{')) {
            out.push(b',');
        }
        if let Some(key) = key {
            text_to_json(text(key_of(&key)?)?.wtf8(), &mut out);
            out.push(b':');
        }
        begin(&value, &mut out, &mut open)?;
    }
    Ok(Text::of(out))
}

/// Writes a value, or the beginning of it.
fn begin<'py>(
    object: &Bound<'py, PyAny>,
    out: &mut Vec<u8>,
    open: &mut Vec<Open<'py>>,
) -> PyResult<()> {
    if let Some(leaf) = leaf(object)? {
        leaf.write_json(out);
    } else if open.len() >= MAX_DEPTH {
        let what = format!("a result is nested deeper than {MAX_DEPTH} levels");
        return Err(PyValueError::new_err(what));
    } else if let Ok(object) = object.cast::<PyDict>() {
        out.push(b'{');
        open.push(Open::Object(object.iter()));
    } else {
        out.push(b'[');
        open.push(Open::List(list(object)?.iter()));
    }
    Ok(())
}
