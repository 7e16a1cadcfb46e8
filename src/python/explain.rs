//! Binding of `core::webhook::explain`.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::webhook::{Body, check};
use crate::core::webhook::{Matched, explain};

type Report = (Option<&'static str>, Option<usize>, &'static str, String);

/// In which form the signature holds, the secret's place, the reason and the hint.
#[pyfunction]
pub(super) fn explain_signature(
    body: &Bound<'_, PyAny>,
    header: &Bound<'_, PyAny>,
    secret: &Bound<'_, PyAny>,
) -> PyResult<Report> {
    let raw = Body::new(body)?;
    let report = check(&bytes(&raw, body)?, header, secret, explain)?;
    let matched = report.matched.map(|matched| match matched {
        Matched::Raw => "raw",
        Matched::Canonical => "canonical",
    });
    Ok((matched, report.secret_index, report.reason.word(), report.hint))
}

/// The bytes of a body. Lone surrogates are kept: no UTF-8 has them, so nothing matches.
fn bytes<'a>(raw: &'a Body<'_>, body: &Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(bytes) = raw.bytes() {
        return Ok(Cow::Borrowed(bytes));
    }
    let encoded = body.call_method1("encode", ("utf-8", "surrogatepass"))?;
    Ok(Cow::Owned(encoded.cast::<PyBytes>()?.as_bytes().to_vec()))
}
