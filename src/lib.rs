//! Client for the Extracta.ai document extraction API.
//!
//! Layers, each importing only from those below it: `python` (the binding), `emulator` (an
//! offline server of the same API), `core` (uploads, polling, signatures; no Python in it).

pub mod core;
#[cfg(feature = "emulator")]
pub mod emulator;
#[cfg(feature = "python")]
mod python;
