//! Log records of the core on their way to Python's `logging`, under the logger `extracta_rs`.
//!
//! Records made while a thread blocks in a call are emitted by that thread, before the call
//! returns; all others by the delivering thread. Python is never called from within a poll.

use std::cell::RefCell;

use log::{Level, LevelFilter, Metadata};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// A record, ready to be emitted.
pub(super) struct Record {
    level: u8,
    text: String,
}

struct Forward;

type Forwarding = Box<dyn Fn(Record)>;

thread_local! {
    static KEPT: RefCell<Option<Vec<Record>>> = const { RefCell::new(None) };
    static FORWARD: RefCell<Option<Forwarding>> = const { RefCell::new(None) };
}

impl log::Log for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "extracta_rs"
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug | Level::Trace => 10,
        };
        let record = Record { level, text: record.args().to_string() };
        let elsewhere = KEPT.with_borrow_mut(|kept| match kept {
            Some(kept) => {
                kept.push(record);
                None
            }
            None => Some(record),
        });
        if let Some(record) = elsewhere {
            FORWARD.with_borrow(|forward| {
                if let Some(forward) = forward {
                    forward(record);
                }
            });
        }
    }

    fn flush(&self) {}
}

/// Makes the core log to Python; called when the module is imported.
pub(super) fn install() {
    // Fails where it is installed already, by an earlier import.
    let _ = log::set_logger(&Forward);
}

/// Makes this thread, one of the runtime's, hand its records to the delivering thread.
pub(super) fn forward_with(forward: impl Fn(Record) + 'static) {
    FORWARD.set(Some(Box::new(forward)));
}

/// Runs `work`; records made by it on this thread come back instead of being forwarded.
pub(super) fn keep<T>(work: impl FnOnce() -> T) -> (T, Vec<Record>) {
    KEPT.set(Some(Vec::new()));
    let result = work();
    (result, KEPT.take().unwrap_or_default())
}

/// Takes over the level that Python's logger has now; records below it are not even made.
pub(super) fn refresh_level(py: Python<'_>) -> PyResult<()> {
    static MODULES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let modules =
        MODULES.get_or_try_init(py, || py.import("sys")?.getattr("modules").map(Bound::unbind))?;
    // Where nobody has imported `logging`, nobody has asked for more than warnings.
    let level = if modules.bind(py).contains(intern!(py, "logging"))? {
        effective_level(logger(py)?)?
    } else {
        30
    };
    log::set_max_level(match level {
        ..=10 => LevelFilter::Debug,
        11..=20 => LevelFilter::Info,
        21..=30 => LevelFilter::Warn,
        31..=40 => LevelFilter::Error,
        _ => LevelFilter::Off,
    });
    Ok(())
}

/// What the logger's `getEffectiveLevel` says, without a call of Python's for each call of ours.
fn effective_level(mut logger: Bound<'_, PyAny>) -> PyResult<i64> {
    let py = logger.py();
    loop {
        let level: i64 = logger.getattr(intern!(py, "level"))?.extract()?;
        let parent = logger.getattr(intern!(py, "parent"))?;
        if level != 0 || parent.is_none() {
            return Ok(level);
        }
        logger = parent;
    }
}

/// Hands a record to Python's `logging`.
pub(super) fn emit(py: Python<'_>, record: &Record) {
    let emitted = logger(py)
        .and_then(|logger| logger.call_method1("log", (record.level, "%s", &record.text)));
    if let Err(error) = emitted {
        // A handler of the user's raised where no caller can be told.
        error.write_unraisable(py, None);
    }
}

fn logger(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let logger = LOGGER.get_or_try_init(py, || {
        py.import("logging")?.call_method1("getLogger", ("extracta_rs",)).map(Bound::unbind)
    })?;
    Ok(logger.bind(py).clone())
}
