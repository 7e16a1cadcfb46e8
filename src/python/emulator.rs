//! Binding of the emulator: one class, records as dictionaries. Results that Python gives are
//! called from the emulator's threads; what they raise is kept for `take_errors`, never lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping};
use serde_json::Value;

use crate::emulator::{self, Cut, Delivery, Fault, Part, Recorded, ResultSource, Settings};

/// How long a wait leaves a pressed Ctrl-C unseen.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(50);
/// How often the end of calls is looked for at exit.
const BETWEEN_CALLS: Duration = Duration::from_millis(2);

/// How many threads of this process call a Python function just now, or are about to. Python
/// crashes where one comes back while the interpreter is taken apart.
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// The process that `CALLS` counts in; a fork has none of its parent's threads.
static CALLS_IN: AtomicU32 = AtomicU32::new(0);
/// Set at exit: no more calls.
static EXITING: AtomicBool = AtomicBool::new(false);

type Raised = Arc<Mutex<Vec<PyErr>>>;

#[pyclass(frozen, module = "extracta_rs._core")]
struct Emulator {
    inner: emulator::Emulator,
    raised: Raised,
}

#[pymethods]
impl Emulator {
    #[new]
    #[pyo3(signature = (*, api_key, webhook_url, webhook_secret, processing_time,
                        polls_until_finished, fail_files, seed, legacy_webhook, results))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        py: Python<'_>,
        api_key: String,
        webhook_url: Option<String>,
        webhook_secret: String,
        processing_time: f64,
        polls_until_finished: u32,
        fail_files: Vec<String>,
        seed: u64,
        legacy_webhook: bool,
        results: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if CALLS_IN.swap(std::process::id(), Ordering::SeqCst) != std::process::id() {
            CALLS.store(0, Ordering::SeqCst);
        }
        let raised = Raised::default();
        let settings = Settings {
            api_key,
            webhook_url,
            webhook_secret,
            processing_time: seconds("processing_time", processing_time)?,
            polls_until_finished,
            fail_files,
            seed,
            legacy_webhook,
            results: results.map(|results| source(&results, &raised)).transpose()?,
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
        let raised = std::mem::take(&mut *locked(&self.raised));
        raised.into_iter().map(|error| error.into_value(py).into_any()).collect()
    }

    fn requests<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.check_process()?;
        let requests = py.detach(|| self.inner.requests());
        requests.iter().map(|recorded| request(py, recorded)).collect()
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

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

fn source(results: &Bound<'_, PyAny>, raised: &Raised) -> PyResult<Arc<dyn ResultSource>> {
    if results.is_callable() {
        let callable = results.clone().unbind();
        return Ok(Arc::new(Callable { callable, raised: Arc::clone(raised) }));
    }
    let Value::Object(by_name) = from_python(results)? else {
        return Err(PyTypeError::new_err("results must be a dict by file name, or callable"));
    };
    Ok(Arc::new(by_name.into_iter().collect::<HashMap<_, _>>()))
}

struct Callable {
    callable: Py<PyAny>,
    raised: Raised,
}

impl Callable {
    fn call(
        &self,
        py: Python<'_>,
        file_name: &str,
        content: &[u8],
        template: &Value,
    ) -> PyResult<Option<Value>> {
        let template = py.import("json")?.call_method1("loads", (template.to_string(),))?;
        let arguments = (file_name, PyBytes::new(py, content), template);
        let result = self.callable.bind(py).call1(arguments)?;
        if result.is_none() {
            return Ok(None);
        }
        if result.cast::<PyMapping>().is_err() {
            let kind = result.get_type().name()?;
            let text = format!("results must return a dict or None, not {kind}");
            return Err(PyTypeError::new_err(text));
        }
        from_python(&result).map(Some)
    }
}

struct Call;

impl Call {
    fn begin() -> Self {
        CALLS.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Forbids further calls of `results` and waits for those under way, as long as they take:
/// like Python itself for its threads, at exit.
#[pyfunction]
fn finish_emulator_calls(py: Python<'_>) -> PyResult<()> {
    if CALLS_IN.load(Ordering::SeqCst) != std::process::id() {
        return Ok(());
    }
    EXITING.store(true, Ordering::SeqCst);
    while CALLS.load(Ordering::SeqCst) > 0 {
        py.detach(|| std::thread::sleep(BETWEEN_CALLS));
        py.check_signals()?;
    }
    Ok(())
}

impl ResultSource for Callable {
    fn result(
        &self,
        name: &str,
        content: &[u8],
        template: &Value,
    ) -> Result<Option<Value>, String> {
        let _counted = Call::begin();
        if EXITING.load(Ordering::SeqCst) {
            return Err("Python is shutting down".to_owned());
        }
        let answered = Python::try_attach(|py| {
            self.call(py, name, content, template).map_err(|error| {
                let kind = error
                    .get_type(py)
                    .name()
                    .map_or_else(|_| String::new(), |name| name.to_string());
                locked(&self.raised).push(error);
                format!("results raised {kind}")
            })
        });
        answered.unwrap_or_else(|| Err("Python is shutting down".to_owned()))
    }
}

fn from_python(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let py = value.py();
    let options = PyDict::new(py);
    options.set_item("allow_nan", false)?;
    options.set_item("default", py.get_type::<PyDict>())?;
    let text = py.import("json")?.call_method("dumps", (value,), Some(&options))?;
    serde_json::from_str(&text.extract::<String>()?)
        .map_err(|error| PyValueError::new_err(error.to_string()))
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
    module.add_function(wrap_pyfunction!(finish_emulator_calls, module)?)?;
    module.add_class::<Emulator>()
}
