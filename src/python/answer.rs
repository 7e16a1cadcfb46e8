//! What `BatchResults` keeps of an answer: the vendor's JSON, of which objects are made when they
//! are asked for. The files have their own parts of it.

use std::sync::Arc;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::convert::json_to_dict;
use super::file::{FileResult, text};
use super::later::{Later, Now};
use crate::core::model::BatchAnswer;

/// An answer about a batch.
#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct Answer(Later<Arc<Unread>>);

struct Unread {
    /// The answer with null in the place of its files: nothing here holds on to their text.
    envelope: Vec<u8>,
    status: Option<String>,
    /// None where the answer has no list of files.
    files: Option<Py<PyTuple>>,
}

impl Answer {
    /// An answer whose objects are not made yet.
    pub(super) fn unread(py: Python<'_>, answer: &BatchAnswer) -> PyResult<Self> {
        let (json, status) = (&answer.json, answer.shape.status.clone());
        let (Some(list), Some(shapes)) = (answer.shape.list(), &answer.shape.files) else {
            let envelope = json.to_vec();
            return Ok(Self(Later::unread(Arc::new(Unread { envelope, status, files: None }))));
        };
        let before = json.get(..list.start).unwrap_or_default();
        let behind = json.get(list.end..).unwrap_or_default();
        let envelope = [before, b"null", behind].concat();
        let files = (0..shapes.len())
            .map(|place| Bound::new(py, FileResult::unread(json, &answer.shape, place)))
            .collect::<PyResult<Vec<_>>>()?;
        let files = Some(PyTuple::new(py, files)?.unbind());
        Ok(Self(Later::unread(Arc::new(Unread { envelope, status, files }))))
    }
}

impl Unread {
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = json_to_dict(py, &self.envelope)?;
        if let Some(files) = &self.files {
            let files = files.bind(py).iter();
            let dicts = files.map(|file| file.cast::<FileResult>()?.get().dict(py));
            let dicts = dicts.collect::<PyResult<Vec<_>>>()?;
            dict.set_item(intern!(py, "files"), PyList::new(py, dicts)?)?;
        }
        Ok(dict)
    }
}

#[pymethods]
impl Answer {
    #[new]
    fn new(data: Py<PyDict>) -> Self {
        Self(Later::read(data))
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyDict>,)> {
        Ok((self.to_dict(py)?,))
    }

    /// The status at the top, where it is a string.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        match self.0.now(py) {
            Now::Read(dict) => text(&dict, intern!(py, "status")),
            Now::Unread(unread) => {
                Ok(unread.status.as_deref().map(|status| PyString::new(py, status)))
            }
        }
    }

    /// The files, as a new list.
    fn files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let dict = match self.0.now(py) {
            Now::Read(dict) => dict,
            Now::Unread(unread) => {
                let files = unread.files.as_ref();
                return Ok(files.map_or_else(|| PyList::empty(py), |some| some.bind(py).to_list()));
            }
        };
        let listed = dict.get_item(intern!(py, "files"))?;
        let listed = listed.and_then(|files| files.cast_into::<PyList>().ok());
        let dicts = listed.into_iter().flatten().filter(PyAnyMethods::is_instance_of::<PyDict>);
        PyList::new(py, dicts.map(FileResult::view).collect::<PyResult<Vec<_>>>()?)
    }

    /// The vendor's JSON of the whole answer.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.0.dict(py, |unread| unread.read(py))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let Ok(other) = other.cast::<Self>() else { return Ok(py.NotImplemented()) };
        let other = other.get();
        let equal = match (self.0.now(py), other.0.now(py)) {
            (Now::Unread(ours), Now::Unread(theirs)) if ours.envelope == theirs.envelope => {
                match (&ours.files, &theirs.files) {
                    (Some(ours), Some(theirs)) => ours.bind(py).eq(theirs)?,
                    (ours, theirs) => ours.is_none() && theirs.is_none(),
                }
            }
            _ => self.to_dict(py)?.eq(other.to_dict(py)?)?,
        };
        Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(&visit, |unread| visit.call(&unread.files))
    }
}
