//! Waiting for batches: `decide` says when to ask and when to give up, `engine` asks.
//!
//! A failed poll does not end a wait, the deadline does; only an answer that no later poll could
//! change (a wrong key, an unknown batch) ends it at once.

mod board;
pub mod decide;
pub mod delivered;
pub mod engine;
pub mod listing;
mod sink;
mod sweep;
mod timers;
mod uploads;

pub use decide::Options;
pub(crate) use engine::Watches;
#[cfg(feature = "journal")]
pub(crate) use engine::until;
pub use engine::{Many, deliver, wait};
pub use sink::OnAnswer;
