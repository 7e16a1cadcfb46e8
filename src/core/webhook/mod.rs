//! Webhook signatures: which bytes are signed, and whether a signature holds.
//!
//! Pure computation over bytes that anyone may have sent. The vendor signs only `result`, as
//! Node's `JSON.stringify` writes it: `event` is not authenticated, and a delivery can be
//! replayed, which is what [`dedupe_keys`] are for.

mod body;
mod dedupe;
mod delivery;
mod explain;
mod secret;
mod verify;

pub use body::Generation;
pub use dedupe::dedupe_keys;
pub use delivery::{Delivery, Kind, Unopened, WrongShape, check_files, open};
pub use explain::{Reason, Report, explain};
pub use secret::UnusableSecret;
pub use verify::{Matched, Refusal, SignError, Verified, sign, verify};
