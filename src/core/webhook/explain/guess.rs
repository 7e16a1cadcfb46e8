//! What a body only looks like: nothing here proves anything.

use memchr::memmem;

use super::header::Reading;
use super::look::Sight;
use super::reason::Reason;
use super::{python, undo};
use crate::core::javascript::SyntaxError;

/// How improbable it must be that keys are sorted by chance: once in a thousand bodies.
const SORTED_BY_CHANCE: f64 = 10.0;

/// The most likely reason for which something speaks.
pub(super) fn guess(
    body: &[u8],
    sight: &Result<Sight<'_>, SyntaxError>,
    reading: &Reading,
) -> Option<Reason> {
    if reading.mistakes.contains(&Reason::HexSignature) {
        return Some(Reason::LooksHex);
    }
    let sight = match sight {
        Err(_) if is_compressed(body) => return Some(Reason::LooksCompressed),
        Err(_) if python::looks_like_dict(body) => return Some(Reason::LooksPythonDict),
        Err(_) => return None,
        Ok(sight) => sight,
    };
    sight.result.as_ref()?;
    if ["\u{fffd}", "\\ufffd", "\\uFFFD"].iter().any(|mark| has(body, mark)) {
        return Some(Reason::LooksReplaced);
    }
    if undo::mojibake(body).is_some() {
        return Some(Reason::LooksWrongCharset);
    }
    let sorted = sight.sorted && sight.improbable >= SORTED_BY_CHANCE;
    sorted.then_some(Reason::LooksSorted)
}

fn has(body: &[u8], mark: &str) -> bool {
    memmem::find(body, mark.as_bytes()).is_some()
}

/// Whether a body starts as gzip, zlib or zstd do. Brotli has no mark of its own.
fn is_compressed(body: &[u8]) -> bool {
    matches!(
        body,
        [0x1f, 0x8b, ..] | [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..]
    )
}
