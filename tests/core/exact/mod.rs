//! What must hold for every input, however strange: shared by the tests and the fuzz targets.
//!
//! `model`, `spell` and `delivery` are a second implementation, as simple as it can be and
//! independent of the first one; `text` and `invariants` compare the two; `rewrite` spells a text
//! otherwise without changing its meaning.

pub mod delivery;
pub mod invariants;
pub mod model;
pub mod rewrite;
pub mod spell;
pub mod text;
