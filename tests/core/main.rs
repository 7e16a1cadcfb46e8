//! Integration tests of the core, and of the emulator where it is built.

#[cfg(feature = "emulator")]
mod emulator;
mod javascript;
mod webhook;
