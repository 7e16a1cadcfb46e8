//! What the client does, in plain Rust: decisions as pure functions, input and output around them.

pub mod javascript;
pub mod webhook;
