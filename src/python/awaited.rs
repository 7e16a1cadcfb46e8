//! What `await` steps through: the future that the task shall sleep on, then the result.
//!
//! Not the future's own iterator: this one sees that its task was cancelled or dropped without a
//! callback on the future, which would cost more than all the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::PyTraceback;
use pyo3::{PyTypeInfo as _, intern};

use super::call::Started;
use super::deliver::Waiter;
use super::hooks::Heard;
use super::progress::Progress;

/// A call that is awaited.
#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct Awaited {
    pub(super) started: Started,
    pub(super) waiter: Arc<Waiter>,
    pub(super) progress: Option<Arc<Progress>>,
    pub(super) heard: Option<Arc<Heard>>,
    pub(super) asleep: AtomicBool,
}

#[pymethods]
impl Awaited {
    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    /// The future, marked as `await` marks it, or the result as what `StopIteration` carries.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if let Some(outcome) = self.waiter.take() {
            // The result may be here before the loop was told of what went before.
            if let Some(heard) = &self.heard {
                heard.tell(py)?;
            }
            if let Some(progress) = &self.progress {
                progress.tell(py)?;
            }
            let value = outcome.into_python(py)?;
            // None is what StopIteration carries by itself.
            return if value.is_none(py) { Ok(None) } else { Err(stop(value)) };
        }
        if self.asleep.swap(true, Ordering::Relaxed) {
            return Err(PyRuntimeError::new_err("this call was resumed before it had ended"));
        }
        let future = self.waiter.future();
        future.setattr(py, intern!(py, "_asyncio_future_blocking"), true)?;
        Ok(Some(future.clone_ref(py)))
    }

    #[pyo3(signature = (kind, value=None, traceback=None))]
    fn throw(
        &self,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyTraceback>>,
    ) -> PyResult<Py<PyAny>> {
        self.close();
        let py = kind.py();
        let is_error = |value: &Bound<'_, PyAny>| {
            value.is_instance(&pyo3::exceptions::PyBaseException::type_object(py))
        };
        let error = match value {
            Some(value) if is_error(&value)? => value,
            Some(value) => kind.call1((value,))?,
            None if is_error(&kind)? => kind,
            None => kind.call0()?,
        };
        let error = PyErr::from_value(error);
        if traceback.is_some() {
            error.set_traceback(py, traceback);
        }
        Err(error)
    }

    fn close(&self) {
        if self.waiter.is_open() {
            self.started.end();
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.close();
    }
}

fn stop(value: Py<PyAny>) -> PyErr {
    PyStopIteration::new_err((value,))
}
