//! Hooks of the user's, which are told of each request of a call.
//!
//! They run where a callback is expected: on the thread that blocks in the call, or on the call's
//! event loop; where nobody blocks any more (between two results of an iterator, after Ctrl-C), on
//! the delivering thread. Never on the runtime's: that only puts events into a queue, which has a
//! limit. What a hook raises is logged; it cannot cost a result.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::UNIX_EPOCH;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use tokio::sync::Notify;

use super::deliver::Item;
use super::runtime::Runtime;
use crate::core::observe::{Asked, Ended};

/// A loop that is blocked for so many events loses those that follow.
const MOST: usize = 1000;

/// The callables.
pub(super) struct Hooks {
    on_request: Option<Py<PyAny>>,
    on_response: Option<Py<PyAny>>,
    /// Whether calls are awaited.
    asyncio: bool,
}

impl Hooks {
    /// `None` where there are no hooks.
    pub(super) fn new(
        on_request: Option<Bound<'_, PyAny>>,
        on_response: Option<Bound<'_, PyAny>>,
        asyncio: bool,
    ) -> Option<Arc<Self>> {
        let any = on_request.is_some() || on_response.is_some();
        let (on_request, on_response) =
            (on_request.map(Bound::unbind), on_response.map(Bound::unbind));
        any.then(|| Arc::new(Self { on_request, on_response, asyncio }))
    }

    /// Begins to listen for a call that is made here and now.
    pub(super) fn listen(
        self: &Arc<Self>,
        py: Python<'_>,
        runtime: Arc<Runtime>,
    ) -> PyResult<Arc<Heard>> {
        let event_loop = OnceLock::new();
        if self.asyncio
            && let Ok(running) = super::call::running_loop(py)
        {
            let _ = event_loop.set(running.unbind());
        }
        let context = py.import("contextvars")?.call_method0(intern!(py, "copy_context"))?;
        Ok(Arc::new(Heard {
            hooks: self.clone(),
            context: context.unbind(),
            event_loop,
            runtime,
            queue: Mutex::default(),
            changed: Notify::new(),
        }))
    }
}

/// What happened.
pub(super) enum Event {
    Asked(Asked),
    Ended(Asked, Ended),
}

/// What hooks are to be told of a call.
pub(super) struct Heard {
    hooks: Arc<Hooks>,
    /// The caller's context variables.
    context: Py<PyAny>,
    event_loop: OnceLock<Py<PyAny>>,
    runtime: Arc<Runtime>,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    lost: usize,
    /// Threads that block and will look into the queue.
    listeners: usize,
    /// Whether the delivering thread knows.
    handed: bool,
    /// Whether somebody calls hooks now, and will look again.
    telling: bool,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event; called on any thread.
    pub(super) fn push(self: &Arc<Self>, event: Event) {
        let mut queue = self.lock();
        if queue.events.len() >= MOST {
            queue.lost += 1;
            return;
        }
        queue.events.push_back(event);
        if queue.listeners > 0 {
            self.changed.notify_one();
        } else {
            self.hand_over(&mut queue);
        }
    }

    fn hand_over(self: &Arc<Self>, queue: &mut Queue) {
        let reachable = !self.hooks.asyncio || self.event_loop.get().is_some();
        if reachable && !queue.handed && !queue.events.is_empty() {
            queue.handed = true;
            self.runtime.send(Item::Heard(self.clone()));
        }
    }

    /// The loop that the hooks run on, on asyncio.
    pub(super) fn event_loop(&self) -> Option<&Py<PyAny>> {
        self.event_loop.get()
    }

    /// The call is awaited on this loop.
    pub(super) fn awaited_on(self: &Arc<Self>, event_loop: &Bound<'_, PyAny>) {
        if self.hooks.asyncio && self.event_loop.set(event_loop.clone().unbind()).is_ok() {
            self.hand_over(&mut self.lock());
        }
    }

    /// A thread blocks, and will look when something has changed.
    pub(super) fn blocked_on(self: &Arc<Self>) -> Listening {
        self.lock().listeners += 1;
        Listening(self.clone())
    }

    /// Ends when a thread that blocks should look.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Calls the hooks with what has happened. An error is none of theirs, but an interruption.
    pub(super) fn tell(&self, py: Python<'_>) -> PyResult<()> {
        static DISPATCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let mut queue = self.lock();
        queue.handed = false;
        if queue.telling || (queue.events.is_empty() && queue.lost == 0) {
            return Ok(());
        }
        queue.telling = true;
        drop(queue);
        let dispatch = DISPATCH.get_or_try_init(py, || {
            py.import("extracta_rs._observe")?.getattr("dispatch").map(Bound::unbind)
        });
        loop {
            let mut queue = self.lock();
            let (events, lost) = (std::mem::take(&mut queue.events), queue.lost);
            queue.lost = 0;
            if events.is_empty() && lost == 0 {
                queue.telling = false;
                return Ok(());
            }
            drop(queue);
            let told =
                dispatch.as_ref().map_err(|error| error.clone_ref(py)).and_then(|dispatch| {
                    let events = events.into_iter().map(|event| shown(py, event));
                    let events = events.collect::<PyResult<Vec<_>>>()?;
                    let Hooks { on_request, on_response, .. } = &*self.hooks;
                    let arguments = (dispatch, on_request, on_response, events, lost);
                    self.context.call_method1(py, intern!(py, "run"), arguments)
                });
            if let Err(error) = told {
                self.lock().telling = false;
                return Err(error);
            }
        }
    }
}

/// A thread that blocks.
pub(super) struct Listening(Arc<Heard>);

impl Drop for Listening {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.listeners -= 1;
        if queue.listeners == 0 {
            self.0.hand_over(&mut queue);
        }
    }
}

/// An event in the order of `RequestEvent`'s fields, and what it ended with.
fn shown(py: Python<'_>, event: Event) -> PyResult<Py<PyTuple>> {
    let (asked, ended) = match event {
        Event::Asked(asked) => (asked, None),
        Event::Ended(asked, ended) => (asked, Some(ended)),
    };
    let ended = ended.map(|ended| {
        let (kind, text) = ended.failure.unzip();
        (ended.status, ended.headers, ended.took.as_secs_f64(), ended.received, kind, text)
    });
    let at = asked.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let url = format!("{}{}", asked.server.base_url, asked.call.path);
    let request = (asked.operation, asked.call.method, asked.call.path, url, asked.attempt, at);
    Ok((request, ended).into_pyobject(py)?.unbind())
}
