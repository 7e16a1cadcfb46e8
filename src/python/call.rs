//! A call: one future of the core behind two faces, `wait()` that blocks and `await`.
//!
//! The work is done on the runtime's threads, whoever asks: what a request wakes is woken there,
//! and its caller only once. Both faces release the interpreter while the work goes on, both end
//! it when they are interrupted: a signal or an exception of a callback in one, a cancelled or
//! dropped task in the other.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use tokio::task::AbortHandle;

use super::awaited::Awaited;
use super::deliver::Waiter;
use super::hooks::Heard;
use super::landing::Landing;
use super::progress::Progress;
use super::runtime::{self, Blocked, Runtime};
use super::{errors, log};
use crate::core::error::{Error, Result};

/// Ctrl-C ends a blocking wait after no more than this.
const TICK: Duration = Duration::from_millis(100);

/// Makes a call's result, or raises its error.
type Resolve = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// What a call came to.
pub(super) enum Outcome {
    Answer(Resolve),
    Failed(Error),
    /// A callback raised.
    Raised(PyErr),
    Panicked,
}

impl Outcome {
    pub(super) fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Self::Answer(convert) => convert(py),
            Self::Failed(error) => Err(errors::to_python(py, error)),
            Self::Raised(error) => Err(error),
            Self::Panicked => {
                Err(PyRuntimeError::new_err("internal error in extracta_rs: please report it"))
            }
        }
    }
}

/// Who is told how a call goes, from a thread of the runtime.
pub(super) trait Caller: Send + Sync + 'static {
    /// Whether it must be told when nothing will come any more.
    const BLOCKS: bool;

    /// Takes what the call came to, once.
    fn ended(self: Arc<Self>, runtime: &Runtime, outcome: Outcome);
    /// There is something to tell.
    fn progress(self: &Arc<Self>, runtime: &Runtime, progress: &Arc<Progress>);
    /// Hooks have something to be told, and a thread blocks that will.
    fn heard(&self);
    /// Nothing will come any more: the interpreter is ending.
    fn closing(&self);
}

/// An operation that has not begun: `wait()` runs it and blocks, `await` runs it on the loop.
#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct Call {
    work: Mutex<Option<Work>>,
}

struct Work {
    future: BoxFuture<'static, Result<Resolve>>,
    progress: Option<Arc<Progress>>,
    heard: Option<Arc<Heard>>,
}

impl Call {
    /// A call that runs `operation` and turns its result into Python's with `convert`.
    pub(super) fn new<T: Send + 'static>(
        py: Python<'_>,
        operation: impl Future<Output = Result<T>> + Send + 'static,
        progress: Option<Arc<Progress>>,
        heard: Option<Arc<Heard>>,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Self> {
        log::refresh_level(py)?;
        let future = async move {
            let value = operation.await?;
            Ok(Box::new(move |py: Python<'_>| convert(py, value)) as Resolve)
        };
        Ok(Self { work: Mutex::new(Some(Work { future: future.boxed(), progress, heard })) })
    }

    fn take(&self) -> PyResult<Work> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        work.ok_or_else(|| PyRuntimeError::new_err("this call was awaited already"))
    }
}

#[pymethods]
impl Call {
    /// Run the operation and block until it has ended.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let work = self.take()?;
        let runtime = runtime::current(py)?;
        let main = runtime::is_main_thread(py)?;
        py.detach(|| block(&runtime, work, main))?.into_python(py)
    }

    /// Start the operation and return an iterator for `await`.
    fn __await__(&self, py: Python<'_>) -> PyResult<Awaited> {
        let work = self.take()?;
        let runtime = runtime::current(py)?;
        let event_loop = running_loop(py)?;
        let heard = work.heard.clone();
        if let Some(heard) = &heard {
            heard.awaited_on(&event_loop);
        }
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let waiter = Arc::new(Waiter::new(event_loop.unbind(), future.unbind()));
        let progress = work.progress.clone();
        let started = Started::new(runtime, work, waiter.clone());
        waiter.abort_with(started.task.clone());
        Ok(Awaited { started, waiter, progress, heard, asleep: AtomicBool::new(false) })
    }
}

/// A call on the runtime's threads.
pub(super) struct Started {
    runtime: Arc<Runtime>,
    task: AbortHandle,
}

impl Started {
    fn new(runtime: Arc<Runtime>, work: Work, caller: Arc<impl Caller>) -> Self {
        let task = runtime.handle().spawn(drive(runtime.clone(), work, caller)).abort_handle();
        Self { runtime, task }
    }

    /// Ends it, wherever it stands.
    pub(super) fn end(&self) {
        // A forked child has a copy of the parent's tasks, and nothing that could end them.
        if self.runtime.is_here() {
            self.task.abort();
        }
    }
}

async fn drive<C: Caller>(runtime: Arc<Runtime>, work: Work, caller: Arc<C>) {
    let Work { future, progress, heard } = work;
    let mut future = AssertUnwindSafe(future).catch_unwind();
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut future => break ended,
            () = runtime.closing.cancelled(), if C::BLOCKS => return caller.closing(),
            () = changed(progress.as_deref()) => {
                if let Some(progress) = &progress {
                    caller.progress(&runtime, progress);
                }
            }
            () = heard_changed(heard.as_deref()), if C::BLOCKS => caller.heard(),
        }
    };
    if let Some(progress) = progress {
        caller.progress(&runtime, &progress);
    }
    caller.ended(&runtime, outcome(ended));
}

fn outcome(ended: std::thread::Result<Result<Resolve>>) -> Outcome {
    match ended {
        Ok(Ok(convert)) => Outcome::Answer(convert),
        Ok(Err(error)) => Outcome::Failed(error),
        Err(_) => Outcome::Panicked,
    }
}

async fn changed(progress: Option<&Progress>) {
    match progress {
        Some(progress) => progress.changed().await,
        None => std::future::pending().await,
    }
}

async fn heard_changed(heard: Option<&Heard>) {
    match heard {
        Some(heard) => heard.changed().await,
        None => std::future::pending().await,
    }
}

/// Ends the work of a blocked thread that leaves before it is done.
struct EndOnDrop(Started);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Runs on a thread that is detached; everything of Python's is called outside of the runtime.
fn block(runtime: &Arc<Runtime>, work: Work, main: bool) -> PyResult<Outcome> {
    let Work { future, progress, heard } = work;
    let _listening = heard.as_ref().map(Heard::blocked_on);
    let blocked = Blocked::new(runtime);
    let landing = Arc::new(Landing::default());
    let future = landing.clone().keeping_records(future).boxed();
    let work = Work { future, progress: progress.clone(), heard: heard.clone() };
    let started = EndOnDrop(Started::new(runtime.clone(), work, landing.clone()));
    let mut next_tick = Instant::now() + TICK;
    loop {
        let news = landing.wait_until(next_tick);
        if news.closing {
            drop(started);
            drop(blocked);
            return Err(runtime::ending(main));
        }
        let tick = Instant::now() >= next_tick;
        if tick {
            next_tick = Instant::now() + TICK;
        }
        // All that its requests did comes before what it came to.
        let heard = heard.as_ref().filter(|_| news.heard || news.outcome.is_some());
        if (tick && main) || news.progress || heard.is_some() || !news.records.is_empty() {
            Python::attach(|py| -> PyResult<()> {
                for record in &news.records {
                    log::emit(py, record);
                }
                if let Some(heard) = heard {
                    heard.tell(py)?;
                }
                if let Some(progress) = progress.as_ref().filter(|_| news.progress) {
                    progress.tell(py)?;
                }
                // A result that has come is not given up for a signal: Python sees to that next.
                if main && news.outcome.is_none() { py.check_signals() } else { Ok(()) }
            })?;
        }
        if let Some(outcome) = news.outcome {
            return Ok(outcome);
        }
    }
}

pub(super) fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let get = GET.get_or_try_init(py, || {
        py.import("asyncio")?.getattr("get_running_loop").map(Bound::unbind)
    })?;
    get.bind(py).call0()
}
