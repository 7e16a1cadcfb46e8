//! Binding of what task queues and schedulers call: submit, check, fetch.

use std::time::Duration;

use pyo3::prelude::*;

use super::arguments::{Id, batch_key, seconds, target};
use super::call::Call;
use super::client::Client;
use super::{errors, files, load};
use crate::core::model::Counts;
use crate::core::poll;
use crate::core::poll::check::Checked;
use crate::core::run::{self, Submission};

/// Upload, under a label where there is one; the token of the batch.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // The arguments of `submit`, by place.
fn submit(
    py: Python<'_>,
    client: &Client,
    kind: &str,
    resource_id: Id,
    files: &Bound<'_, PyAny>,
    label: Option<String>,
    journal: Option<&super::journal::Journal>,
    first_try: bool,
    settle_time: f64,
    timeout: Option<f64>,
) -> PyResult<Call> {
    let target = target(py, kind, resource_id)?;
    let submission = Submission {
        label,
        first_try,
        settle: seconds(py, "settle_time", settle_time)?,
        timeout: timeout.map(|limit| seconds(py, "timeout", limit)).transpose()?,
    };
    let drafts = files::drafts(files)?;
    let journal = journal.map(|journal| journal.core(py)).transpose()?;
    let operation = move |core| async move {
        let files = files::open(drafts).await?;
        run::submit(core, target, files, journal, submission).await
    };
    client
        .call(py, operation, None, |py, key| Ok(key.token().into_pyobject(py)?.into_any().unbind()))
}

/// Look once at a batch.
#[pyfunction]
fn check(
    py: Python<'_>,
    client: &Client,
    kind: &str,
    resource_id: Id,
    batch_id: Id,
    waited: f64,
    max_wait: f64,
) -> PyResult<Call> {
    let key = batch_key(py, kind, resource_id, batch_id)?;
    let (waited, max_wait) = (seconds(py, "waited", waited)?, seconds(py, "max_wait", max_wait)?);
    let operation = move |core| poll::check::check(core, key, waited, max_wait);
    client.call(py, operation, None, status)
}

/// The results of a batch, as they are.
#[pyfunction]
fn fetch(
    py: Python<'_>,
    client: &Client,
    kind: &str,
    resource_id: Id,
    batch_id: Id,
) -> PyResult<Call> {
    let key = batch_key(py, kind, resource_id, batch_id)?;
    let operation = move |core| poll::check::fetch(core, key);
    client.call(py, operation, None, |py, answer| load::results(py, &answer))
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(submit, module)?)?;
    module.add_function(wrap_pyfunction!(check, module)?)?;
    module.add_function(wrap_pyfunction!(fetch, module)?)?;
    module.add_function(wrap_pyfunction!(original_name, module)?)
}

/// Return a file's name without the mark of a label.
#[pyfunction]
fn original_name(name: &str) -> &str {
    run::label::unmarked(name).unwrap_or(name)
}

/// The fields of `Status`, in their order.
fn status(py: Python<'_>, checked: Checked) -> PyResult<Py<PyAny>> {
    let Checked { finished, status, counts, age, retry_after, problem } = checked;
    let counts = counts.map(|Counts { files, done, failed }| (files, done, failed));
    let age = age.as_ref().map(Duration::as_secs_f64);
    let problem = problem.map(|error| errors::to_python(py, error));
    let fields = (finished, status, counts, retry_after.as_secs_f64(), age, problem);
    Ok(fields.into_pyobject(py)?.into_any().unbind())
}
