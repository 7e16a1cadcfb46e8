//! A dict that is made of JSON when it is first asked for, and is the same one ever after.
//!
//! Its lock is never held while Python's objects are made or dropped: both may run other threads,
//! and a thread that waits here holds the interpreter's lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// `S` is what it is made of, which is dropped then.
pub(super) struct Later<S>(Mutex<State<S>>);

enum State<S> {
    Unread(S),
    Read(Py<PyDict>),
}

/// What there is at the moment.
pub(super) enum Now<'py, S> {
    Unread(S),
    Read(Bound<'py, PyDict>),
}

impl<S: Clone> Later<S> {
    pub(super) fn unread(source: S) -> Self {
        Self(Mutex::new(State::Unread(source)))
    }

    pub(super) fn read(dict: Py<PyDict>) -> Self {
        Self(Mutex::new(State::Read(dict)))
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now<'py>(&self, py: Python<'py>) -> Now<'py, S> {
        match &*self.state() {
            State::Unread(source) => Now::Unread(source.clone()),
            State::Read(dict) => Now::Read(dict.bind(py).clone()),
        }
    }

    /// The dict; where it is not there yet, `read` makes it.
    pub(super) fn dict<'py>(
        &self,
        py: Python<'py>,
        read: impl FnOnce(&S) -> PyResult<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let source = match self.now(py) {
            Now::Read(dict) => return Ok(dict),
            Now::Unread(source) => source,
        };
        let made = read(&source)?;
        let mut state = self.state();
        if let State::Read(first) = &*state {
            // Another thread was quicker: all get the same one.
            return Ok(first.bind(py).clone());
        }
        let before = std::mem::replace(&mut *state, State::Read(made.clone().unbind()));
        drop(state);
        drop(before);
        Ok(made)
    }

    /// Shows what it holds to Python's collector of cycles; `source` does so for what is unread.
    pub(super) fn traverse(
        &self,
        visit: &PyVisit<'_>,
        source: impl FnOnce(&S) -> Result<(), PyTraverseError>,
    ) -> Result<(), PyTraverseError> {
        // What is changing at this moment is not garbage.
        match self.0.try_lock().as_deref() {
            Ok(State::Unread(unread)) => source(unread),
            Ok(State::Read(dict)) => visit.call(dict),
            Err(_) => Ok(()),
        }
    }
}
