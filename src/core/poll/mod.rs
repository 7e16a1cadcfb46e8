//! Waiting for batches: `decide` says when to ask and when to give up, `engine` asks.
//!
//! A failed poll does not end a wait, the deadline does; only an answer that no later poll could
//! change (a wrong key, an unknown batch) ends it at once. `check` looks once and waits for nothing.

mod board;
pub mod check;
pub mod decide;
pub mod delivered;
pub mod engine;
pub mod listing;
mod memory;
mod sink;
mod sweep;
mod timers;
mod trust;
mod uploads;

pub(crate) use check::Checks;
pub use decide::Options;
pub(crate) use engine::Watches;
#[cfg(feature = "journal")]
pub(crate) use engine::until;
pub use engine::{Many, deliver, wait};
pub use sink::OnAnswer;
