//! Binding of the wait on many batches, and of tokens.

use std::sync::Arc;

use pyo3::prelude::*;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::arguments::batch_key;
use super::call::Call;
use super::runtime::{self, Inside};
use super::{errors, load};
use crate::core::error::Error;
use crate::core::model::BatchKey;
use crate::core::poll::Many;

/// Batches that are waited on; `next()` is a `Call`.
#[pyclass(frozen, module = "extracta_rs._core")]
pub(super) struct WaitMany {
    many: Arc<Mutex<Inside<Many>>>,
    closed: CancellationToken,
}

impl WaitMany {
    pub(super) fn new(py: Python<'_>, many: Many, closed: CancellationToken) -> PyResult<Self> {
        let many = Inside::new(many, runtime::current(py)?);
        Ok(Self { many: Arc::new(Mutex::new(many)), closed })
    }
}

#[pymethods]
impl WaitMany {
    /// The next batch that is finished, or None after the last.
    fn next(&self, py: Python<'_>) -> PyResult<Call> {
        let (many, closed) = (self.many.clone(), self.closed.clone());
        let operation = async move {
            tokio::select! {
                next = async { many.lock().await.get()?.next().await } => {
                    next.map(|(_, answer)| answer).transpose()
                }
                () = closed.cancelled() => Err(Error::Closed("the client was closed")),
            }
        };
        Call::new(py, operation, None, |py, answer| match answer {
            Some(answer) => load::results(py, &answer),
            None => Ok(py.None()),
        })
    }
}

/// Write the token of a batch.
#[pyfunction]
pub(super) fn batch_token(
    py: Python<'_>,
    kind: &str,
    resource_id: String,
    batch_id: String,
) -> PyResult<String> {
    Ok(batch_key(py, kind, resource_id, batch_id)?.token())
}

/// Read a token: the kind of resource, its id and the batch's.
#[pyfunction]
pub(super) fn read_batch_token(py: Python<'_>, token: &str) -> PyResult<(String, String, String)> {
    let key = BatchKey::from_token(token).map_err(|error| errors::to_python(py, error))?;
    Ok((key.target.kind.name().to_owned(), key.target.id, key.batch_id))
}
