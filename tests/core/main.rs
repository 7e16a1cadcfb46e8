//! Integration tests of the core.

#[cfg(feature = "emulator")]
mod emulator;
