//! The core's errors as Python's: one exhaustive match.
//!
//! The classes are written in Python, where people read them.

use std::io;

use pyo3::exceptions::{PyIsADirectoryError, PyOSError, PyValueError};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyType};

use super::load::{self, ResponseFormatError, ids};
use crate::core::error::{Call, Error};

import_exception!(extracta_rs.exceptions, APIConnectionError);
import_exception!(extracta_rs.exceptions, APIError);
import_exception!(extracta_rs.exceptions, APITimeoutError);
import_exception!(extracta_rs.exceptions, AuthenticationError);
import_exception!(extracta_rs.exceptions, BadRequestError);
import_exception!(extracta_rs.exceptions, ClientClosedError);
import_exception!(extracta_rs.exceptions, ConfigurationError);
import_exception!(extracta_rs.exceptions, ExtractaError);
import_exception!(extracta_rs.exceptions, JournalError);
import_exception!(extracta_rs.exceptions, NotFoundError);
import_exception!(extracta_rs.exceptions, PermissionDeniedError);
import_exception!(extracta_rs.exceptions, RateLimitError);
import_exception!(extracta_rs.exceptions, RunIncompleteError);
import_exception!(extracta_rs.exceptions, ServerError);
import_exception!(extracta_rs.exceptions, UploadOutcomeUnknownError);
import_exception!(extracta_rs.exceptions, WaitTimeoutError);

/// The client was closed, or the process ends.
pub(super) fn closed(text: &'static str) -> PyErr {
    ClientClosedError::new_err(text)
}

/// The Python exception for an error of the core.
pub(super) fn to_python(py: Python<'_>, error: Error) -> PyErr {
    convert(py, error).unwrap_or_else(|failed| failed)
}

fn convert(py: Python<'_>, error: Error) -> PyResult<PyErr> {
    let text = error.to_string();
    let retry_after = error.retry_after();
    match error {
        Error::Config { .. } => Ok(ConfigurationError::new_err(text)),
        Error::Input(_) => Ok(PyValueError::new_err(text)),
        Error::Closed(reason) => Ok(closed(reason)),
        Error::File { name, source } => Ok(of_file(&name, source)),
        Error::Connection { call, sent, .. } => {
            let fields = fields_of(py, call)?;
            fields.set_item("request_sent", sent)?;
            raise::<APIConnectionError>(py, &text, &fields)
        }
        Error::Timeout { call, sent, .. } => {
            let fields = fields_of(py, call)?;
            fields.set_item("request_sent", sent)?;
            raise::<APITimeoutError>(py, &text, &fields)
        }
        Error::Status { call, status, message, body, .. } => {
            let fields = fields_of(py, call)?;
            fields.set_item("status_code", status)?;
            fields.set_item("message", message)?;
            fields.set_item("body", body)?;
            fields.set_item("retry_after", retry_after.map(|wait| wait.as_secs_f64()))?;
            instance(&class_of(py, status), &text, &fields)
        }
        Error::Format { call, status, body, .. } => {
            let fields = fields_of(py, call)?;
            fields.set_item("status_code", status)?;
            fields.set_item("body", body)?;
            raise::<ResponseFormatError>(py, &text, &fields)
        }
        Error::Undecided { .. } => Ok(ExtractaError::new_err(text)),
        Error::UploadOutcomeUnknown { target, batch_id, file_names, sha256, cause } => {
            let fields = PyDict::new(py);
            fields.set_item("retry_after", retry_after.map(|wait| wait.as_secs_f64()))?;
            let (extraction_id, classification_id) = ids(&target);
            fields.set_item("extraction_id", extraction_id)?;
            fields.set_item("classification_id", classification_id)?;
            fields.set_item("batch_id", batch_id)?;
            fields.set_item("file_names", file_names)?;
            fields.set_item("sha256", sha256)?;
            let error = raise::<UploadOutcomeUnknownError>(py, &text, &fields)?;
            error.set_cause(py, Some(to_python(py, *cause)));
            Ok(error)
        }
        Error::Journal { path, .. } => {
            let fields = PyDict::new(py);
            fields.set_item("journal", path.display().to_string())?;
            raise::<JournalError>(py, &text, &fields)
        }
        Error::RunIncomplete { documents, timed_out } => {
            let (unknown, failed): (Vec<_>, Vec<_>) =
                documents.into_iter().partition(|document| document.unknown);
            let fields = PyDict::new(py);
            fields.set_item("unknown", load::unfinished(py, unknown)?)?;
            fields.set_item("failed", load::unfinished(py, failed)?)?;
            fields.set_item("timed_out", timed_out.is_some())?;
            raise::<RunIncompleteError>(py, &text, &fields)
        }
        Error::WaitTimeout { key, last, cause, .. } => {
            let fields = PyDict::new(py);
            fields.set_item("token", key.token())?;
            fields
                .set_item("last_results", last.map(|last| load::results(py, &last)).transpose()?)?;
            let error = raise::<WaitTimeoutError>(py, &text, &fields)?;
            error.set_cause(py, cause.map(|cause| to_python(py, *cause)));
            Ok(error)
        }
    }
}

/// What every error of a request tells of it.
fn fields_of(py: Python<'_>, call: Call) -> PyResult<Bound<'_, PyDict>> {
    [("method", call.method), ("path", call.path)].into_py_dict(py)
}

fn class_of(py: Python<'_>, status: u16) -> Bound<'_, PyType> {
    match status {
        400 | 422 => py.get_type::<BadRequestError>(),
        401 => py.get_type::<AuthenticationError>(),
        403 => py.get_type::<PermissionDeniedError>(),
        404 => py.get_type::<NotFoundError>(),
        429 => py.get_type::<RateLimitError>(),
        500.. => py.get_type::<ServerError>(),
        _ => py.get_type::<APIError>(),
    }
}

fn raise<T: pyo3::PyTypeInfo>(
    py: Python<'_>,
    text: &str,
    fields: &Bound<'_, PyDict>,
) -> PyResult<PyErr> {
    instance(&py.get_type::<T>(), text, fields)
}

fn instance(class: &Bound<'_, PyType>, text: &str, fields: &Bound<'_, PyDict>) -> PyResult<PyErr> {
    Ok(PyErr::from_value(class.call((text,), Some(fields))?))
}

fn of_file(name: &str, source: io::Error) -> PyErr {
    // What a file object's own method raised.
    let source = match source.downcast::<PyErr>() {
        Ok(raised) => return raised,
        Err(source) => source,
    };
    match source.raw_os_error() {
        Some(code) => {
            let text = source.to_string();
            let text = text.split(" (os error").next().unwrap_or_default().to_owned();
            // OSError picks the subclass by its code: FileNotFoundError, PermissionError, ...
            PyOSError::new_err((code, text, name.to_owned()))
        }
        None if source.kind() == io::ErrorKind::IsADirectory => PyIsADirectoryError::new_err((
            21,
            "Is a directory: name the files in it",
            name.to_owned(),
        )),
        None => PyOSError::new_err(format!("{name}: {source}")),
    }
}
