//! Integration tests of the core, and of the emulator where it is built.

// A helper of a test may fail like a test: by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answers;
mod decisions;
#[cfg(feature = "emulator")]
mod emulator;
#[cfg(feature = "journal")]
mod engine;
mod exact;
mod explain;
mod gate;
mod javascript;
#[cfg(feature = "journal")]
mod journal;
mod limits;
mod line;
#[cfg(feature = "journal")]
mod lost;
mod observe;
mod pace;
mod seeds;
mod table;
mod v8;
mod webhook;
