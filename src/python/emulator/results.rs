//! Results that Python gives, called from the emulator's threads. What they raise is kept, never
//! lost; and none of them is running any more when the interpreter ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping};
use serde_json::Value;

use crate::emulator::ResultSource;

/// How often the end of calls is looked for at exit.
const BETWEEN_CALLS: Duration = Duration::from_millis(2);
/// How many threads of this process call a Python function just now, or are about to. Python
/// crashes where one comes back while the interpreter is taken apart.
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// The process that `CALLS` counts in; a fork has none of its parent's threads.
static CALLS_IN: AtomicU32 = AtomicU32::new(0);
/// Set at exit: no more calls.
static EXITING: AtomicBool = AtomicBool::new(false);

/// What the callable raised.
#[derive(Clone, Default)]
pub(super) struct Raised(Arc<Mutex<Vec<PyErr>>>);

impl Raised {
    fn lock(&self) -> MutexGuard<'_, Vec<PyErr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, error: PyErr) {
        self.lock().push(error);
    }

    pub(super) fn take(&self) -> Vec<PyErr> {
        std::mem::take(&mut *self.lock())
    }
}

/// Makes a source of a dict by file name or of a callable.
pub(super) fn source(
    results: &Bound<'_, PyAny>,
    raised: &Raised,
) -> PyResult<Arc<dyn ResultSource>> {
    if results.is_callable() {
        if CALLS_IN.swap(std::process::id(), Ordering::SeqCst) != std::process::id() {
            CALLS.store(0, Ordering::SeqCst);
        }
        let callable = results.clone().unbind();
        return Ok(Arc::new(Callable { callable, raised: raised.clone() }));
    }
    let Value::Object(by_name) = from_python(results)? else {
        return Err(PyTypeError::new_err("results must be a dict by file name, or callable"));
    };
    Ok(Arc::new(
        by_name
            .into_iter()
            .map(|(name, result)| (name, Arc::new(result)))
            .collect::<HashMap<_, _>>(),
    ))
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
pub(super) fn finish_emulator_calls(py: Python<'_>) -> PyResult<()> {
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
    ) -> Result<Option<Arc<Value>>, String> {
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
                self.raised.push(error);
                format!("results raised {kind}")
            })
        });
        let Some(result) = answered else { return Err("Python is shutting down".to_owned()) };
        result.map(|value| value.map(Arc::new))
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
