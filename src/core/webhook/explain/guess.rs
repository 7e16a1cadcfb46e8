//! What a body only looks like: nothing here proves anything.

use memchr::memmem;

use super::look::Sight;
use super::reason::Reason;
use super::{python, undo};
use crate::core::javascript::SyntaxError;

/// An object of so many keys must be sorted: by chance, one of 120 is. Objects of one kind have
/// their keys in one order, so that many of them say no more than one.
const ENOUGH_KEYS: u32 = 5;

/// The most likely reason for which something speaks.
pub(super) fn guess(body: &[u8], sight: &Result<Sight<'_>, SyntaxError>) -> Option<Reason> {
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
    let sorted = sight.sorted && sight.most_keys >= ENOUGH_KEYS;
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
