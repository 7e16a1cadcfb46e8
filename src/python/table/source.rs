//! The files of results, one after the other, from whatever iterable Python has.

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList};

use super::read::Object;
use crate::python::file::FileResult;

/// A file's own columns, and its result.
pub(super) type Entry<'py> = ([Object<'py>; 6], Object<'py>);

/// Where a table's rows come from.
pub(super) struct Source {
    items: Py<PyIterator>,
    batch: Option<Batch>,
}

/// The batch whose files come now.
struct Batch {
    files: Py<PyIterator>,
    /// The ids of the batch and of its extraction.
    ids: [Py<PyAny>; 2],
}

impl Source {
    /// Takes the results of a batch, an iterable of them, or an iterable of files.
    pub(super) fn new(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        let items = if source.hasattr(intern!(source.py(), "files"))? {
            PyList::new(source.py(), [source])?.try_iter()?
        } else {
            source.try_iter()?
        };
        Ok(Self { items: items.unbind(), batch: None })
    }

    /// Goes on to the next item of the iterable, whose code runs now; false at its end.
    pub(super) fn advance(&mut self, py: Python<'_>) -> PyResult<bool> {
        let Some(item) = self.items.bind(py).clone().next() else { return Ok(false) };
        let item = item?;
        let Some(batch_id) = item.getattr_opt(intern!(py, "batch_id"))? else {
            return Err(neither(&item));
        };
        let files = match item.getattr_opt(intern!(py, "files"))? {
            Some(files) => files.try_iter()?,
            None => PyList::new(py, [&item])?.try_iter()?,
        };
        self.batch = Some(Batch {
            files: files.unbind(),
            ids: [batch_id.unbind(), item.getattr(intern!(py, "extraction_id"))?.unbind()],
        });
        Ok(true)
    }

    /// The next file of the item; none at its end.
    pub(super) fn next<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Entry<'py>>> {
        let Some(batch) = &self.batch else { return Ok(None) };
        let Some(file) = batch.files.bind(py).clone().next() else {
            self.batch = None;
            return Ok(None);
        };
        let file = file?;
        let Ok(file) = file.cast::<FileResult>() else { return Err(neither(&file)) };
        let file = file.get();
        let text = |text: Option<Bound<'py, _>>| {
            Object(text.map_or_else(|| py.None().into_bound(py), Bound::into_any))
        };
        let [batch_id, extraction_id] = &batch.ids;
        let own = [
            text(file.file_id(py)?),
            text(file.file_name(py)?),
            text(file.status(py)?),
            text(file.error(py)?),
            Object(batch_id.bind(py).clone()),
            Object(extraction_id.bind(py).clone()),
        ];
        Ok(Some((own, Object(result(file, py)?))))
    }
}

/// The file's result, be it an object, as the service documents it, or not.
fn result<'py>(file: &FileResult, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    let result = file.result(py)?;
    if !result.is_empty() {
        return Ok(result.into_any());
    }
    let odd = file.dict(py)?.get_item(intern!(py, "result"))?;
    Ok(odd.unwrap_or_else(|| PyDict::new(py).into_any()))
}

fn neither(item: &Bound<'_, PyAny>) -> PyErr {
    match item.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("neither results nor a file: {name}")),
        Err(error) => error,
    }
}
