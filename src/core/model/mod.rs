//! What is sent and what comes back: names of things, and the few keys that decisions rest on.
//!
//! An answer keeps the vendor's bytes; nothing unknown in them is lost or refused.

mod batch;
mod shape;
mod target;

pub use batch::{BatchAnswer, Counts, UploadAnswer};
pub(crate) use batch::{describe, says_final};
pub use shape::{Field, FileShape, Shape};
pub use target::{BatchKey, Kind, Target};
