//! Integration tests of the core.

mod javascript;
mod webhook;
