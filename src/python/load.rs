//! Answers of the core as the objects of `extracta_rs.models`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::convert::json_to_python;
use super::errors::{self, ids};
use crate::core::model::{BatchAnswer, BatchKey, Kind, Target, UploadAnswer};

/// The vendor's JSON as a dict; what Python cannot hold is an answer of the wrong form.
pub(super) fn dict<'py>(py: Python<'py>, json: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let wrong = |reason: &str| errors::wrong_format(py, reason, json);
    let value = json_to_python(py, json).map_err(|error| wrong(&error.to_string()))?;
    value.cast_into().map_err(|_| wrong("not a JSON object"))
}

/// `BatchResults`
pub(super) fn results(py: Python<'_>, answer: &BatchAnswer) -> PyResult<Py<PyAny>> {
    let (extraction_id, classification_id) = ids(&answer.key.target);
    let arguments = (
        dict(py, &answer.json)?,
        answer.finished,
        extraction_id,
        classification_id,
        &answer.key.batch_id,
    );
    load(py, "BatchResults")?.call1(arguments).map(Bound::unbind)
}

/// `Extraction` or `Classification`
pub(super) fn resource(
    py: Python<'_>,
    target: &Target,
    json: &[u8],
    details: Option<&[u8]>,
) -> PyResult<Py<PyAny>> {
    let details = details.map_or_else(|| Ok(PyDict::new(py)), |details| dict(py, details))?;
    let class = match target.kind {
        Kind::Extraction => "Extraction",
        Kind::Classification => "Classification",
    };
    load(py, class)?.call1((dict(py, json)?, &target.id, details)).map(Bound::unbind)
}

/// The answer to an upload and the batch's id, for the face to build its own kind of batch.
pub(super) fn upload(py: Python<'_>, answer: &UploadAnswer) -> PyResult<Py<PyAny>> {
    let BatchKey { batch_id, .. } = &answer.key;
    Ok((dict(py, &answer.json)?, batch_id).into_pyobject(py)?.into_any().unbind())
}

fn load<'py>(py: Python<'py>, class: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODELS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let models =
        MODELS.get_or_try_init(py, || py.import("extracta_rs.models").map(Bound::unbind))?.bind(py);
    models.getattr(class)?.getattr("_load")
}
