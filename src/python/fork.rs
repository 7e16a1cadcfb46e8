//! Journals stand still while the process forks, and are closed in the child.
//!
//! Python calls these around each fork, once a journal was opened. The pause is kept by the thread
//! that forks, which is the only one of the child. Waiting for it is done detached: what is waited
//! for may need the interpreter.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::core::journal::Paused;

thread_local! {
    static PAUSED: RefCell<Option<Paused>> = const { RefCell::new(None) };
}

static HEEDED: AtomicBool = AtomicBool::new(false);

/// From now on forks are heeded, where there are any.
pub(super) fn heed(py: Python<'_>) -> PyResult<()> {
    if HEEDED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let os = py.import("os")?;
    if !os.hasattr("register_at_fork")? {
        return Ok(());
    }
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before_fork, py)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_fork_in_parent, py)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_fork_in_child, py)?)?;
    os.call_method("register_at_fork", (), Some(&hooks))?;
    Ok(())
}

#[pyfunction]
fn before_fork(py: Python<'_>) {
    py.detach(|| PAUSED.set(Some(Paused::begin())));
}

#[pyfunction]
fn after_fork_in_parent() {
    drop(PAUSED.take());
}

#[pyfunction]
fn after_fork_in_child() {
    if let Some(paused) = PAUSED.take() {
        paused.let_go();
    }
}
