//! A call: one future of the core behind two faces, `wait()` that blocks and `await`.
//!
//! Both release the interpreter while the work goes on, both end it when they are interrupted:
//! a signal or an exception of a callback here, a cancelled future there.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tokio_util::sync::CancellationToken;

use super::deliver::{Item, Resolve, Waiter};
use super::progress::Progress;
use super::runtime::{self, Blocked, Inside, Runtime};
use super::{errors, log};
use crate::core::error::{Error, Result};

/// Ctrl-C ends a blocking wait after no more than this.
const TICK: Duration = Duration::from_millis(100);

/// What a call came to.
enum Outcome {
    Answer(Resolve),
    Failed(Error),
    Panicked,
}

impl Outcome {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Self::Answer(convert) => convert(py),
            Self::Failed(error) => Err(errors::to_python(py, error)),
            Self::Panicked => {
                Err(PyRuntimeError::new_err("internal error in extracta_rs: please report it"))
            }
        }
    }
}

/// An operation that has not begun: `wait()` runs it and blocks, `await` runs it on the loop.
#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct Call {
    work: Mutex<Option<Work>>,
}

struct Work {
    future: BoxFuture<'static, Result<Resolve>>,
    progress: Option<Arc<Progress>>,
}

enum Turn {
    Done(Result<Resolve>),
    Progress,
    Tick,
    Closing,
}

impl Call {
    /// A call that runs `operation` and turns its result into Python's with `convert`.
    pub(super) fn new<T: Send + 'static>(
        py: Python<'_>,
        operation: impl Future<Output = Result<T>> + Send + 'static,
        progress: Option<Arc<Progress>>,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Self> {
        log::refresh_level(py)?;
        let future = async move {
            let value = operation.await?;
            Ok(Box::new(move |py: Python<'_>| convert(py, value)) as Resolve)
        };
        Ok(Self { work: Mutex::new(Some(Work { future: future.boxed(), progress })) })
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
    fn __await__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let work = self.take()?;
        let runtime = runtime::current(py)?;
        let event_loop = running_loop(py)?;
        let future = event_loop.call_method0("create_future")?;
        let cancel = CancellationToken::new();
        future.call_method1("add_done_callback", (Cancel { token: cancel.clone() },))?;
        let waiter =
            Waiter { event_loop: event_loop.unbind(), future: future.clone().unbind(), cancel };
        let spawned = drive(runtime.clone(), work, Arc::new(waiter));
        runtime.handle().spawn(spawned);
        future.call_method0("__await__")
    }
}

/// Told by asyncio that a future is done or cancelled.
#[pyclass(frozen, module = "extracta_rs._core")]
struct Cancel {
    token: CancellationToken,
}

#[pymethods]
impl Cancel {
    fn __call__(&self, _future: &Bound<'_, PyAny>) {
        self.token.cancel();
    }
}

async fn drive(runtime: Arc<Runtime>, work: Work, waiter: Arc<Waiter>) {
    let mut future = AssertUnwindSafe(work.future).catch_unwind();
    let progress = work.progress;
    let ended = loop {
        tokio::select! {
            biased;
            () = runtime.closing.cancelled() => return,
            () = waiter.cancel.cancelled() => return,
            ended = &mut future => break ended,
            () = changed(progress.as_deref()) => {
                if let Some(progress) = &progress {
                    runtime.send(Item::Progress(waiter.clone(), progress.clone()));
                }
            }
        }
    };
    if let Some(progress) = progress {
        runtime.send(Item::Progress(waiter.clone(), progress));
    }
    let outcome = outcome(ended);
    runtime.send(Item::Done(waiter, Box::new(|py| outcome.into_python(py))));
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

async fn run(future: &mut Inside<BoxFuture<'static, Result<Resolve>>>) -> Result<Resolve> {
    match future.get() {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Runs on a thread that is detached; everything of Python's is called outside of the runtime.
fn block(runtime: &Arc<Runtime>, work: Work, main: bool) -> PyResult<Outcome> {
    let Work { future, progress } = work;
    let blocked = Blocked::new(runtime);
    let mut future = Inside::new(future, runtime.clone());
    let mut next_tick = Instant::now() + TICK;
    loop {
        let (turn, records) = log::keep(|| {
            runtime.handle().block_on(async {
                tokio::select! {
                    biased;
                    () = runtime.closing.cancelled() => Turn::Closing,
                    ended = run(&mut future) => Turn::Done(ended),
                    () = changed(progress.as_deref()) => Turn::Progress,
                    () = tokio::time::sleep_until(next_tick.into()) => Turn::Tick,
                }
            })
        });
        if matches!(turn, Turn::Closing) {
            drop(future);
            drop(blocked);
            return Err(runtime::ending(main));
        }
        let tick = Instant::now() >= next_tick;
        if tick {
            next_tick = Instant::now() + TICK;
        }
        let told = progress.is_some() && matches!(turn, Turn::Done(_) | Turn::Progress);
        if (tick && main) || told || !records.is_empty() {
            Python::attach(|py| -> PyResult<()> {
                for record in &records {
                    log::emit(py, record);
                }
                if let Some(progress) = progress.as_ref().filter(|_| told) {
                    progress.tell(py)?;
                }
                // A result that has come is not given up for a signal: Python sees to that next.
                if main && !matches!(turn, Turn::Done(_)) { py.check_signals() } else { Ok(()) }
            })?;
        }
        match turn {
            Turn::Done(Ok(convert)) => return Ok(Outcome::Answer(convert)),
            Turn::Done(Err(error)) => return Ok(Outcome::Failed(error)),
            _ => {}
        }
    }
}

fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let get = GET.get_or_try_init(py, || {
        py.import("asyncio")?.getattr("get_running_loop").map(Bound::unbind)
    })?;
    get.bind(py).call0()
}
