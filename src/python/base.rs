//! What a client and its copies share: connections, hooks and a tracer.
//!
//! A connection cannot be shared across a fork, so the core's client is built anew in a child. The
//! lock is only held while attached, hence never across a fork.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use super::hooks::Hooks;
use super::observer::Observers;
use super::trace::Traced;
use super::{errors, runtime};
use crate::core::api;
use crate::core::config::Config;

/// What all copies share.
pub(super) struct Base {
    config: Config,
    core: Mutex<(u32, api::Client)>,
    hooks: Option<Arc<Hooks>>,
    tracer: Mutex<Option<Py<PyAny>>>,
}

impl Base {
    pub(super) fn new(config: Config, core: api::Client, hooks: Option<Arc<Hooks>>) -> Arc<Self> {
        let core = Mutex::new((std::process::id(), core));
        Arc::new(Self { config, core, hooks, tracer: Mutex::default() })
    }

    /// Traces calls from now on, or does not.
    pub(super) fn set_tracer(&self, tracer: Option<Py<PyAny>>) {
        // What was there is dropped when the lock is open again: it may run Python's code.
        let before = std::mem::replace(&mut *self.tracer(), tracer);
        drop(before);
    }

    fn tracer(&self) -> MutexGuard<'_, Option<Py<PyAny>>> {
        self.tracer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where nobody observes, as mostly.
    pub(super) fn observers(&self, py: Python<'_>) -> PyResult<Option<Observers>> {
        let tracer = self.tracer().as_ref().map(|tracer| tracer.clone_ref(py));
        if self.hooks.is_none() && tracer.is_none() {
            return Ok(None);
        }
        let runtime = runtime::current(py)?;
        let spans = tracer.map(|tracer| Traced::new(py, tracer, &runtime)).transpose()?.flatten();
        let heard = self.hooks.as_ref().map(|hooks| hooks.listen(py, runtime)).transpose()?;
        let any = heard.is_some() || spans.is_some();
        Ok(any.then_some(Observers { heard, traced: spans.map(Arc::new) }))
    }

    /// The core of this process.
    pub(super) fn core(&self, py: Python<'_>) -> PyResult<api::Client> {
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = std::process::id();
        if core.0 != pid {
            let fresh = api::Client::new(&self.config);
            let fresh = fresh.map_err(|error| errors::to_python(py, error))?;
            // The parent's connections are not ours to close.
            std::mem::forget(std::mem::replace(&mut *core, (pid, fresh)));
        }
        Ok(core.1.clone())
    }
}
