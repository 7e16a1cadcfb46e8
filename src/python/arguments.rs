//! Arguments of Python's, as the core's types; what is wrong with one is told by its name.

use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::convert::python_to_json;
use super::errors;
use crate::core::config::{CallOptions, Timeouts};
use crate::core::error::{Error, Result};
use crate::core::headers::Headers;
use crate::core::model::{BatchKey, Kind, Target};
use crate::core::poll::Options;

/// A century: nobody waits longer, and no clock overflows when it is added.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) fn kind_of(kind: &str) -> PyResult<Kind> {
    match kind {
        "extraction" => Ok(Kind::Extraction),
        "classification" => Ok(Kind::Classification),
        _ => Err(PyValueError::new_err(format!("{kind:?} is no kind of resource"))),
    }
}

/// An id of the service's.
pub(super) struct Id(pub(super) String);

impl<'py> FromPyObject<'_, 'py> for Id {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(id) = value.extract() {
            return Ok(Self(id));
        }
        let ids = ["extraction_id", "classification_id", "batch_id"];
        let has = |id: &&str| value.getattr(*id).is_ok_and(|id| !id.is_none());
        let held: Vec<_> = ids.into_iter().filter(has).collect();
        let hint = if held.is_empty() { "" } else { ": pass its " };
        let (kind, held) = (value.get_type().name()?, held.join(" or "));
        Err(PyTypeError::new_err(format!("an id must be a str, not {kind}{hint}{held}")))
    }
}

pub(super) fn target(py: Python<'_>, kind: &str, Id(id): Id) -> PyResult<Target> {
    Target::new(kind_of(kind)?, id).map_err(|error| errors::to_python(py, error))
}

pub(super) fn batch_key(
    py: Python<'_>,
    kind: &str,
    id: Id,
    Id(batch_id): Id,
) -> PyResult<BatchKey> {
    BatchKey::new(target(py, kind, id)?, batch_id).map_err(|error| errors::to_python(py, error))
}

pub(super) fn batch_keys(
    py: Python<'_>,
    batches: Vec<(String, String, String)>,
) -> PyResult<Vec<BatchKey>> {
    batches
        .into_iter()
        .map(|(kind, id, batch_id)| batch_key(py, &kind, Id(id), Id(batch_id)))
        .collect()
}

pub(super) fn json_of(details: &Bound<'_, PyDict>) -> PyResult<(String, serde_json::Value)> {
    let text = python_to_json(details)?;
    let value = serde_json::from_str(&text)
        .map_err(|error| PyValueError::new_err(format!("the template is unusable: {error}")))?;
    Ok((text, value))
}

/// `TypeError` for a callback that cannot be called: told before anything is sent.
pub(super) fn callback(callback: Option<Bound<'_, PyAny>>) -> PyResult<Option<Py<PyAny>>> {
    match callback {
        Some(callback) if !callback.is_callable() => Err(PyTypeError::new_err(format!(
            "on_progress must be callable, not {}",
            callback.get_type().name()?
        ))),
        callback => Ok(callback.map(Bound::unbind)),
    }
}

/// Check the options of a wait that begins later.
#[pyfunction]
pub(super) fn check_wait(
    py: Python<'_>,
    options: (Option<f64>, f64, f64, f64),
    on_progress: Option<Bound<'_, PyAny>>,
) -> PyResult<()> {
    wait_options(py, options)?;
    callback(on_progress).map(drop)
}

pub(super) fn wait_options(
    py: Python<'_>,
    (timeout, poll_interval, max_poll_interval, backoff): (Option<f64>, f64, f64, f64),
) -> PyResult<Options> {
    let check = || {
        Options {
            timeout: timeout.map(|seconds| duration("timeout", seconds)).transpose()?,
            poll_interval: duration("poll_interval", poll_interval)?,
            max_poll_interval: duration("max_poll_interval", max_poll_interval)?,
            backoff,
        }
        .check()
    };
    check().map_err(|error| errors::to_python(py, error))
}

/// A duration that is an argument of a call.
pub(super) fn seconds(py: Python<'_>, what: &str, seconds: f64) -> PyResult<Duration> {
    duration(what, seconds).map_err(|error| errors::to_python(py, error))
}

fn duration(what: &str, seconds: f64) -> Result<Duration> {
    bounded(seconds)
        .ok_or_else(|| Error::Input(format!("{what} must be seconds, 0 or more, not {seconds}")))
}

pub(super) fn setting(setting: &'static str, seconds: f64) -> Result<Duration> {
    bounded(seconds).ok_or_else(|| Error::Config {
        setting,
        reason: format!("must be seconds, 0 or more, not {seconds}"),
    })
}

fn bounded(seconds: f64) -> Option<Duration> {
    Some(Duration::try_from_secs_f64(seconds).ok()?.min(LONGEST))
}

fn positive(name: &'static str, seconds: f64) -> Result<Duration> {
    let duration = setting(name, seconds)?;
    if duration.is_zero() {
        let reason = "must be more than 0 seconds".to_owned();
        return Err(Error::Config { setting: name, reason });
    }
    Ok(duration)
}

/// Limits in seconds (total, connect, read, write, pool), repetitions, headers.
pub(super) type OptionsArgument =
    ((f64, f64, Option<f64>, Option<f64>, Option<f64>), u32, Vec<(String, String)>);

pub(super) fn call_options(
    ((total, connect, read, write, pool), max_retries, headers): OptionsArgument,
) -> Result<CallOptions> {
    let limit = |name, seconds: Option<f64>| seconds.map(|s| positive(name, s)).transpose();
    let timeouts = Timeouts {
        total: positive("timeout", total)?,
        connect: positive("connect_timeout", connect)?,
        read: limit("timeout.read", read)?,
        write: limit("timeout.write", write)?,
        pool: limit("timeout.pool", pool)?,
    };
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(CallOptions { timeouts, max_retries, headers: Headers::new(headers)?, observer: None })
}
