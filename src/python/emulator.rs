//! Binding of the emulator: one class; what it recorded, as dictionaries. Python makes the typed
//! and documented objects of it, in `extracta_rs.testing`.

use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::emulator::{self, Cut, Delivery, Fault, Part, Recorded, Settings};

use results::Raised;

mod results;

/// How long a wait leaves a pressed Ctrl-C unseen.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(50);

#[pyclass(frozen, module = "extracta_rs._core")]
struct Emulator {
    inner: emulator::Emulator,
    raised: Raised,
}

#[pymethods]
impl Emulator {
    #[new]
    #[pyo3(signature = (*, port, api_key, webhook_url, webhook_secret, processing_time,
                        polls_until_finished, show_batches, fail_files, seed, legacy_webhook, results))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        py: Python<'_>,
        port: u16,
        api_key: String,
        webhook_url: Option<String>,
        webhook_secret: String,
        processing_time: f64,
        polls_until_finished: u32,
        show_batches: bool,
        fail_files: Vec<String>,
        seed: u64,
        legacy_webhook: bool,
        results: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let raised = Raised::default();
        let settings = Settings {
            port,
            api_key,
            webhook_url,
            webhook_secret,
            processing_time: seconds("processing_time", processing_time)?,
            polls_until_finished,
            show_batches,
            fail_files,
            seed,
            legacy_webhook,
            results: results.map(|results| results::source(&results, &raised)).transpose()?,
        };
        let started = py.detach(|| emulator::Emulator::start(settings));
        let inner = started.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidInput => PyValueError::new_err(error.to_string()),
            _ => PyOSError::new_err(error.to_string()),
        })?;
        Ok(Self { inner, raised })
    }

    #[getter]
    fn base_url(&self) -> String {
        self.inner.base_url()
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.inner.stop());
    }

    fn is_stopped(&self) -> bool {
        self.inner.is_stopped()
    }

    /// What `results` raised since the last call.
    fn take_errors(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        if self.inner.is_inherited() {
            return Vec::new();
        }
        self.raised.take().into_iter().map(|error| error.into_value(py).into_any()).collect()
    }

    fn requests<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.check_process()?;
        let requests = py.detach(|| self.inner.requests());
        requests.iter().map(|recorded| request(py, recorded)).collect()
    }

    fn requests_from<'py>(
        &self,
        py: Python<'py>,
        number: usize,
    ) -> PyResult<(usize, Vec<Bound<'py, PyDict>>)> {
        self.check_process()?;
        let (first, requests) = py.detach(|| self.inner.requests_from(number));
        let requests: PyResult<_> = requests.iter().map(|recorded| request(py, recorded)).collect();
        Ok((first, requests?))
    }

    fn deliveries<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.check_process()?;
        let deliveries = py.detach(|| self.inner.deliveries());
        deliveries.iter().map(|attempt| delivery(py, attempt)).collect()
    }

    fn wait_for_deliveries(&self, py: Python<'_>, count: usize, timeout: f64) -> PyResult<bool> {
        self.check_process()?;
        let limit = seconds("timeout", timeout)?;
        let began = Instant::now();
        loop {
            let left = limit.saturating_sub(began.elapsed());
            let slice = left.min(BETWEEN_SIGNALS);
            if py.detach(|| self.inner.wait_for_deliveries(count, slice)) {
                return Ok(true);
            }
            if left.is_zero() || self.inner.is_stopped() {
                return Ok(false);
            }
            py.check_signals()?;
        }
    }

    #[pyo3(signature = (endpoint, *, times, batch_id, status, retry_after, headers, body, delay,
                        cut, malformed, slow_body, carry_out))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn add_fault(
        &self,
        endpoint: String,
        times: Option<u32>,
        batch_id: Option<String>,
        status: Option<u16>,
        retry_after: Option<String>,
        headers: Vec<(String, String)>,
        body: Option<Vec<u8>>,
        delay: f64,
        cut: Option<&str>,
        malformed: bool,
        slow_body: f64,
        carry_out: Option<bool>,
    ) -> PyResult<()> {
        self.check_process()?;
        let fault = Fault {
            endpoint,
            batch_id,
            times,
            status,
            retry_after,
            headers,
            body: body.map(Into::into),
            delay: seconds("delay", delay)?,
            cut: cut.map(cut_named).transpose()?,
            malformed,
            slow_body: seconds("slow_body", slow_body)?,
            carry_out,
        };
        self.inner.faults().add(fault).map_err(PyValueError::new_err)
    }

    fn pending_faults(&self) -> PyResult<usize> {
        self.check_process()?;
        Ok(self.inner.faults().pending())
    }

    fn clear_faults(&self) -> PyResult<()> {
        self.check_process()?;
        self.inner.faults().clear();
        Ok(())
    }
}

impl Emulator {
    fn check_process(&self) -> PyResult<()> {
        if self.inner.is_inherited() {
            return Err(PyRuntimeError::new_err("the emulator runs in the parent process"));
        }
        Ok(())
    }
}

fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| PyValueError::new_err(format!("{name} must be a number of seconds >= 0")))
}

fn cut_named(name: &str) -> PyResult<Cut> {
    match name {
        "before" => Ok(Cut::Before),
        "after" => Ok(Cut::After),
        "mid" => Ok(Cut::Mid),
        _ => Err(PyValueError::new_err("cut must be 'before', 'after' or 'mid'")),
    }
}

fn request<'py>(py: Python<'py>, recorded: &Recorded) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("method", &recorded.method)?;
    dict.set_item("path", &recorded.path)?;
    dict.set_item("endpoint", recorded.endpoint)?;
    dict.set_item("time", recorded.time)?;
    dict.set_item("unix_time", recorded.unix_time)?;
    dict.set_item("status", recorded.status)?;
    dict.set_item("headers", &recorded.headers)?;
    dict.set_item("body", PyBytes::new(py, &recorded.body))?;
    let parts: PyResult<Vec<_>> = recorded.parts.iter().map(|item| part(py, item)).collect();
    dict.set_item("parts", parts?)?;
    dict.set_item("extraction_id", &recorded.extraction_id)?;
    dict.set_item("classification_id", &recorded.classification_id)?;
    dict.set_item("batch_id", &recorded.batch_id)?;
    dict.set_item("file_ids", &recorded.file_ids)?;
    dict.set_item("carried_out", recorded.carried_out)?;
    Ok(dict)
}

fn part<'py>(py: Python<'py>, part: &Part) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", &part.name)?;
    dict.set_item("file_name", &part.file_name)?;
    dict.set_item("content_type", &part.content_type)?;
    dict.set_item("size", part.size)?;
    dict.set_item("sha256", &part.sha256)?;
    dict.set_item("content_disposition", &part.content_disposition)?;
    Ok(dict)
}

fn delivery<'py>(py: Python<'py>, delivery: &Delivery) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("time", delivery.time)?;
    dict.set_item("url", &delivery.url)?;
    dict.set_item("event", &delivery.event)?;
    dict.set_item("batch_id", &delivery.batch_id)?;
    dict.set_item("attempt", delivery.attempt)?;
    dict.set_item("status", delivery.status)?;
    dict.set_item("error", &delivery.error)?;
    dict.set_item("body", PyBytes::new(py, &delivery.body))?;
    dict.set_item("signature", &delivery.signature)?;
    Ok(dict)
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(results::finish_emulator_calls, module)?)?;
    module.add_class::<Emulator>()
}
