//! The counters of a client, as what `ClientStats` is made of.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict as _, PyDict};

use crate::core::stats::Stats;

pub(super) fn counted(py: Python<'_>, stats: &Stats) -> PyResult<Py<PyDict>> {
    let counts = [
        ("requests", stats.requests),
        ("retries", stats.retries),
        ("polls", stats.polls),
        ("sweeps", stats.sweeps),
        ("uploads", stats.uploads),
        ("files_uploaded", stats.files_uploaded),
        ("bytes_uploaded", stats.bytes_uploaded),
        ("bytes_received", stats.bytes_received),
        ("connections", stats.connections),
        ("rate_limited", stats.rate_limited),
        ("cancelled", stats.cancelled),
        ("in_flight", stats.in_flight),
        ("queued", stats.queued),
    ]
    .into_py_dict(py)?;
    counts.set_item("seconds", stats.time.as_secs_f64())?;
    counts.set_item("failures", stats.failures.into_py_dict(py)?)?;
    Ok(counts.unbind())
}
