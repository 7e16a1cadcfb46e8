//! Binding of `core::webhook`: takes bodies, headers and secrets as Python has them.
//!
//! A body that can change is copied first, so that what is parsed is what was verified. Messages
//! name types and reasons, never a secret or a signature.

use std::borrow::Cow;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::{
    IntoPyDict, PyByteArray, PyBytes, PyDict, PyList, PyMemoryView, PySequence, PyString,
};

use crate::core::javascript::{self, SyntaxError};
use crate::core::webhook::{self, Refusal, UnusableSecret};

import_exception!(extracta_rs.exceptions, SignatureVerificationError);

/// Bodies of this size and more are looked at without holding the interpreter. Who lets go of it
/// waits 5 ms (`sys.getswitchinterval`) for a thread that computes, whatever the size; who holds it
/// keeps the others waiting for 0.15 ms here, for 0.6 ms where the message has to be rebuilt.
const LARGE: usize = 256 * 1024;
const LONE_SURROGATE: SyntaxError = SyntaxError { offset: 0, what: "the str has lone surrogates" };

/// A raw body that cannot change any more.
pub(super) enum Body<'py> {
    Bytes(Bound<'py, PyBytes>),
    Text(Bound<'py, PyString>),
}

impl<'py> Body<'py> {
    pub(super) fn new(body: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = body.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.clone()));
        }
        if let Ok(text) = body.cast::<PyString>() {
            return Ok(Self::Text(text.clone()));
        }
        if body.is_instance_of::<PyByteArray>() || body.is_instance_of::<PyMemoryView>() {
            let copy = body.py().get_type::<PyBytes>().call1((body,))?;
            return Ok(Self::Bytes(copy.cast_into()?));
        }
        Err(refuse_body(body))
    }

    /// The bytes, where there are any: a lone surrogate has no UTF-8.
    pub(super) fn bytes(&self) -> Result<&[u8], SyntaxError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.as_bytes()),
            Self::Text(text) => text.to_str().map(str::as_bytes).map_err(|_| LONE_SURROGATE),
        }
    }
}

impl Body<'_> {
    /// Why it is refused: of a body without bytes no better reason is known to the core.
    pub(super) fn refusal(&self, refusal: Refusal) -> Refusal {
        match (refusal, self.bytes()) {
            (Refusal::MalformedBody(_), Err(error)) => Refusal::MalformedBody(error),
            (refusal, _) => refusal,
        }
    }

    pub(super) fn to_bytes(&self, py: Python<'_>) -> PyResult<Py<PyBytes>> {
        Ok(match self {
            Self::Bytes(bytes) => bytes.clone().unbind(),
            Self::Text(_) => PyBytes::new(py, self.bytes().map_err(invalid)?).unbind(),
        })
    }
}

fn refuse_body(body: &Bound<'_, PyAny>) -> PyErr {
    let kind = type_name(body);
    if !body.is_instance_of::<PyDict>() && !body.is_instance_of::<PyList>() {
        return PyTypeError::new_err(format!(
            "body must be bytes, bytearray, memoryview or str, not {kind}"
        ));
    }
    PyTypeError::new_err(format!(
        "body must be the raw body of the request, not a {kind}: the signature is over the bytes \
         that were sent, and parsed JSON does not tell them any more. Take request.get_data() in \
         Flask, await request.body() in Starlette and FastAPI, request.body in Django."
    ))
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}

fn header_bytes<'a>(header: &'a Bound<'_, PyAny>) -> PyResult<Option<Cow<'a, [u8]>>> {
    if header.is_none() {
        return Ok(None);
    }
    if let Ok(bytes) = header.cast::<PyBytes>() {
        return Ok(Some(Cow::Borrowed(bytes.as_bytes())));
    }
    let Ok(text) = header.cast::<PyString>() else {
        let kind = type_name(header);
        return Err(PyTypeError::new_err(format!("header must be str, bytes or None, not {kind}")));
    };
    Ok(Some(match text.to_string_lossy() {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }))
}

fn secret_bytes<'a>(secret: &'a Bound<'_, PyAny>) -> PyResult<Option<&'a [u8]>> {
    if let Ok(bytes) = secret.cast::<PyBytes>() {
        return Ok(Some(bytes.as_bytes()));
    }
    let Ok(text) = secret.cast::<PyString>() else { return Ok(None) };
    match text.to_str() {
        Ok(text) => Ok(Some(text.as_bytes())),
        // Python's own error would show the secret.
        Err(_) => Err(PyValueError::new_err("a webhook secret has lone surrogates")),
    }
}

fn no_secret(value: &Bound<'_, PyAny>) -> PyErr {
    let kind = type_name(value);
    PyTypeError::new_err(format!("secret must be str, bytes or a sequence of them, not {kind}"))
}

/// Calls `work` with the secrets that an argument holds.
fn with_secrets<T>(
    secret: &Bound<'_, PyAny>,
    work: impl FnOnce(&[&[u8]]) -> PyResult<T>,
) -> PyResult<T> {
    if let Some(one) = secret_bytes(secret)? {
        return work(&[one]);
    }
    let several = secret.cast::<PySequence>().map_err(|_| no_secret(secret))?;
    let several: Vec<_> = several.try_iter()?.collect::<PyResult<_>>()?;
    let bytes = several.iter().map(|one| secret_bytes(one)?.ok_or_else(|| no_secret(one)));
    work(&bytes.collect::<PyResult<Vec<_>>>()?)
}

/// Runs `work`, without holding the interpreter where that pays.
pub(super) fn work_on<T: Send>(
    py: Python<'_>,
    body: &[u8],
    work: impl FnOnce(&[u8]) -> T + Send,
) -> T {
    if body.len() < LARGE { work(body) } else { py.detach(|| work(body)) }
}

/// Runs a check of a body with the header and the secrets of a call.
pub(super) fn check<T: Send>(
    body: &[u8],
    header: &Bound<'_, PyAny>,
    secret: &Bound<'_, PyAny>,
    check: impl FnOnce(&[u8], Option<&[u8]>, &[&[u8]]) -> Result<T, UnusableSecret> + Send,
) -> PyResult<T> {
    let header = header_bytes(header)?;
    with_secrets(secret, |secrets| {
        work_on(secret.py(), body, |body| check(body, header.as_deref(), secrets))
            .map_err(|error| PyValueError::new_err(error.to_string()))
    })
}

#[pyfunction]
fn verify_signature(
    body: &Bound<'_, PyAny>,
    header: &Bound<'_, PyAny>,
    secret: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    let body = Body::new(body)?;
    let bytes = body.bytes().unwrap_or_default();
    Ok(check(bytes, header, secret, webhook::verify)?.is_ok())
}

#[pyfunction]
fn sign(body: &Bound<'_, PyAny>, secret: &Bound<'_, PyAny>) -> PyResult<String> {
    let body = Body::new(body)?;
    let key = secret_bytes(secret)?.ok_or_else(|| {
        PyTypeError::new_err(format!("secret must be str or bytes, not {}", type_name(secret)))
    })?;
    let bytes = body.bytes().map_err(invalid)?;
    work_on(secret.py(), bytes, |body| webhook::sign(body, key))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Write a body anew, as Node.js would.
#[pyfunction]
fn stringify<'py>(py: Python<'py>, body: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    javascript::stringify(body).map(|text| PyBytes::new(py, &text)).map_err(invalid)
}

pub(super) fn invalid(error: SyntaxError) -> PyErr {
    PyValueError::new_err(format!("the body is not JSON: {error}"))
}

pub(super) fn refused(py: Python<'_>, refusal: &Refusal) -> PyErr {
    let made = [("reason", refusal.reason())].into_py_dict(py).and_then(|fields| {
        let class = py.get_type::<SignatureVerificationError>();
        class.call((refusal.to_string(),), Some(&fields))
    });
    made.map_or_else(|failed| failed, PyErr::from_value)
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(verify_signature, module)?)?;
    module.add_function(wrap_pyfunction!(stringify, module)?)?;
    module.add_function(wrap_pyfunction!(sign, module)?)
}
