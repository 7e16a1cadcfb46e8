//! Answers of the core as the objects of `extracta_rs.models`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict as _, PyDict};
use pyo3::{PyTypeInfo as _, import_exception};

use super::answer::Answer;
use super::convert::json_to_python;
use crate::core::error::Unfinished;
use crate::core::model::{BatchAnswer, BatchKey, Kind, Target, UploadAnswer};

import_exception!(extracta_rs.exceptions, ResponseFormatError);

/// The vendor's JSON as a dict; what Python cannot hold is an answer of the wrong form.
pub(super) fn dict<'py>(py: Python<'py>, json: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let wrong = |reason: &str| wrong_format(py, reason, json);
    let value = json_to_python(py, json).map_err(|error| wrong(&error.value(py).to_string()))?;
    value.cast_into().map_err(|_| wrong("not a JSON object"))
}

/// `BatchResults`
pub(super) fn results(py: Python<'_>, answer: &BatchAnswer) -> PyResult<Py<PyAny>> {
    let (extraction_id, classification_id) = ids(&answer.key.target);
    let arguments = (
        Answer::unread(py, answer)?,
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

/// `RunResults`
pub(super) fn run_results(
    py: Python<'_>,
    finished: crate::core::run::Finished,
) -> PyResult<Py<PyAny>> {
    let crate::core::run::Finished { answer, documents, from_journal } = finished;
    let (extraction_id, classification_id) = ids(&answer.key.target);
    let documents: Vec<_> = documents
        .into_iter()
        .map(|document| (document.name, document.sha256, document.size, document.path))
        .collect();
    let arguments = (
        Answer::unread(py, &answer)?,
        answer.finished,
        extraction_id,
        classification_id,
        &answer.key.batch_id,
        documents,
        from_journal,
    );
    load(py, "RunResults")?.call1(arguments).map(Bound::unbind)
}

/// `UnfinishedDocument`s
pub(super) fn unfinished(
    py: Python<'_>,
    documents: Vec<Unfinished>,
) -> PyResult<Vec<Bound<'_, PyAny>>> {
    let class = load(py, "UnfinishedDocument")?;
    let load = |document: Unfinished| {
        let Unfinished { name, path, sha256, batch_id, reason, .. } = document;
        class.call1((name, path, sha256, batch_id, reason))
    };
    documents.into_iter().map(load).collect()
}

fn load<'py>(py: Python<'py>, class: &str) -> PyResult<Bound<'py, PyAny>> {
    model(py, class)?.getattr("_load")
}

/// A class of `extracta_rs.models`.
pub(super) fn model<'py>(py: Python<'py>, class: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODELS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let models =
        MODELS.get_or_try_init(py, || py.import("extracta_rs.models").map(Bound::unbind))?.bind(py);
    models.getattr(class)
}

/// An answer that cannot be turned into Python's objects.
fn wrong_format(py: Python<'_>, reason: &str, body: &[u8]) -> PyErr {
    let start = String::from_utf8_lossy(&body[..body.len().min(2048)]).into_owned();
    let text = format!("an answer of the service cannot be read: {reason}");
    let made = [("body", start)]
        .into_py_dict(py)
        .and_then(|fields| ResponseFormatError::type_object(py).call((text,), Some(&fields)));
    made.map_or_else(|failed| failed, PyErr::from_value)
}

/// The two ids that a resource is named by in Python; one of them is there.
pub(super) fn ids(target: &Target) -> (Option<&str>, Option<&str>) {
    match target.kind {
        Kind::Extraction => (Some(&target.id), None),
        Kind::Classification => (None, Some(&target.id)),
    }
}
