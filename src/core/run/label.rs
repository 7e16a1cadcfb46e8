//! The mark that carries a caller's label in the names of uploaded files, and what the names of a
//! service's batches tell of it. Pure.
//!
//! The label itself is not sent: it may be long, hold characters that no file name can, or tell
//! what nobody shall see. The danger is the same as in `look`: what cannot be explained is never
//! "absent".

use sha2::{Digest, Sha256};

use super::look::Verdict;
use crate::core::error::{Error, Result};
use crate::core::hex::hex;

const PREFIX: &str = "xr-";
/// Two of 10^8 labels have the same 80 bits once in 10^8 times.
const BYTES: usize = 10;
const LENGTH: usize = PREFIX.len() + 2 * BYTES + 1;

/// What the names of a label's files begin with: `xr-`, 20 hexadecimal digits, `-`.
pub fn mark(label: &str) -> Result<String> {
    if label.trim().is_empty() {
        return Err(Error::Input("idempotency_label is empty".to_owned()));
    }
    let digest = Sha256::digest(label);
    Ok(format!("{PREFIX}{}-", hex(digest.get(..BYTES).unwrap_or_default())))
}

/// A file's name with the mark. Folders in it are left out: a service may do the same.
#[must_use]
pub fn marked(mark: &str, name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(name);
    format!("{mark}{last}")
}

/// The name without a mark, where it has one.
#[must_use]
pub fn unmarked(name: &str) -> Option<&str> {
    let (mark, rest) = name.split_at_checked(LENGTH)?;
    let digits = mark.strip_prefix(PREFIX)?.strip_suffix('-')?;
    digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(rest)
}

/// A batch of the service, as far as it shows the names of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The service's id of it.
    pub batch_id: String,
    /// The names that are shown.
    pub names: Vec<String>,
    /// Whether they are all.
    pub complete: bool,
}

/// The batch of a lost upload among those whose names are not all known yet: names with a mark
/// can be no other upload's.
#[must_use]
pub fn recognised(lost: &[String], shown: &[Shown]) -> Option<String> {
    let ours = |name: &String| unmarked(name).is_some() && lost.contains(name);
    let found = shown.iter().find(|batch| batch.names.iter().any(ours));
    found.map(|batch| batch.batch_id.clone())
}

/// Says whether an upload of so many files with this mark is among all batches of a target.
#[must_use]
pub fn decide(mark: &str, files: usize, shown: &[Shown]) -> Verdict {
    let has_ours = |batch: &&Shown| batch.names.iter().any(|name| name.starts_with(mark));
    if let Some(found) = shown.iter().find(has_ours) {
        return Verdict::Found(found.batch_id.clone());
    }
    if !shown.iter().all(|batch| batch.complete) {
        return Verdict::NotYet;
    }
    // Another label's mark shows that the service keeps names as they were sent. Without one, a
    // batch of as many files may be ours under other names.
    let keeps_names = shown.iter().flat_map(|batch| &batch.names).any(|n| unmarked(n).is_some());
    if keeps_names || shown.iter().all(|batch| batch.names.len() < files) {
        Verdict::Absent
    } else {
        Verdict::Undecided
    }
}
