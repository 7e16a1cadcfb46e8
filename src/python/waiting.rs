//! Binding of the wait on many batches, and of tokens.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use super::arguments::{Id, batch_key, batch_keys};
use super::call::Call;
use super::handing::{Held, Returned};
use super::hooks::Heard;
use super::runtime::{self, Inside};
use super::{errors, load};
use crate::core::error::{Error, Result};
use crate::core::model::{BatchAnswer, BatchKey};
use crate::core::poll::Many;

/// Batches that are waited on; `next()` is a `Call`.
#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct WaitMany {
    many: Mutex<Option<Arc<Inside<Many>>>>,
    returned: Returned<Outcome>,
    stopped: CancellationToken,
    closed: CancellationToken,
    heard: Option<Arc<Heard>>,
}

type Outcome = Result<BatchAnswer>;

impl WaitMany {
    pub(super) fn new(
        py: Python<'_>,
        many: Many,
        closed: CancellationToken,
        heard: Option<Arc<Heard>>,
    ) -> PyResult<Self> {
        let many = Arc::new(Inside::new(many, runtime::current(py)?));
        let stopped = CancellationToken::new();
        let (many, returned) = (Mutex::new(Some(many)), Returned::default());
        Ok(Self { many, returned, stopped, closed, heard })
    }

    fn many(&self) -> Option<Arc<Inside<Many>>> {
        self.many.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[pymethods]
impl WaitMany {
    /// Wait on these batches, too.
    fn add(&self, py: Python<'_>, batches: Vec<(String, String, String)>) -> PyResult<()> {
        let keys = batch_keys(py, batches)?;
        if let Some(many) = self.many() {
            let runtime = runtime::current(py)?;
            let _inside = runtime.handle().enter();
            if let Some(many) = many.look() {
                many.add(keys);
            }
        }
        Ok(())
    }

    /// No more batches will be added.
    fn finish(&self) {
        if let Some(many) = self.many()
            && let Some(many) = many.look()
        {
            many.close();
        }
    }

    /// Stop waiting, in other threads as well.
    fn stop(&self) {
        self.stopped.cancel();
        drop(self.many.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The next batch that is finished, or None after the last.
    fn next(&self, py: Python<'_>) -> PyResult<Call> {
        let (many, stopped, closed) = (self.many(), self.stopped.clone(), self.closed.clone());
        let returned = self.returned.clone();
        let operation = async move {
            let next = async { Some(many.as_deref()?.look()?.next().await?.1) };
            tokio::select! {
                biased;
                held = returned.or_next(next) => Ok(held),
                () = stopped.cancelled() => Ok(None),
                () = closed.cancelled() => Err(Error::Closed("the client was closed")),
            }
        };
        Call::new(py, operation, None, self.heard.clone(), |py, held| {
            match held.and_then(Held::take) {
                Some(outcome) => {
                    load::results(py, &outcome.map_err(|error| errors::to_python(py, error))?)
                }
                None => Ok(py.None()),
            }
        })
    }
}

/// Write the token of a batch.
#[pyfunction]
pub(super) fn batch_token(
    py: Python<'_>,
    kind: &str,
    resource_id: Id,
    batch_id: Id,
) -> PyResult<String> {
    Ok(batch_key(py, kind, resource_id, batch_id)?.token())
}

/// Read a token: the kind of resource, its id and the batch's.
#[pyfunction]
pub(super) fn read_batch_token(py: Python<'_>, token: &str) -> PyResult<(String, String, String)> {
    let key = BatchKey::from_token(token).map_err(|error| errors::to_python(py, error))?;
    Ok((key.target.kind.name().to_owned(), key.target.id, key.batch_id))
}
