//! Waiting for batches: `decide` says when to ask and when to give up, `engine` asks.
//!
//! A failed poll does not end a wait, the deadline does; only an answer that no later poll could
//! change (a wrong key, an unknown batch) ends it at once.

pub mod decide;
pub mod engine;

pub use decide::Options;
pub use engine::{Many, OnAnswer, wait};
