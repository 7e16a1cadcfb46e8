//! A verified delivery as Python holds it: the body, and which part of it is signed.
//!
//! Python's objects are made when they are asked for, from the very bytes that were verified: who
//! only stores a delivery and answers pays for the check alone.

use std::ops::Range;

use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::convert::json_to_python;
use super::webhook::{Body, invalid, refused, verify, work_on};
use crate::core::webhook::{Verified, WrongShape, check_shape, dedupe_keys};

import_exception!(extracta_rs.exceptions, WebhookPayloadError);

type Ends = (usize, usize);

#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct Unwrapped {
    #[pyo3(get)]
    raw: Py<PyBytes>,
    signed: Range<usize>,
    event: Option<Range<usize>>,
}

impl Unwrapped {
    /// Takes a verified body that was found to have the shape of a delivery.
    pub(super) fn new(
        raw: Py<PyBytes>,
        signed: Range<usize>,
        event: Option<Range<usize>>,
        shape: Result<(), WrongShape>,
    ) -> PyResult<Self> {
        shape.map_err(|wrong| WebhookPayloadError::new_err(wrong.to_string()))?;
        Ok(Self { raw, signed, event })
    }

    fn part<'py>(&'py self, py: Python<'py>, range: &Range<usize>) -> &'py [u8] {
        self.raw.as_bytes(py).get(range.clone()).unwrap_or_default()
    }
}

#[pymethods]
impl Unwrapped {
    /// For pickle: takes what `__getnewargs__` gave.
    #[new]
    #[pyo3(signature = (raw, signed, event))]
    fn again(raw: Bound<'_, PyBytes>, signed: Ends, event: Option<Ends>) -> PyResult<Self> {
        let signed = signed.0..signed.1;
        let event = event.map(|(start, end)| start..end);
        let shape = check_shape(raw.as_bytes(), signed.clone(), event.clone());
        Self::new(raw.unbind(), signed, event, shape)
    }

    fn __getnewargs__(&self, py: Python<'_>) -> (Py<PyBytes>, Ends, Option<Ends>) {
        let ends = |range: &Range<usize>| (range.start, range.end);
        (self.raw.clone_ref(py), ends(&self.signed), self.event.as_ref().map(ends))
    }

    /// The value of `event`.
    fn event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.event.as_ref().map(|event| json_to_python(py, self.part(py, event))).transpose()
    }

    /// The body as a dict; its `result` is read from the signed bytes alone.
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let before = self.raw.as_bytes(py).get(..self.signed.start).unwrap_or_default();
        let behind = self.raw.as_bytes(py).get(self.signed.end..).unwrap_or_default();
        let envelope = json_to_python(py, &[before, b"null", behind].concat())?;
        let envelope = if envelope.is_none() { PyDict::new(py).into_any() } else { envelope };
        envelope.set_item("result", json_to_python(py, self.part(py, &self.signed))?)?;
        Ok(envelope)
    }

    /// One key for each file.
    fn dedupe_keys(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        work_on(py, self.part(py, &self.signed), dedupe_keys).map_err(invalid)
    }
}

#[pyfunction]
fn unwrap_webhook(
    body: &Bound<'_, PyAny>,
    header: &Bound<'_, PyAny>,
    secret: &Bound<'_, PyAny>,
) -> PyResult<Unwrapped> {
    let py = body.py();
    let body = Body::new(body)?;
    let Verified { signed, event, .. } = match verify(&body, header, secret)? {
        Ok(verified) => verified,
        Err(refusal) => return Err(refused(py, &refusal)),
    };
    let bytes = body.bytes().map_err(invalid)?;
    let shape = work_on(py, bytes, |body| check_shape(body, signed.clone(), event.clone()));
    let raw = match &body {
        Body::Bytes(bytes) => bytes.clone(),
        Body::Text(_) => PyBytes::new(py, bytes),
    };
    Unwrapped::new(raw.unbind(), signed, event, shape)
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Unwrapped>()?;
    module.add_function(wrap_pyfunction!(unwrap_webhook, module)?)
}
