//! `FileResult`: a view of the vendor's JSON of a file.
//!
//! Written here and not in Python since an answer has thousands of them, each read several times.
//! Of a file in an answer no objects are made until its result is asked for.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict as _, PyDict, PyString};

use super::convert::{json_to_dict, json_to_python};
use super::later::{Later, Now};
use crate::core::model::{Field, FileShape, Shape};

/// What became of one file: a read-only view of the vendor's JSON.
///
/// Args:
///     data: the vendor's JSON of the file, as a dict.
#[pyclass(frozen, module = "extracta_rs.models")]
pub(super) struct FileResult {
    data: Later<Unread>,
}

/// A file in an answer.
#[derive(Clone)]
struct Unread {
    json: Bytes,
    shape: Arc<Shape>,
    place: usize,
}

impl Unread {
    fn shape(&self) -> Option<&FileShape> {
        self.shape.files.as_ref()?.get(self.place)
    }

    /// The JSON of the file.
    fn whole(&self) -> &[u8] {
        self.shape().and_then(|shape| self.json.get(shape.whole())).unwrap_or_default()
    }

    fn value<'py>(&self, py: Python<'py>, field: Field) -> PyResult<Option<Bound<'py, PyAny>>> {
        let range = self.shape().and_then(|shape| shape.field(field));
        range
            .and_then(|range| self.json.get(range))
            .map(|text| json_to_python(py, text))
            .transpose()
    }
}

impl FileResult {
    /// A view of a dict.
    pub(super) fn view(data: Bound<'_, PyAny>) -> PyResult<Bound<'_, Self>> {
        let py = data.py();
        Bound::new(py, Self { data: Later::read(data.cast_into::<PyDict>()?.unbind()) })
    }

    /// The file at a place of an answer.
    pub(super) fn unread(json: &Bytes, shape: &Arc<Shape>, place: usize) -> Self {
        Self { data: Later::unread(Unread { json: json.clone(), shape: shape.clone(), place }) }
    }

    /// The vendor's JSON of the file.
    pub(super) fn dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.data.dict(py, |unread| json_to_dict(py, unread.whole()))
    }

    #[inline]
    fn value<'py>(
        &self,
        field: Field,
        key: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.data.now(key.py()) {
            Now::Read(dict) => dict.get_item(key),
            Now::Unread(unread) => unread.value(key.py(), field),
        }
    }

    #[inline]
    fn text<'py>(&self, field: Field, key: &Bound<'py, PyString>) -> Text<'py> {
        Ok(self.value(field, key)?.and_then(|value| value.cast_into().ok()))
    }
}

/// The value of a key, where it is a string.
#[inline]
pub(super) fn text<'py>(data: &Bound<'py, PyDict>, key: &Bound<'py, PyString>) -> Text<'py> {
    Ok(data.get_item(key)?.and_then(|value| value.cast_into().ok()))
}

type Text<'py> = PyResult<Option<Bound<'py, PyString>>>;

#[pymethods]
impl FileResult {
    #[new]
    fn new(data: Py<PyDict>) -> Self {
        Self { data: Later::read(data) }
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyDict>,)> {
        Ok((self.dict(py)?,))
    }

    /// The service's id of the file.
    #[getter]
    pub(super) fn file_id<'py>(&self, py: Python<'py>) -> Text<'py> {
        self.text(Field::FileId, intern!(py, "fileId"))
    }

    /// The name it was uploaded with.
    #[getter]
    pub(super) fn file_name<'py>(&self, py: Python<'py>) -> Text<'py> {
        self.text(Field::FileName, intern!(py, "fileName"))
    }

    /// One of "waiting", "processing", "processed", "failed", or a word not known here.
    #[getter]
    pub(super) fn status<'py>(&self, py: Python<'py>) -> Text<'py> {
        self.text(Field::Status, intern!(py, "status"))
    }

    /// The extracted fields by key, as the vendor sent them; empty where there are none (yet).
    ///
    /// For a classification `confidence` and `documentType`.
    #[getter]
    pub(super) fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = self.dict(py)?.get_item(intern!(py, "result"))?;
        let found = found.and_then(|value| value.cast_into().ok());
        Ok(found.unwrap_or_else(|| PyDict::new(py)))
    }

    /// Where the service keeps the document.
    #[getter]
    fn url<'py>(&self, py: Python<'py>) -> Text<'py> {
        self.text(Field::Url, intern!(py, "url"))
    }

    /// Why the file failed, where the service says so.
    #[getter]
    pub(super) fn error<'py>(&self, py: Python<'py>) -> Text<'py> {
        self.text(Field::Error, intern!(py, "error"))
    }

    /// The batch of the linked extraction, where a classification has one.
    #[getter]
    fn extraction<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let linked = self.value(Field::Extraction, intern!(py, "extraction"))?;
        let Some(Ok(linked)) = linked.map(Bound::cast_into::<PyDict>) else { return Ok(None) };
        let Some(batch_id) = text(&linked, intern!(py, "batchId"))? else { return Ok(None) };
        if !batch_id.is_truthy()? {
            return Ok(None);
        }
        let fields = [
            ("batch_id", Some(batch_id)),
            ("extraction_id", text(&linked, intern!(py, "extractionId"))?),
            ("file_id", text(&linked, intern!(py, "fileId"))?),
        ];
        super::load::model(py, "BatchRef")?.call((), Some(&fields.into_py_dict(py)?)).map(Some)
    }

    /// The extraction, where the file names it (webhooks do).
    #[getter]
    fn extraction_id<'py>(&self, py: Python<'py>) -> Text<'py> {
        self.text(Field::ExtractionId, intern!(py, "extractionId"))
    }

    /// The classification, where the file names it.
    #[getter]
    fn classification_id<'py>(&self, py: Python<'py>) -> Text<'py> {
        self.text(Field::ClassificationId, intern!(py, "classificationId"))
    }

    /// The batch, where the file names it (webhooks do).
    #[getter]
    fn batch_id<'py>(&self, py: Python<'py>) -> Text<'py> {
        self.text(Field::BatchId, intern!(py, "batchId"))
    }

    /// Read the result as a type of yours.
    ///
    /// Args:
    ///     model: a pydantic v2 model, a dataclass or a TypedDict, as for `fields_from`.
    ///     decimal: the decimal mark of numbers such as "1,234" that do not tell it themselves.
    ///     day_first: whether dates such as "01/02/2025" have their day first. Where the two are
    ///         None the other values of the file decide; where they do not it is an error.
    ///
    /// Returns:
    ///     One of `model`.
    ///
    /// Raises:
    ///     ParseError: the file has no result, or values that cannot be read: all are named.
    ///     TypeError: `model` has something that the vendor's fields cannot say.
    #[allow(clippy::doc_markdown)] // Python's docstring.
    #[pyo3(signature = (model, *, decimal=None, day_first=None))]
    fn parse<'py>(
        slf: &Bound<'py, Self>,
        model: Bound<'py, PyAny>,
        decimal: Option<Bound<'py, PyAny>>,
        day_first: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let parse = slf.py().import("extracta_rs._parse")?.getattr("parse_file")?;
        parse.call1((slf, model, decimal, day_first))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("extracta_rs._html")?.getattr("file")?.call1((slf,))
    }

    /// Return the vendor's JSON of the file, untouched.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.dict(py)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let Ok(other) = other.cast::<Self>() else { return Ok(py.NotImplemented()) };
        let other = other.get();
        let equal = match (self.data.now(py), other.data.now(py)) {
            (Now::Unread(ours), Now::Unread(theirs)) if ours.whole() == theirs.whole() => true,
            _ => self.dict(py)?.eq(other.dict(py)?)?,
        };
        Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = |value: Text<'_>| match value? {
            Some(value) => Ok(value.repr()?.to_string_lossy().into_owned()),
            None => PyResult::Ok("None".to_owned()),
        };
        Ok(format!(
            "FileResult(file_id={}, file_name={}, status={}, result={}, error={})",
            shown(self.file_id(py))?,
            shown(self.file_name(py))?,
            shown(self.status(py))?,
            self.result(py)?.repr()?.to_string_lossy(),
            shown(self.error(py))?,
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.data.traverse(&visit, |_| Ok(()))
    }
}
