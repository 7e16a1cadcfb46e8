//! Progress on its way to a Python callback: only the newest state is kept.
//!
//! The callback runs where its caller expects it: on the thread that blocks, or on the event loop.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use tokio::sync::Notify;

type Arguments = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<pyo3::types::PyTuple>> + Send>;

/// A callback and the newest state that it has not been told.
pub(super) struct Progress {
    callback: Py<PyAny>,
    newest: Mutex<Option<Arguments>>,
    changed: Notify,
}

impl Progress {
    pub(super) fn new(callback: Py<PyAny>) -> Self {
        Self { callback, newest: Mutex::new(None), changed: Notify::new() }
    }

    /// Notes a state; `arguments` makes what the callback is called with.
    pub(super) fn note(
        &self,
        arguments: impl FnOnce(Python<'_>) -> PyResult<Py<pyo3::types::PyTuple>> + Send + 'static,
    ) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(arguments));
        self.changed.notify_one();
    }

    /// Ends when there is something to tell.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Calls back, unless the newest state has been told already.
    pub(super) fn tell(&self, py: Python<'_>) -> PyResult<()> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(arguments) = newest {
            self.callback.call1(py, arguments(py)?)?;
        }
        Ok(())
    }
}
