//! The one thread that brings results, progress and log records to Python.
//!
//! What has come is handed to each event loop in one `call_soon_threadsafe`: attaching and waking
//! a loop cost more than a result. A loop that is closed has nobody left to tell.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use super::log::{self, Record};
use super::progress::Progress;

const MOST: usize = 4096;

/// Makes a call's result, or raises its error.
pub(super) type Resolve = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// What the thread is told.
pub(super) enum Item {
    /// A call has ended; what it came to is made on the loop's thread.
    Done(Arc<Waiter>, Resolve),
    /// A call has something to tell.
    Progress(Arc<Waiter>, Arc<Progress>),
    /// Something to log.
    Log(Record),
    /// Nothing will come any more.
    End,
}

/// An asyncio future that waits for a call.
pub(super) struct Waiter {
    pub(super) event_loop: Py<PyAny>,
    pub(super) future: Py<PyAny>,
    pub(super) cancel: CancellationToken,
}

pub(super) fn run(inbox: &Receiver<Item>) {
    while let Ok(first) = inbox.recv() {
        let mut items = vec![first];
        items.extend(inbox.try_iter().take(MOST));
        let ending = items.iter().any(|item| matches!(item, Item::End));
        if Python::try_attach(|py| hand_over(py, items)).is_none() || ending {
            return;
        }
    }
}

fn hand_over(py: Python<'_>, items: Vec<Item>) {
    let mut loops: Vec<(Py<PyAny>, Vec<Item>)> = Vec::new();
    for item in items {
        let waiter = match &item {
            Item::Done(waiter, _) | Item::Progress(waiter, _) => waiter,
            Item::Log(record) => {
                log::emit(py, record);
                continue;
            }
            Item::End => continue,
        };
        match loops.iter_mut().find(|(known, _)| known.is(&waiter.event_loop)) {
            Some((_, its)) => its.push(item),
            None => loops.push((waiter.event_loop.clone_ref(py), vec![item])),
        }
    }
    for (event_loop, items) in loops {
        let cancels: Vec<_> = items.iter().filter_map(Item::cancel).collect();
        let delivery = Delivery { items: Mutex::new(items) };
        let called = Bound::new(py, delivery)
            .and_then(|delivery| event_loop.call_method1(py, "call_soon_threadsafe", (delivery,)));
        if called.is_err() {
            // The loop is closed: nobody waits for what these calls still do.
            cancels.iter().for_each(CancellationToken::cancel);
        }
    }
}

impl Item {
    fn cancel(&self) -> Option<CancellationToken> {
        match self {
            Self::Done(waiter, _) | Self::Progress(waiter, _) => Some(waiter.cancel.clone()),
            Self::Log(_) | Self::End => None,
        }
    }
}

/// Runs on the thread of an event loop.
#[pyclass(frozen, module = "extracta_rs._core")]
struct Delivery {
    items: Mutex<Vec<Item>>,
}

#[pymethods]
impl Delivery {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let items = std::mem::take(&mut *self.items.lock().unwrap_or_else(PoisonError::into_inner));
        for item in items {
            match item {
                Item::Done(waiter, resolve) => waiter.resolve(py, resolve(py))?,
                Item::Progress(waiter, progress) => {
                    if let Err(error) = progress.tell(py) {
                        waiter.cancel.cancel();
                        waiter.resolve(py, Err(error))?;
                    }
                }
                Item::Log(_) | Item::End => {}
            }
        }
        Ok(())
    }
}

impl Waiter {
    fn resolve(&self, py: Python<'_>, result: PyResult<Py<PyAny>>) -> PyResult<()> {
        let future = self.future.bind(py);
        if future.call_method0("done")?.is_truthy()? {
            return Ok(());
        }
        match result {
            Ok(value) => future.call_method1("set_result", (value,))?,
            Err(error) => future.call_method1("set_exception", (error,))?,
        };
        Ok(())
    }
}
