//! The journal: what was to be uploaded, what was, and what came back, in one `SQLite` file, or in
//! `PostgreSQL`, which several machines share.
//!
//! Money hangs on the order: the intent is on disk before an upload is sent, the batch's id before
//! anything else is done, the results before they are handed over. Every method is one transaction
//! and blocks; several processes may have the journal open.

mod fork;
mod interface;
mod keeper;
mod owner;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod schema;
mod sqlite;

pub use fork::Paused;
pub use interface::Journal;
pub use owner::Owner;
pub use record::{Admitted, Claim, Counts, Document, Intent, NewDocument, Row, State, Witnesses};
