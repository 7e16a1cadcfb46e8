//! The Python module `extracta_rs._core`: a thin binding, no decisions.
//!
//! Signals, the interpreter's lock, cancellation, fork and exit live in `call`, `landing`,
//! `deliver`, `runtime`, `hooks` and `trace`, and nowhere else.

use pyo3::prelude::*;

mod answer;
mod arguments;
mod awaited;
mod base;
mod call;
mod client;
mod convert;
mod deliver;
#[cfg(feature = "emulator")]
mod emulator;
mod engine;
mod errors;
mod explain;
mod file;
mod files;
mod fork;
mod handing;
mod hooks;
mod journal;
mod landing;
mod later;
mod limiter;
mod load;
mod log;
mod memory;
mod observer;
mod progress;
mod runtime;
mod stats;
mod table;
mod trace;
mod unwrapped;
mod waiting;
mod webhook;

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    log::install();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("VENDOR_BASE_URL", crate::core::config::VENDOR_BASE_URL)?;
    module.add_class::<client::Client>()?;
    module.add_class::<call::Call>()?;
    module.add_class::<waiting::WaitMany>()?;
    module.add_function(wrap_pyfunction!(waiting::batch_token, module)?)?;
    module.add_function(wrap_pyfunction!(waiting::read_batch_token, module)?)?;
    module.add_function(wrap_pyfunction!(arguments::check_wait, module)?)?;
    module.add_class::<answer::Answer>()?;
    module.add_class::<file::FileResult>()?;
    engine::register(module)?;
    webhook::register(module)?;
    unwrapped::register(module)?;
    module.add_function(wrap_pyfunction!(explain::explain_signature, module)?)?;
    journal::register(module)?;
    module.add_class::<table::Table>()?;
    module.add_class::<table::ArrowTable>()?;
    #[cfg(feature = "emulator")]
    emulator::register(module)?;
    Ok(())
}
