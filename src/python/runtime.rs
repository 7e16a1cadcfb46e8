//! The runtime behind every call: made when first needed, one for each process, closed at exit.
//!
//! The danger is the end: a thread that attaches to a finalizing interpreter aborts the process.
//! So `atexit` first cancels what is under way, then stops the threads within a limit. After a
//! fork the parent's threads do not exist; its runtime is left alone and a new one is made. The
//! lock below is only ever held by a thread that is attached, hence never across a fork.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

use super::deliver::{self, Item};
use super::errors;
use super::{log, trace};

/// One: waking a second for what takes microseconds costs more than it saves, and what takes longer
/// (making Python's objects, reading files, hashing) is done elsewhere.
const WORKERS: usize = 1;
const CLOSING_LIMIT: Duration = Duration::from_secs(1);

/// A process's threads.
pub(super) struct Runtime {
    pid: u32,
    handle: Handle,
    /// Cancelled when the process ends; whatever waits, selects on it.
    pub(super) closing: CancellationToken,
    items: Sender<Item>,
    blocked: Mutex<usize>,
    unblocked: Condvar,
    /// Made when the first call is traced.
    pub(super) tracing: OnceLock<trace::Thread>,
}

/// Counts a thread that blocks in the runtime: it must have left before the runtime is stopped.
pub(super) struct Blocked<'a>(&'a Runtime);

impl<'a> Blocked<'a> {
    pub(super) fn new(runtime: &'a Runtime) -> Self {
        *runtime.blocked() += 1;
        Self(runtime)
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        *self.0.blocked() -= 1;
        self.0.unblocked.notify_all();
    }
}

/// Work that may hold connections: wherever it is dropped, it is dropped inside its runtime, which
/// connections need to be put back; not at all where that runtime is ending or another process's.
pub(super) struct Inside<T> {
    work: Option<T>,
    runtime: Arc<Runtime>,
}

impl<T> Inside<T> {
    pub(super) fn new(work: T, runtime: Arc<Runtime>) -> Self {
        Self { work: Some(work), runtime }
    }

    /// The work, to look at; `None` never before it is dropped.
    pub(super) fn look(&self) -> Option<&T> {
        self.work.as_ref()
    }

    /// The work; `None` never before it is dropped.
    pub(super) fn get(&mut self) -> Option<&mut T> {
        self.work.as_mut()
    }
}

impl<T> Drop for Inside<T> {
    fn drop(&mut self) {
        let work = self.work.take();
        if self.runtime.is_here() && !self.runtime.closing.is_cancelled() {
            let _inside = self.runtime.handle.enter();
            drop(work);
        } else {
            std::mem::forget(work);
        }
    }
}

/// What only the closing needs.
struct Threads {
    tokio: tokio::runtime::Runtime,
    delivered: Receiver<()>,
}

enum State {
    Unused,
    Running(Arc<Runtime>, Threads),
    Closed(u32),
}

static STATE: Mutex<State> = Mutex::new(State::Unused);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runtime {
    /// Where futures are spawned, and run on the calling thread.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Hands something to the thread that talks to Python.
    pub(super) fn send(&self, item: Item) {
        // Refused only when that thread has ended: the process is ending too.
        let _ = self.items.send(item);
    }

    fn blocked(&self) -> MutexGuard<'_, usize> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the process that the runtime was made in.
    pub(super) fn is_here(&self) -> bool {
        self.pid == std::process::id()
    }
}

/// This process's runtime. Once the interpreter is ending only its main thread returns from here:
/// the others are daemon threads, which could no more be told than they could print.
pub(super) fn current(py: Python<'_>) -> PyResult<Arc<Runtime>> {
    let mut state = state();
    let pid = std::process::id();
    match &*state {
        State::Running(runtime, _) if runtime.pid == pid => return Ok(runtime.clone()),
        State::Closed(closed) if *closed == pid => {
            drop(state);
            let main = is_main_thread(py)?;
            return py.detach(|| Err(ending(main)));
        }
        _ => {}
    }
    let first = matches!(*state, State::Unused);
    let (runtime, threads) = start(pid)?;
    let inherited = std::mem::replace(&mut *state, State::Running(runtime.clone(), threads));
    drop(state);
    // The threads of a parent process cannot be joined here.
    std::mem::forget(inherited);
    if first {
        let close = wrap_pyfunction!(close, py)?;
        py.import("atexit")?.call_method1("register", (close,))?;
    }
    Ok(runtime)
}

fn start(pid: u32) -> PyResult<(Arc<Runtime>, Threads)> {
    let (items, inbox) = channel();
    let logged = items.clone();
    let tokio = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("extracta_rs")
        .on_thread_start(move || {
            let items = logged.clone();
            // Refused only when the process is ending.
            log::forward_with(move |record| drop(items.send(Item::Log(record))));
        })
        .enable_all()
        .build()?;
    let (ended, delivered) = channel();
    std::thread::Builder::new().name("extracta_rs-deliver".to_owned()).spawn(move || {
        deliver::run(inbox);
        drop(ended);
    })?;
    let handle = tokio.handle().clone();
    let closing = CancellationToken::new();
    let (blocked, unblocked) = (Mutex::new(0), Condvar::new());
    let tracing = OnceLock::new();
    let runtime = Arc::new(Runtime { pid, handle, closing, items, blocked, unblocked, tracing });
    Ok((runtime, Threads { tokio, delivered }))
}

/// Ends everything that is under way; registered with `atexit`.
#[pyfunction]
fn close(py: Python<'_>) {
    let pid = std::process::id();
    let State::Running(runtime, threads) = std::mem::replace(&mut *state(), State::Closed(pid))
    else {
        return;
    };
    if !runtime.is_here() {
        std::mem::forget((runtime, threads));
        return;
    }
    py.detach(move || {
        runtime.closing.cancel();
        let left =
            runtime
                .unblocked
                .wait_timeout_while(runtime.blocked(), CLOSING_LIMIT, |blocked| *blocked > 0);
        drop(left);
        threads.tokio.shutdown_timeout(CLOSING_LIMIT);
        if let Some(tracing) = runtime.tracing.get() {
            tracing.close(CLOSING_LIMIT);
        }
        runtime.send(Item::End);
        // Ends with an error when the thread has ended, which is what is waited for.
        let _ = threads.delivered.recv_timeout(CLOSING_LIMIT);
    });
}

/// What a call comes to when the interpreter is ending. A daemon thread must not touch it again,
/// and stays here. Called while detached.
pub(super) fn ending(main: bool) -> PyErr {
    if main {
        return errors::closed("the interpreter is shutting down");
    }
    loop {
        std::thread::park();
    }
}

/// Whether the calling thread is the one that signals are handled on.
pub(super) fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    static GET: PyOnceLock<(Py<PyAny>, Py<PyAny>)> = PyOnceLock::new();
    let (main, current) = GET.get_or_try_init(py, || -> PyResult<_> {
        let threading = py.import("threading")?;
        Ok((threading.getattr("main_thread")?.unbind(), threading.getattr("get_ident")?.unbind()))
    })?;
    let main = main.call0(py)?.getattr(py, "ident")?;
    main.bind(py).eq(current.call0(py)?)
}
