//! From what a run is given to what the journal knows: opened, hashed, noted.
//!
//! Runs on a thread of its own, since disks block; it stands still while uploads lag behind.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::Sender;

use crate::core::error::{Result, Unfinished};
use crate::core::journal::{Admitted, Journal, NewDocument};
use crate::core::model::Target;
use crate::core::upload::Upload;

/// A file that was handed over and has not been looked at.
pub struct Planned {
    /// Its name, to tell of it.
    pub name: String,
    /// Where it is, to tell of it.
    pub path: Option<PathBuf>,
    /// Looks at it; may block.
    pub open: Box<dyn FnOnce() -> Result<Upload> + Send>,
}

/// A file that can be uploaded, as the journal knows it.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) document: i64,
    pub(super) new: NewDocument,
    pub(super) upload: Upload,
    stamp: Option<Stamp>,
}

/// What changes when a file does; times in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Stamp {
    size: u64,
    modified: i64,
    /// The later of `modified` and when anything of the file was changed, which nobody can set:
    /// another file in its place may have kept its own `modified`.
    touched: i64,
}

pub(super) enum Arrived {
    Document(Prepared, Admitted),
    Unreadable(Unfinished),
}

/// So many documents are noted in one transaction.
const PORTION: usize = 64;
/// A file that was changed so shortly before it was hashed may change again within the same tick
/// of its file system's clock.
const FRESH: Duration = Duration::from_secs(2);

/// Takes in all files; ends early when nobody listens any more.
pub(super) fn take_in(
    journal: &Journal,
    target: &Target,
    files: Vec<Planned>,
    sink: &Sender<Result<Vec<Arrived>>>,
) {
    let mut files = files.into_iter();
    loop {
        let portion: Vec<_> = files.by_ref().take(PORTION).collect();
        if portion.is_empty() || sink.is_closed() {
            return;
        }
        let arrived = admit(journal, target, portion);
        let failed = arrived.is_err();
        if sink.blocking_send(arrived).is_err() || failed {
            return;
        }
    }
}

fn admit(journal: &Journal, target: &Target, portion: Vec<Planned>) -> Result<Vec<Arrived>> {
    let mut arrived = Vec::new();
    let mut ready = Vec::new();
    let mut hashes = Vec::new();
    for Planned { name, path, open } in portion {
        let path = path.map(|path| path.display().to_string());
        match open().and_then(|upload| read(journal, upload, path.clone(), &mut hashes)) {
            Ok(prepared) => ready.push(prepared),
            Err(error @ crate::core::error::Error::Journal { .. }) => return Err(error),
            Err(error) => {
                let reason = error.to_string();
                arrived.push(Arrived::Unreadable(Unfinished {
                    name,
                    path,
                    reason,
                    sha256: None,
                    unknown: false,
                    batch_id: None,
                }));
            }
        }
    }
    if !hashes.is_empty() {
        journal.keep_hashes(&hashes)?;
    }
    let news: Vec<_> = ready.iter().map(|prepared| prepared.new.clone()).collect();
    let admitted = journal.admit(target, &news)?;
    arrived.extend(ready.into_iter().zip(admitted).map(|(mut prepared, admitted)| {
        prepared.document = admitted.document;
        Arrived::Document(prepared, admitted)
    }));
    Ok(arrived)
}

fn read(
    journal: &Journal,
    upload: Upload,
    path: Option<String>,
    hashes: &mut Vec<(PathBuf, u64, i64, String)>,
) -> Result<Prepared> {
    let before = stamp(&upload);
    let known = match (upload.path(), before) {
        (Some(path), Some(stamp)) => journal.hash(path, stamp.size, stamp.touched)?,
        _ => None,
    };
    let (sha256, size) = if let (Some(sha256), Some(stamp)) = (known, before) {
        (sha256, stamp.size)
    } else {
        let digest = upload.digest()?;
        if let (Some(path), Some(stamp)) = (upload.path(), before)
            && stamp.is_settled()
        {
            hashes.push((path.to_owned(), stamp.size, stamp.touched, digest.sha256.clone()));
        }
        (digest.sha256, digest.size)
    };
    let new = NewDocument { name: upload.name().to_owned(), sha256, size, path };
    Ok(Prepared { document: 0, new, upload, stamp: before })
}

impl Prepared {
    /// Whether the file is as it was when it was hashed. Blocks.
    pub(super) fn is_unchanged(&self) -> bool {
        let told = |stamp: Stamp| (stamp.size, stamp.modified);
        self.stamp.map(told) == stamp(&self.upload).map(told)
    }

    pub(super) fn unfinished(&self, unknown: bool, reason: String) -> Unfinished {
        let NewDocument { name, sha256, path, .. } = self.new.clone();
        Unfinished { name, path, sha256: Some(sha256), unknown, batch_id: None, reason }
    }
}

impl Stamp {
    fn is_settled(self) -> bool {
        let fresh = SystemTime::now().checked_sub(FRESH).and_then(since_1970);
        fresh.is_some_and(|fresh| self.touched < fresh)
    }
}

fn stamp(upload: &Upload) -> Option<Stamp> {
    let metadata = std::fs::metadata(upload.path()?).ok()?;
    let modified = since_1970(metadata.modified().ok()?)?;
    Some(Stamp { size: metadata.len(), modified, touched: changed(&metadata).max(modified) })
}

#[cfg(unix)]
fn changed(metadata: &std::fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_metadata: &std::fs::Metadata) -> i64 {
    i64::MIN
}

/// In nanoseconds.
fn since_1970(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}
