//! What the client does, in plain Rust: decisions as pure functions, input and output around them.
//!
//! Nothing in here knows Python; `cargo test` alone proves it.

pub mod api;
pub mod config;
pub mod error;
pub mod headers;
pub mod hex;
mod http;
pub mod javascript;
#[cfg(feature = "journal")]
pub mod journal;
pub mod key;
pub mod limit;
pub mod line;
pub mod model;
pub mod observe;
pub mod pace;
pub mod poll;
pub mod retry;
#[cfg(feature = "journal")]
pub mod run;
pub mod stats;
pub mod table;
pub mod upload;
pub mod webhook;
