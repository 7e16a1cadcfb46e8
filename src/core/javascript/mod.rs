//! JSON as Node.js reads and writes it.
//!
//! The vendor signs what `JSON.stringify(JSON.parse(body).result)` gives in Node, so both halves
//! follow V8 to the byte. The input comes from the network before it is authenticated: nothing
//! here recurses, panics, or needs more memory than a fixed multiple of the text.

#![expect(clippy::inline_always, reason = "a tenth of the time: calls cost more than most events")]

mod members;
mod nesting;
mod number;
mod order;
mod reader;
mod scan;
mod stringify;
mod text;
mod walk;
mod writer;

pub use members::{Members, PLACES};
pub use reader::{Event, MAX_DEPTH, Reader, SyntaxError};
pub use stringify::{stringify, stringify_into};
pub use text::Text;
pub use walk::{Visit, walk};
pub use writer::Sink;
