//! Binding of the journal, and of the run that keeps one.
//!
//! An open journal does not outlive a fork: in a child, where the core has closed it, it is opened
//! anew. The lock is only held while attached, hence never across a fork; a step of the journal is
//! only begun while detached, since it may wait for a fork.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio_util::sync::CancellationToken;

use super::arguments::{Id, seconds};
use super::call::Call;
use super::handing::{Held, Returned};
use super::hooks::Heard;
use super::runtime::{self, Inside};
use super::{errors, limiter, load};
use crate::core::error::{Error, Result};
use crate::core::journal::{self as core, Document, State};
use crate::core::line::Step;
use crate::core::model::Target;
use crate::core::run::{Finished, Run, Watch};

/// A journal.
#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct Journal {
    path: PathBuf,
    open: Mutex<Option<(u32, core::Journal)>>,
}

impl Journal {
    /// The core's journal, of this process.
    pub(super) fn core(&self, py: Python<'_>) -> PyResult<core::Journal> {
        let pid = std::process::id();
        let copy = match &*self.open.lock().unwrap_or_else(PoisonError::into_inner) {
            None => {
                let reason = "it was closed".to_owned();
                let error = Error::Journal { path: self.path.clone(), reason };
                return Err(errors::to_python(py, error));
            }
            Some((owner, journal)) if *owner == pid => return Ok(journal.clone()),
            Some((_, copy)) => copy.clone(),
        };
        let fresh = py.detach(|| copy.reopen());
        let fresh = fresh.map_err(|error| errors::to_python(py, error))?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match &*open {
            // Another thread was first, or closed it.
            Some((owner, journal)) if *owner == pid => Ok(journal.clone()),
            None => Ok(fresh),
            Some(_) => {
                *open = Some((pid, fresh.clone()));
                Ok(fresh)
            }
        }
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&core::Journal) -> Result<T> + Send,
    ) -> PyResult<T> {
        let journal = self.core(py)?;
        py.detach(|| work(&journal)).map_err(|error| errors::to_python(py, error))
    }
}

/// Id, name, SHA-256, size, path, kind, resource, state, batch, note.
type Told = (
    i64,
    String,
    String,
    u64,
    Option<String>,
    &'static str,
    String,
    &'static str,
    Option<String>,
    Option<String>,
);

#[pymethods]
impl Journal {
    #[new]
    #[allow(clippy::needless_pass_by_value)] // Made of a Python object.
    fn new(py: Python<'_>, path: PathBuf, create: bool) -> PyResult<Self> {
        super::fork::heed(py)?;
        let opened = py.detach(|| core::Journal::open(&path, create));
        let journal = opened.map_err(|error| errors::to_python(py, error))?;
        let path = journal.path().to_owned();
        Ok(Self { path, open: Mutex::new(Some((std::process::id(), journal))) })
    }

    /// The file, as an absolute path, or the URL without its password.
    #[getter]
    fn path(&self) -> OsString {
        self.path.clone().into_os_string()
    }

    /// Let go of the file; a run that uses it goes on.
    fn close(&self, py: Python<'_>) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(open));
    }

    /// How many documents there are in each state.
    fn counts(&self, py: Python<'_>) -> PyResult<[(&'static str, u64); 6]> {
        let counts = self.with(py, core::Journal::counts)?;
        Ok([
            ("planned", counts.planned),
            ("refused", counts.refused),
            ("uploading", counts.uploading),
            ("unknown", counts.unknown),
            ("uploaded", counts.uploaded),
            ("finished", counts.finished),
        ])
    }

    /// The documents behind `after`, at most `limit`.
    fn documents(&self, py: Python<'_>, after: i64, limit: u32) -> PyResult<Vec<Told>> {
        let documents = self.with(py, |journal| journal.documents_after(after, limit))?;
        Ok(documents.into_iter().map(told).collect())
    }

    /// The finished batches behind `after`, at most `limit`: row, kind, resource, batch.
    fn finished(
        &self,
        py: Python<'_>,
        after: i64,
        limit: u32,
    ) -> PyResult<Vec<(i64, &'static str, String, String)>> {
        let finished = self.with(py, |journal| journal.finished_after(after, limit))?;
        let name = |(row, key): (_, crate::core::model::BatchKey)| {
            (row, key.target.kind.name(), key.target.id, key.batch_id)
        };
        Ok(finished.into_iter().map(name).collect())
    }

    /// The results of a batch, read anew.
    fn results(
        &self,
        py: Python<'_>,
        row: i64,
        kind: &str,
        resource_id: Id,
        batch_id: Id,
    ) -> PyResult<Py<PyAny>> {
        let key = super::arguments::batch_key(py, kind, resource_id, batch_id)?;
        let finished = self.with(py, |journal| crate::core::run::load(journal, row, key, true))?;
        load::run_results(py, finished)
    }

    /// The vendor's bytes of a batch's results.
    fn raw_results(&self, py: Python<'_>, row: i64) -> PyResult<Option<Py<PyBytes>>> {
        let results = self.with(py, |journal| journal.results(row))?;
        Ok(results.map(|results| PyBytes::new(py, &results).unbind()))
    }

    /// The extraction that was made of a template.
    fn template(&self, py: Python<'_>, digest: &str) -> PyResult<Option<String>> {
        self.with(py, |journal| journal.template(digest))
    }

    /// Keep which extraction was made of a template; the first one stays, and is returned.
    fn keep_template(&self, py: Python<'_>, digest: &str, extraction_id: &str) -> PyResult<String> {
        self.with(py, |journal| journal.keep_template(digest, extraction_id))
    }

    /// Free the documents that may have been uploaded.
    fn retry_unknown(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, core::Journal::retry_unknown)
    }

    /// Free one document of a finished batch, to be uploaded anew.
    fn retry_document(&self, py: Python<'_>, document: i64, batch_id: &str) -> PyResult<bool> {
        self.with(py, |journal| journal.retry_document(document, batch_id))
    }

    /// Leave to send a request for results, see `extracta_rs.Limiter`.
    fn take(&self, py: Python<'_>, line: &str, spacing: f64, waited: f64) -> PyResult<(f64, f64)> {
        let (spacing, waited) = (seconds(py, "spacing", spacing)?, seconds(py, "waited", waited)?);
        let told = self.with(py, |journal| journal.pace(line, spacing, Step::Take { waited }))?;
        Ok((told.wait.as_secs_f64(), told.spacing.as_secs_f64()))
    }

    /// What became of a request, see `extracta_rs.Limiter`.
    fn answered(
        &self,
        py: Python<'_>,
        line: &str,
        spacing: f64,
        age: f64,
        load: &str,
        hold: f64,
    ) -> PyResult<()> {
        let (spacing, age) = (seconds(py, "spacing", spacing)?, seconds(py, "age", age)?);
        let step = limiter::answered(age, load, seconds(py, "hold", hold)?)?;
        self.with(py, |journal| journal.pace(line, spacing, step)).map(drop)
    }

    /// Look through the file for damage.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, core::Journal::check)
    }
}

fn told(document: Document) -> Told {
    let Document { id, document, target, state, batch_id, note } = document;
    let state = match state {
        None | Some(State::Released) if note.is_some() => "refused",
        None | Some(State::Released) => "planned",
        Some(State::Uploading | State::Lost) => "uploading",
        Some(state) => state.name(),
    };
    let core::NewDocument { name, sha256, size, path } = document;
    let Target { kind, id: resource_id } = target;
    (id, name, sha256, size, path, kind.name(), resource_id, state, batch_id, note)
}

/// A run at work; `next()` is a `Call`.
#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct RunMany {
    watch: Watch,
    run: Arc<tokio::sync::Mutex<Option<Inside<Run>>>>,
    returned: Returned<Result<Finished>>,
    stopped: CancellationToken,
    closed: CancellationToken,
    heard: Option<Arc<Heard>>,
}

impl RunMany {
    pub(super) fn new(
        py: Python<'_>,
        run: Run,
        closed: CancellationToken,
        heard: Option<Arc<Heard>>,
    ) -> PyResult<Self> {
        let watch = run.watch();
        let run = Inside::new(run, runtime::current(py)?);
        let run = Arc::new(tokio::sync::Mutex::new(Some(run)));
        let stopped = CancellationToken::new();
        Ok(Self { watch, run, returned: Returned::default(), stopped, closed, heard })
    }
}

#[pymethods]
impl RunMany {
    /// Bytes uploaded, bytes that need no upload, batches at the service, batches with results.
    fn progress(&self) -> (u64, u64, u64, u64) {
        let progress = self.watch.progress();
        (progress.uploaded, progress.skipped, progress.batches, progress.finished)
    }

    /// Begin no upload any more; the run ends when those under way have ended.
    fn stop(&self) {
        self.watch.stop();
    }

    /// Stop the run, and what waits for it in other threads.
    fn close(&self) {
        self.stopped.cancel();
        // Held by a `next` of another thread: that one drops it.
        if let Ok(mut run) = self.run.try_lock() {
            drop(run.take());
        }
    }

    /// The next batch that has results, or None after the last.
    fn next(&self, py: Python<'_>) -> PyResult<Call> {
        let (run, stopped, closed) = (self.run.clone(), self.stopped.clone(), self.closed.clone());
        let returned = self.returned.clone();
        let operation = async move {
            let next = async { run.lock().await.as_mut()?.get()?.next().await };
            tokio::select! {
                biased;
                held = returned.or_next(next) => Ok(held),
                () = stopped.cancelled() => {
                    drop(run.lock().await.take());
                    Ok(None)
                }
                () = closed.cancelled() => Err(Error::Closed("the client was closed")),
            }
        };
        Call::new(py, operation, None, self.heard.clone(), |py, held| {
            match held.and_then(Held::take) {
                Some(outcome) => {
                    load::run_results(py, outcome.map_err(|error| errors::to_python(py, error))?)
                }
                None => Ok(py.None()),
            }
        })
    }
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Journal>()?;
    module.add_class::<RunMany>()
}
