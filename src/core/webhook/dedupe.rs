//! Keys that tell a delivery that was seen before.
//!
//! A signature has no time in it, so an old delivery can be sent again, whole and valid. The keys
//! are made of signed values alone, and of those that make a difference to whoever acts on them.

use sha2::{Digest as _, Sha256};

use super::body::{Top, elements, survey};
use crate::core::hex::hex;
use crate::core::javascript::{Sink, SyntaxError, stringify, stringify_into};

/// One key for each element of the signed array: the hexadecimal SHA-256 of
/// `JSON.stringify([extractionId, batchId, fileId, status, d])`, where `d` is the hexadecimal
/// SHA-256 of `JSON.stringify(result)`. What a file lacks counts as `null`.
pub fn dedupe_keys(array: &[u8]) -> Result<Vec<String>, SyntaxError> {
    let key = |file| array.get(file).map_or_else(|| Ok(String::new()), file_key);
    elements(array)?.into_iter().map(key).collect()
}

fn file_key(file: &[u8]) -> Result<String, SyntaxError> {
    let values = match survey(file, ["extractionId", "batchId", "fileId", "status", "result"])? {
        Top::Object(values) => values,
        Top::Array(_) | Top::Scalar => [const { None }; 5],
    };
    let [ids @ .., result] = values.map(|range| range.and_then(|range| file.get(range)));
    let mut digest = Sum::default();
    stringify_into(result.unwrap_or(b"null"), &mut digest)?;
    let mut key = Vec::from(*b"[");
    for id in ids {
        key.extend(stringify(id.unwrap_or(b"null"))?);
        key.push(b',');
    }
    key.extend(format!("\"{}\"]", digest.hex()).bytes());
    let mut sum = Sum::default();
    sum.put(&key);
    Ok(sum.hex())
}

#[derive(Clone, Default)]
struct Sum(Sha256);

impl Sink for Sum {
    fn put(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

impl Sum {
    fn hex(self) -> String {
        hex(&self.0.finalize())
    }
}
