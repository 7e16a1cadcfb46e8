//! Tables: results in, rows and columns out.
//!
//! What Python holds is read under its lock, which other threads get between files; Arrow's arrays
//! and CSV are made without it.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

mod arrow;
mod conform;
mod read;
mod source;

pub(super) use arrow::ArrowTable;

use crate::core::table::{self, Chunk, Kind, Row, Rows, Value};
use read::{Object, Values};
use source::Source;

/// Other threads of Python may run each time that so many files were read.
const PAUSE: usize = 100;
/// What is heavier goes to Arrow in parts: a part's text has to stay within 2 GiB, and takes up to
/// six times as much as JSON.
const HEAVIEST: usize = 1 << 28;

/// The table of some results, which is read once: by one of `records`, `columns`, `arrow`, or
/// portion by portion.
#[pyclass(module = "extracta_rs._core")]
pub(super) struct Table {
    source: Source,
    reader: Values,
    rows: Rows,
    /// Of the column at each place.
    kinds: Vec<Kind>,
    files: usize,
    /// How many rows were read.
    #[pyo3(get)]
    height: usize,
}

#[pymethods]
impl Table {
    #[new]
    fn new(
        source: &Bound<'_, PyAny>,
        flatten: bool,
        explode: Option<&Bound<'_, PyString>>,
        columns: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        if columns.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("columns is a list of names, not one string"));
        }
        let explode = explode.map(read::wtf8).transpose()?;
        let columns = columns.try_iter()?.map(|name| read::wtf8(name?.cast()?));
        let rows = Rows::new(flatten, explode, &columns.collect::<PyResult<Vec<_>>>()?);
        Ok(Self {
            source: Source::new(source)?,
            reader: Values::default(),
            rows,
            kinds: Vec::new(),
            files: 0,
            height: 0,
        })
    }

    /// One dict a row, each with all columns.
    fn records<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut rows = Vec::new();
        while let Some(more) = self.next(py)? {
            rows.extend(more);
        }
        let columns = self.rows.columns();
        let names = columns.iter().map(|(_, name)| PyString::new(py, name)).collect::<Vec<_>>();
        let empty = PyDict::new(py);
        let mut name_at = vec![None; columns.last().map_or(0, |(place, _)| place + 1)];
        for ((place, _), name) in columns.iter().zip(&names) {
            empty.set_item(name, py.None())?;
            name_at[*place] = Some(name);
        }
        let made = PyList::empty(py);
        for row in rows {
            let record = empty.copy()?;
            for (place, value) in row {
                if let Some(Some(name)) = name_at.get(place) {
                    record.set_item(name, value.0)?;
                }
            }
            made.append(record)?;
        }
        Ok(made)
    }

    /// The name, the kind and the values of each column, as one type of pandas can hold them.
    fn columns<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<conform::Column<'py>>> {
        let mut found = Vec::<Vec<Bound<'py, PyAny>>>::new();
        let none = py.None().into_bound(py);
        let mut height = 0;
        while let Some(rows) = self.next(py)? {
            for row in rows {
                for (place, value) in row {
                    self.value(place, &value)?;
                    if found.len() <= place {
                        found.resize_with(place + 1, Vec::new);
                    }
                    found[place].resize(height, none.clone());
                    found[place].push(value.0);
                }
                height += 1;
            }
        }
        let column = |(place, name): (usize, &str)| {
            let mut values = found.get_mut(place).map(std::mem::take).unwrap_or_default();
            values.resize(height, none.clone());
            conform::column(name, self.kinds.get(place).unwrap_or(&Kind::None), values, py)
        };
        self.rows.columns().into_iter().map(column).collect()
    }

    /// The rows of the next batch or file as JSON Lines, at most about so many; none at the end.
    ///
    /// The iterable's code does not run before they were given back.
    fn json_lines<'py>(
        &mut self,
        py: Python<'py>,
        rows: usize,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (mut out, start) = (Vec::new(), self.height);
        while self.height - start < rows {
            if let Some(more) = self.next_of_item(py)? {
                for row in more {
                    self.json_line(row, &mut out)?;
                }
            } else if !out.is_empty() || !self.source.advance(py)? {
                break;
            }
        }
        Ok(if out.is_empty() { None } else { Some(PyBytes::new(py, &out)) })
    }

    /// About so many of the next rows, to be given back later; none at the end.
    fn portion<'py>(
        &mut self,
        py: Python<'py>,
        rows: usize,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let mut chunk = Chunk::default();
        while chunk.height() < rows && chunk.weight() < HEAVIEST {
            let Some(more) = self.next(py)? else { break };
            for row in self.values(more)? {
                chunk.add(row);
            }
        }
        if chunk.height() == 0 {
            return Ok(None);
        }
        let written = py.detach(|| chunk.write());
        Ok(Some(PyBytes::new(py, &written.map_err(|error| spoilt(&error))?)))
    }

    /// CSV of a portion after all portions were read, or its header.
    fn csv<'py>(
        &self,
        py: Python<'py>,
        portion: Option<&[u8]>,
        excel: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let made = py.detach(|| {
            let columns = self.rows.columns();
            let Some(portion) = portion else {
                let names = columns.iter().map(|(_, name)| *name).collect::<Vec<_>>();
                return Ok(table::header(&names, excel));
            };
            let places = columns.iter().map(|(place, _)| *place).collect::<Vec<_>>();
            Ok::<_, PyErr>(table::lines(&chunk(portion)?, &places, excel))
        })?;
        Ok(PyBytes::new(py, &made))
    }

    /// All rows for Arrow.
    fn arrow(&mut self, py: Python<'_>) -> PyResult<ArrowTable> {
        let mut chunks = vec![Chunk::default()];
        while let Some(rows) = self.next(py)? {
            for row in self.values(rows)? {
                if chunks.last().is_none_or(|chunk| chunk.weight() >= HEAVIEST) {
                    chunks.push(Chunk::default());
                }
                if let Some(chunk) = chunks.last_mut() {
                    chunk.add(row);
                }
            }
        }
        py.detach(|| self.handed_over(chunks))
    }

    /// A portion for Arrow after all portions were read, or a table without rows.
    fn batch(&self, py: Python<'_>, portion: Option<&[u8]>) -> PyResult<ArrowTable> {
        py.detach(|| self.handed_over(portion.map(chunk).transpose()?.into_iter().collect()))
    }
}

impl Table {
    /// The rows of the next file; none at the end.
    fn next<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Vec<Row<Object<'py>>>>> {
        loop {
            let rows = self.next_of_item(py)?;
            if rows.is_some() || !self.source.advance(py)? {
                return Ok(rows);
            }
        }
    }

    /// The rows of the next file of the batch that was begun; none at its end.
    fn next_of_item<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Vec<Row<Object<'py>>>>> {
        let Some((own, result)) = self.source.next(py)? else { return Ok(None) };
        self.files += 1;
        if self.files.is_multiple_of(PAUSE) {
            py.check_signals()?;
            py.detach(|| ());
        }
        let rows = self.rows.file(own, result)?;
        self.height += rows.len();
        Ok(Some(rows))
    }

    fn absorb(&mut self, place: usize, value: &Value) {
        if self.kinds.len() <= place {
            self.kinds.resize(place + 1, Kind::None);
        }
        self.kinds[place].absorb(value);
    }

    /// The values of the rows of a file. The rows of an exploded array share those of its file.
    fn values(&mut self, rows: Vec<Row<Object<'_>>>) -> PyResult<Vec<Row<Value>>> {
        let mut found = Vec::<Row<Value>>::with_capacity(rows.len());
        let first = rows.first().cloned().unwrap_or_default();
        for row in rows {
            let mut values = Vec::with_capacity(row.len());
            for (at, (place, object)) in row.into_iter().enumerate() {
                let shared = match (first.get(at), found.first().and_then(|row| row.get(at))) {
                    (Some((same, known)), Some((_, value)))
                        if *same == place && known.0.is(&object.0) =>
                    {
                        Some(value.clone())
                    }
                    _ => None,
                };
                values.push(match shared {
                    Some(value) => (place, value),
                    None => (place, self.value(place, &object)?),
                });
            }
            found.push(values);
        }
        Ok(found)
    }

    fn value(&mut self, place: usize, object: &Object<'_>) -> PyResult<Value> {
        let value = self.reader.read(&object.0)?;
        self.absorb(place, &value);
        Ok(value)
    }

    fn json_line(&mut self, row: Row<Object<'_>>, out: &mut Vec<u8>) -> PyResult<()> {
        let mut members = Vec::with_capacity(row.len());
        for (place, object) in row {
            let name = table::Text::Plain(self.rows.name(place).into());
            members.push((name, self.reader.read(&object.0)?));
        }
        out.extend_from_slice(Value::Object(members).to_json().escaped().as_bytes());
        out.push(b'\n');
        Ok(())
    }

    fn handed_over(&self, chunks: Vec<Chunk>) -> PyResult<ArrowTable> {
        let columns = self.rows.columns();
        let kind = |place: usize| self.kinds.get(place).unwrap_or(&Kind::None);
        let schema = table::schema(columns.iter().map(|(place, name)| (*name, kind(*place))));
        let places = columns.iter().map(|(place, _)| (*place, kind(*place))).collect::<Vec<_>>();
        ArrowTable::new(schema, chunks, &places)
    }
}

fn chunk(portion: &[u8]) -> PyResult<Chunk> {
    Chunk::read(portion).map_err(|error| spoilt(&error))
}

fn spoilt(error: &postcard::Error) -> PyErr {
    PyValueError::new_err(format!("a portion of a table cannot be kept: {error}"))
}
