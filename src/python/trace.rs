//! Spans of a tracer of Python's, one for each request.
//!
//! A span begins before its request is sent, which carries its `traceparent`: the request waits for
//! a thread that only does this, and that exists only where a client is traced. The runtime's thread
//! goes on with other requests meanwhile. A tracer that hangs costs the trace, never a request.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::intern;
use pyo3::prelude::*;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::runtime::Runtime;
use crate::core::headers::Headers;
use crate::core::observe::{Asked, Ended};

const LIMIT: Duration = Duration::from_secs(5);

/// A call whose requests are traced.
pub(super) struct Traced {
    tracer: Arc<Py<PyAny>>,
    /// The context of the call, which spans are the children of.
    parent: Arc<Py<PyAny>>,
    thread: Sender<Item>,
}

/// A span that has begun.
pub(super) struct Span {
    begun: Py<PyAny>,
    tracer: Arc<Py<PyAny>>,
    thread: Sender<Item>,
    pub(super) headers: Headers,
}

enum Item {
    Start(Arc<Py<PyAny>>, Arc<Py<PyAny>>, Asked, oneshot::Sender<Started>),
    End(Arc<Py<PyAny>>, Py<PyAny>, SystemTime, Option<u16>, Option<&'static str>),
    Close,
}

type Started = (Py<PyAny>, Vec<(String, String)>);

impl Traced {
    /// `None` where the caller's context wants no traces.
    pub(super) fn new(
        py: Python<'_>,
        tracer: Py<PyAny>,
        runtime: &Runtime,
    ) -> PyResult<Option<Self>> {
        let parent = tracer.call_method0(py, intern!(py, "context"))?;
        if parent.is_none(py) {
            return Ok(None);
        }
        let thread = runtime.tracing.get_or_init(Thread::start).items.clone();
        Ok(Some(Self { tracer: Arc::new(tracer), parent: Arc::new(parent), thread }))
    }

    pub(super) async fn start(&self, asked: &Asked) -> Option<Span> {
        let (reply, started) = oneshot::channel();
        let item = Item::Start(self.tracer.clone(), self.parent.clone(), asked.clone(), reply);
        self.thread.send(item).ok()?;
        let Ok(started) = timeout(LIMIT, started).await else {
            log::warn!(
                target: "extracta_rs",
                "{}: no span began within {} s; it is sent without one",
                asked.call, LIMIT.as_secs()
            );
            return None;
        };
        let (span, headers) = started.ok()?;
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // What a propagator of the user's writes may be no header.
        let headers = Headers::new(headers).unwrap_or_default();
        Some(Span {
            begun: span,
            headers,
            tracer: self.tracer.clone(),
            thread: self.thread.clone(),
        })
    }
}

impl Span {
    pub(super) fn end(self, ended: &Ended) {
        let kind = ended.failure.as_ref().map(|(kind, _)| *kind);
        let item = Item::End(self.tracer, self.begun, SystemTime::now(), ended.status, kind);
        // Refused only when the thread has ended: the process is ending too.
        let _ = self.thread.send(item);
    }
}

/// The thread that talks to tracers.
pub(super) struct Thread {
    items: Sender<Item>,
    ended: Mutex<Receiver<()>>,
}

impl Thread {
    fn start() -> Self {
        let (items, inbox) = channel();
        let (end, ended) = channel();
        let run = move || {
            run(&inbox);
            drop(end);
        };
        // Where there can be no more threads, requests are sent without spans.
        let _ = std::thread::Builder::new().name("extracta_rs-trace".to_owned()).spawn(run);
        Self { items, ended: Mutex::new(ended) }
    }

    /// Ends it once it has ended the spans so far. Called while detached.
    pub(super) fn close(&self, limit: Duration) {
        let _ = self.items.send(Item::Close);
        // Ends with an error when the thread has ended, which is what is waited for.
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(limit);
    }
}

fn run(inbox: &Receiver<Item>) {
    while let Ok(first) = inbox.recv() {
        let goes_on = Python::try_attach(|py| {
            std::iter::once(first).chain(inbox.try_iter().take(1000)).all(|item| take(py, item))
        });
        if goes_on != Some(true) {
            return;
        }
    }
}

/// `false` at the end.
fn take(py: Python<'_>, item: Item) -> bool {
    let done = match item {
        Item::Start(tracer, parent, asked, reply) => start(py, &tracer, &parent, &asked, reply),
        Item::End(tracer, span, at, status, kind) => end(py, &tracer, span, at, status, kind),
        Item::Close => return false,
    };
    if let Err(error) = done {
        // The tracer of `otel` logs what is raised in it: this is an interruption.
        error.write_unraisable(py, None);
    }
    true
}

fn start(
    py: Python<'_>,
    tracer: &Py<PyAny>,
    parent: &Py<PyAny>,
    asked: &Asked,
    reply: oneshot::Sender<Started>,
) -> PyResult<()> {
    let Asked { call, operation, attempt, server, at } = asked;
    let arguments = (
        (parent, nanoseconds(*at), *operation, call.method, call.path),
        (&server.base_url, &server.host, server.port, attempt),
    );
    let started = tracer.call_method1(py, intern!(py, "start"), arguments)?;
    let started: Option<Started> = started.extract(py)?;
    let Some(started) = started else { return Ok(()) };
    match reply.send(started) {
        Ok(()) => Ok(()),
        // The request was given up meanwhile.
        Err((span, _)) => end(py, tracer, span, SystemTime::now(), None, Some("CancelledError")),
    }
}

fn end(
    py: Python<'_>,
    tracer: &Py<PyAny>,
    span: Py<PyAny>,
    at: SystemTime,
    status: Option<u16>,
    kind: Option<&str>,
) -> PyResult<()> {
    let arguments = (span, nanoseconds(at), status, kind);
    tracer.call_method1(py, intern!(py, "end"), arguments).map(drop)
}

fn nanoseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
