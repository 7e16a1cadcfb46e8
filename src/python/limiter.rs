//! A Python object that keeps the line of several processes, as `extracta_rs.Limiter` describes it.
//!
//! It may block, so it is called on a thread for that.

use std::time::Duration;

use futures_util::future::BoxFuture;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;

use crate::core::limit::on_thread;
use crate::core::line::{Shared, Step, StepResult, Told};
use crate::core::pace::Load;

/// Such an object.
pub(super) struct Limiter(Py<PyAny>);

impl Limiter {
    pub(super) fn new(object: Bound<'_, PyAny>) -> Self {
        Self(object.unbind())
    }
}

impl Shared for Limiter {
    fn step(&self, line: &str, least: Duration, step: Step) -> BoxFuture<'static, StepResult> {
        let line = line.to_owned();
        let object = Python::try_attach(|py| self.0.clone_ref(py));
        on_thread(move || {
            let called = Python::try_attach(|py| {
                let object = object?.into_bound(py);
                Some(called(&object, &line, least, step).map_err(|error| shown(py, &error)))
            });
            called.flatten()
        })
    }
}

fn called(object: &Bound<'_, PyAny>, line: &str, least: Duration, step: Step) -> PyResult<Told> {
    let py = object.py();
    let spacing = least.as_secs_f64();
    match step {
        Step::Take { waited } => {
            let waited = waited.as_secs_f64();
            let told = object.call_method1(intern!(py, "take"), (line, spacing, waited))?;
            let told = told.extract::<(f64, f64)>().map_err(|_| {
                let text = "take() must return two numbers: seconds to wait, and the spacing";
                PyTypeError::new_err(text)
            })?;
            Ok(Told { wait: length(told.0)?, spacing: length(told.1)? })
        }
        Step::Answered { age, load } => {
            let (load, hold) = match load {
                Load::Borne => ("borne", None),
                Load::Refused(hold) => ("refused", hold),
                Load::Unknown => ("unknown", None),
            };
            let hold = hold.unwrap_or_default().as_secs_f64();
            let told = (line, spacing, age.as_secs_f64(), load, hold);
            object.call_method1(intern!(py, "answered"), told)?;
            Ok(Told { wait: Duration::ZERO, spacing: least })
        }
    }
}

fn length(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| PyValueError::new_err(format!("take() returned {seconds} s")))
}

/// One line for the log.
fn shown(py: Python<'_>, error: &PyErr) -> String {
    let kind = error.get_type(py);
    let kind = kind.name().map_or_else(|_| "error".to_owned(), |name| name.to_string());
    let text = error.value(py).to_string();
    match text.lines().next() {
        Some(first) => format!("{kind}: {first}"),
        None => kind,
    }
}

/// What a Python object tells of an answer, as a step.
pub(super) fn answered(age: Duration, load: &str, hold: Duration) -> PyResult<Step> {
    let load = match load {
        "borne" => Load::Borne,
        "refused" => Load::Refused(Some(hold)),
        "unknown" => Load::Unknown,
        _ => return Err(PyValueError::new_err(format!("load must not be {load:?}"))),
    };
    Ok(Step::Answered { age, load })
}
