//! Results as tables: which columns there are, what one holds, and its values for Arrow and CSV.
//!
//! `docs/tables.md` has the rules. Nothing that a file contains is an error here. What a value is
//! made of does not matter to [`Rows`]; what is written, or goes to Arrow, is a [`Value`].

mod arrow;
mod chunk;
mod csv;
mod kind;
mod rows;
mod text;
mod value;

pub use arrow::{batch, schema};
pub use chunk::Chunk;
pub use csv::{header, lines};
pub use kind::Kind;
pub use rows::{Each, LEADING, Node, Row, Rows};
pub use text::{Text, lossy};
pub use value::{DEEPEST, Value, text_to_json};
