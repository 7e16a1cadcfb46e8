//! Columns of Python's objects: those of the results themselves, but for values of other kinds.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::read::Values;
use crate::core::table::Kind;

/// A name, a kind and the values.
pub(super) type Column<'py> = (String, &'static str, Bound<'py, PyList>);

/// Makes a column of a kind.
pub(super) fn column<'py>(
    name: &str,
    kind: &Kind,
    mut values: Vec<Bound<'py, PyAny>>,
    py: Python<'py>,
) -> PyResult<Column<'py>> {
    if kind.is_odd() {
        for value in &mut values {
            *value = conformed(value, kind)?;
        }
    }
    Ok((name.to_owned(), word(kind), PyList::new(py, values)?))
}

fn word(kind: &Kind) -> &'static str {
    match kind {
        _ if kind.is_text() => "text",
        Kind::Bool => "bool",
        Kind::Int | Kind::Long => "int",
        Kind::Float => "float",
        Kind::List(_) | Kind::Struct(_) => "nested",
        Kind::None | Kind::Text | Kind::Mixed => "text",
    }
}

fn conformed<'py>(value: &Bound<'py, PyAny>, kind: &Kind) -> PyResult<Bound<'py, PyAny>> {
    if value.is_none() || !kind.is_odd() {
        return Ok(value.clone());
    }
    let py = value.py();
    match kind {
        Kind::List(item) => {
            let items = value.try_iter()?.map(|element| conformed(&element?, item));
            Ok(PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any())
        }
        Kind::Struct(fields) if !fields.is_empty() => {
            let made = PyDict::new(py);
            for (key, inner) in value.cast::<PyDict>()? {
                let kind = fields.get(key.cast::<PyString>()?.to_str()?).unwrap_or(&Kind::None);
                made.set_item(&key, conformed(&inner, kind)?)?;
            }
            Ok(made.into_any())
        }
        _ => {
            let text = Values::default().read(value)?.into_text();
            Ok(PyString::new(py, &text.lossy()).into_any())
        }
    }
}
