//! Some rows of a table, as columns.

use serde::{Deserialize, Serialize};

use super::value::Value;

/// Rows whose values are there while their columns' kinds are not known yet.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Chunk {
    height: usize,
    weight: usize,
    /// Short where a column had no value in the last rows.
    columns: Vec<Vec<Value>>,
}

impl Chunk {
    /// Appends a row: the values of some columns.
    pub fn add(&mut self, row: impl IntoIterator<Item = (usize, Value)>) {
        for (place, value) in row {
            self.weight = self.weight.saturating_add(value.weight());
            if self.columns.len() <= place {
                self.columns.resize_with(place + 1, Vec::new);
            }
            if let Some(column) = self.columns.get_mut(place) {
                column.resize(self.height, Value::Null);
                column.push(value);
            }
        }
        self.height += 1;
    }

    /// How many rows there are.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// How much there is to hold: bytes of text and values.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// A value; null is none.
    #[must_use]
    pub fn get(&self, place: usize, row: usize) -> Option<&Value> {
        self.columns.get(place)?.get(row).filter(|value| **value != Value::Null)
    }

    /// Takes a column out.
    pub(super) fn take(&mut self, place: usize) -> Vec<Value> {
        let mut column = self.columns.get_mut(place).map(std::mem::take).unwrap_or_default();
        column.resize(self.height, Value::Null);
        column
    }

    /// Writes it down, to be read by `read`.
    pub fn write(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(self)
    }

    /// Reads what `write` wrote.
    pub fn read(written: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(written)
    }
}
