//! What the client does, in plain Rust: decisions as pure functions, input and output around them.
//!
//! Nothing in here knows Python; `cargo test` alone proves it.

pub mod api;
pub mod config;
pub mod error;
mod http;
pub mod javascript;
pub mod limit;
pub mod model;
pub mod pace;
pub mod poll;
pub mod retry;
pub mod upload;
pub mod webhook;
