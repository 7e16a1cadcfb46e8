//! The Python module `extracta_rs._core`: a thin binding, no decisions.

use pyo3::prelude::*;

#[cfg(feature = "emulator")]
mod emulator;
mod webhook;

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    webhook::register(module)?;
    #[cfg(feature = "emulator")]
    emulator::register(module)?;
    Ok(())
}
