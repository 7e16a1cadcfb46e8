//! A verified delivery as Python holds it: the body, which part of it is signed, and what that
//! says.
//!
//! The objects are made from the very message that was signed, and making them is what shows that
//! it is a list of files.

use std::ops::Range;
use std::sync::OnceLock;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use super::convert::json_to_python;
use super::file::FileResult;
use super::webhook::{Body, check, invalid, refused, work_on};
use crate::core::webhook::{self, Delivery, Unopened, Verified, check_files};

import_exception!(extracta_rs.exceptions, WebhookPayloadError);

type Ends = (usize, usize);
type Parts = (Py<PyBytes>, Ends, Option<Ends>, Option<Py<PyBytes>>);

#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct Unwrapped {
    #[pyo3(get)]
    raw: Py<PyBytes>,
    signed: Range<usize>,
    event: Option<Range<usize>>,
    rebuilt: Option<Py<PyBytes>>,
    /// The dicts of the signed list, and the files that show them; read again behind a pickle.
    result: OnceLock<Py<PyList>>,
    files: OnceLock<Py<PyList>>,
}

impl Unwrapped {
    fn new(
        raw: Py<PyBytes>,
        signed: Range<usize>,
        event: Option<Range<usize>>,
        rebuilt: Option<Py<PyBytes>>,
    ) -> Self {
        let (result, files) = (OnceLock::new(), OnceLock::new());
        Self { raw, signed, event, rebuilt, result, files }
    }

    /// Builds the list of dicts; what is none, or no JSON, the check names.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let message = self.message(py);
        let wrong = |error| match check_files(message) {
            Err(wrong) => WebhookPayloadError::new_err(wrong.to_string()),
            Ok(()) => error,
        };
        let read = json_to_python(py, message).map_err(wrong)?;
        match read.cast_into::<PyList>() {
            Ok(list) if list.iter().all(|file| file.is_instance_of::<PyDict>()) => Ok(list),
            _ => Err(wrong(WebhookPayloadError::new_err("`result` is not a list of files"))),
        }
    }

    fn part<'py>(&'py self, py: Python<'py>, range: &Range<usize>) -> &'py [u8] {
        self.raw.as_bytes(py).get(range.clone()).unwrap_or_default()
    }

    /// What was signed.
    pub(super) fn message<'py>(&'py self, py: Python<'py>) -> &'py [u8] {
        match &self.rebuilt {
            Some(rebuilt) => rebuilt.as_bytes(py),
            None => self.part(py, &self.signed),
        }
    }
}

#[pymethods]
impl Unwrapped {
    /// For pickle: takes what `__getnewargs__` gave.
    #[new]
    #[pyo3(signature = (raw, signed, event, rebuilt))]
    fn again(
        raw: Py<PyBytes>,
        signed: Ends,
        event: Option<Ends>,
        rebuilt: Option<Py<PyBytes>>,
    ) -> Self {
        let event = event.map(|(start, end)| start..end);
        Self::new(raw, signed.0..signed.1, event, rebuilt)
    }

    fn __getnewargs__(&self, py: Python<'_>) -> Parts {
        let ends = |range: &Range<usize>| (range.start, range.end);
        let rebuilt = self.rebuilt.as_ref().map(|rebuilt| rebuilt.clone_ref(py));
        (self.raw.clone_ref(py), ends(&self.signed), self.event.as_ref().map(ends), rebuilt)
    }

    /// The value of `event`.
    fn event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.event.as_ref().map(|event| json_to_python(py, self.part(py, event))).transpose()
    }

    /// The signed list of dicts.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        if self.result.get().is_none() {
            let made = self.read(py)?;
            // Whichever thread comes first: both read the same.
            let _ = self.result.set(made.unbind());
        }
        let known = self.result.get().map(|list| list.bind(py).clone());
        known.ok_or_else(|| WebhookPayloadError::new_err("the files are lost"))
    }

    /// The body as a dict; its `result` is read from the signed message alone.
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let body = self.raw.as_bytes(py);
        let before = body.get(..self.signed.start).unwrap_or_default();
        let behind = body.get(self.signed.end..).unwrap_or_default();
        let envelope = json_to_python(py, &[before, b"null", behind].concat())?;
        let envelope = if envelope.is_none() { PyDict::new(py).into_any() } else { envelope };
        envelope.set_item("result", self.result(py)?)?;
        Ok(envelope)
    }

    /// A view of each dict of `result`.
    fn files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        if self.files.get().is_none() {
            let dicts = self.result(py)?.iter();
            let views = dicts.map(|file| FileResult::view(file)).collect::<PyResult<Vec<_>>>()?;
            let _ = self.files.set(PyList::new(py, views)?.unbind());
        }
        let known = self.files.get().map(|list| list.bind(py).clone());
        known.ok_or_else(|| WebhookPayloadError::new_err("the files are lost"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.result.get())?;
        visit.call(self.files.get())
    }

    /// One key for each file.
    fn dedupe_keys(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        work_on(py, self.message(py), webhook::dedupe_keys).map_err(invalid)
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
    let bytes = body.bytes().unwrap_or_default();
    let opened = check(bytes, header, secret, webhook::open)?;
    let Delivery { verified, rebuilt } = match opened {
        Ok(delivery) => delivery,
        Err(Unopened::Refused(refusal)) => return Err(refused(py, &body.refusal(refusal))),
        Err(Unopened::WrongShape(wrong)) => {
            return Err(WebhookPayloadError::new_err(wrong.to_string()));
        }
    };
    let rebuilt = rebuilt.map(|rebuilt| PyBytes::new(py, &rebuilt).unbind());
    let Verified { signed, event, .. } = verified;
    let unwrapped = Unwrapped::new(body.to_bytes(py)?, signed, event, rebuilt);
    unwrapped.result(py)?;
    Ok(unwrapped)
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Unwrapped>()?;
    module.add_function(wrap_pyfunction!(unwrap_webhook, module)?)
}
