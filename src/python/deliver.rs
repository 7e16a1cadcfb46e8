//! The one thread that brings results, progress and log records to Python.
//!
//! What has come is handed to each event loop in one `call_soon_threadsafe`: attaching and waking
//! a loop cost more than a result. A loop that is closed has nobody left to tell.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use tokio::task::AbortHandle;

use super::call::{Caller, Outcome};
use super::hooks::Heard;
use super::log::{self, Record};
use super::progress::Progress;
use super::runtime::Runtime;

const MOST: usize = 4096;

/// What the thread is told.
pub(super) enum Item {
    /// A call has ended; what it came to is made by the task that awaits it.
    Done(Arc<Waiter>),
    /// A call has something to tell.
    Progress(Arc<Waiter>, Arc<Progress>),
    /// Hooks have something to be told.
    Heard(Arc<Heard>),
    /// Something to log.
    Log(Record),
    /// Nothing will come any more.
    End,
}

/// A task of asyncio that waits for a call.
pub(super) struct Waiter {
    event_loop: Py<PyAny>,
    future: Py<PyAny>,
    task: OnceLock<AbortHandle>,
    slot: Mutex<Slot>,
}

enum Slot {
    Open,
    Come(Outcome),
    Taken,
}

impl Waiter {
    /// `future` only wakes the task; what has come is in the slot.
    pub(super) fn new(event_loop: Py<PyAny>, future: Py<PyAny>) -> Self {
        Self { event_loop, future, task: OnceLock::new(), slot: Mutex::new(Slot::Open) }
    }

    pub(super) fn abort_with(&self, task: AbortHandle) {
        // Set once, by whoever has started the call.
        let _ = self.task.set(task);
    }

    pub(super) fn future(&self) -> &Py<PyAny> {
        &self.future
    }

    /// Whether nothing has come.
    pub(super) fn is_open(&self) -> bool {
        matches!(*self.slot(), Slot::Open)
    }

    /// What has come, once.
    pub(super) fn take(&self) -> Option<Outcome> {
        let mut slot = self.slot();
        match std::mem::replace(&mut *slot, Slot::Taken) {
            Slot::Come(outcome) => Some(outcome),
            other => {
                *slot = other;
                None
            }
        }
    }

    fn put(&self, outcome: Outcome) {
        let mut slot = self.slot();
        if matches!(*slot, Slot::Open) {
            *slot = Slot::Come(outcome);
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abort(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    fn wake(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.bind(py);
        let woken = future.call_method1(intern!(py, "set_result"), (py.None(),));
        match woken {
            // Its task was cancelled, or a callback has raised.
            Err(_) if future.call_method0(intern!(py, "done"))?.is_truthy()? => Ok(()),
            woken => woken.map(drop),
        }
    }
}

impl Caller for Waiter {
    const BLOCKS: bool = false;

    fn ended(self: Arc<Self>, runtime: &Runtime, outcome: Outcome) {
        self.put(outcome);
        runtime.send(Item::Done(self));
    }

    fn progress(self: &Arc<Self>, runtime: &Runtime, progress: &Arc<Progress>) {
        runtime.send(Item::Progress(self.clone(), progress.clone()));
    }

    fn heard(&self) {}

    fn closing(&self) {}
}

/// The thread stays known to Python between two deliveries: introducing it anew each time would
/// take longer than they do.
pub(super) fn run(inbox: Receiver<Item>) {
    let Ok(mut first) = inbox.recv() else { return };
    let inbox = Mutex::new(inbox);
    // Refused once the interpreter is ending.
    Python::try_attach(|py| {
        loop {
            let mut items = vec![first];
            items.extend(open(&inbox).try_iter().take(MOST));
            let ending = items.iter().any(|item| matches!(item, Item::End));
            hand_over(py, items);
            if ending {
                return;
            }
            match py.detach(|| open(&inbox).recv()) {
                Ok(next) => first = next,
                Err(_) => return,
            }
        }
    });
}

fn open(inbox: &Mutex<Receiver<Item>>) -> MutexGuard<'_, Receiver<Item>> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hand_over(py: Python<'_>, items: Vec<Item>) {
    let mut loops: Vec<(Py<PyAny>, Vec<Item>)> = Vec::new();
    for item in items {
        let event_loop = match &item {
            Item::Done(waiter) | Item::Progress(waiter, _) => &waiter.event_loop,
            Item::Heard(heard) => {
                let Some(event_loop) = heard.event_loop() else {
                    if let Err(error) = heard.tell(py) {
                        error.write_unraisable(py, None);
                    }
                    continue;
                };
                event_loop
            }
            Item::Log(record) => {
                log::emit(py, record);
                continue;
            }
            Item::End => continue,
        };
        match loops.iter_mut().find(|(known, _)| known.is(event_loop)) {
            Some((_, its)) => its.push(item),
            None => loops.push((event_loop.clone_ref(py), vec![item])),
        }
    }
    for (event_loop, items) in loops {
        let waiters: Vec<_> = items.iter().filter_map(Item::still_working).collect();
        let delivery = Delivery { items: Mutex::new(items) };
        let called = Bound::new(py, delivery).and_then(|delivery| {
            event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (delivery,))
        });
        if called.is_err() {
            // The loop is closed: nobody waits for what these calls still do.
            for waiter in waiters {
                waiter.abort();
            }
        }
    }
}

impl Item {
    fn still_working(&self) -> Option<Arc<Waiter>> {
        match self {
            Self::Progress(waiter, _) => Some(waiter.clone()),
            Self::Done(_) | Self::Heard(_) | Self::Log(_) | Self::End => None,
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
        let mut interrupted = Ok(());
        for item in items {
            match item {
                Item::Done(waiter) => waiter.wake(py)?,
                Item::Heard(heard) => interrupted = interrupted.and(heard.tell(py)),
                Item::Progress(waiter, progress) => {
                    if let Err(error) = progress.tell(py) {
                        waiter.abort();
                        waiter.put(Outcome::Raised(error));
                        waiter.wake(py)?;
                    }
                }
                Item::Log(_) | Item::End => {}
            }
        }
        interrupted
    }
}
