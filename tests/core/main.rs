//! Integration tests of the core, and of the emulator where it is built.

// A helper of a test may fail like a test: by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod decisions;
#[cfg(feature = "emulator")]
mod emulator;
mod explain;
mod gate;
mod javascript;
mod webhook;
