//! What goes wrong with a file, in words that say what to do.

use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;

use crate::core::error::Error;
use crate::core::journal::place::failed;

pub(super) const NO_DATABASE: &str = "not an SQLite file: name another file";
/// How long one process waits for another to finish writing.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn damaged(told: &str) -> String {
    format!("the file is damaged ({told}): keep it, and go on with a copy that is not")
}

pub(super) fn translated(path: &Path, error: &rusqlite::Error) -> Error {
    let text = error.to_string();
    let reason = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => damaged(&text),
        Some(ErrorCode::NotADatabase) => NO_DATABASE.to_owned(),
        Some(ErrorCode::DiskFull) => {
            "the disk is full; the last step was not written, and nothing by halves. Make room, \
             then go on with the same journal"
                .to_owned()
        }
        Some(ErrorCode::SystemIoFailure) => format!(
            "the disk is full or fails ({text}); the last step was not written, and nothing by \
             halves. Make room (a quota or limit may be reached, too), then go on with the same \
             journal"
        ),
        Some(ErrorCode::DatabaseBusy) => {
            format!("another process has been writing for {} s", PATIENCE.as_secs())
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            format!("it cannot be written ({text}): a journal and its folder must be writable")
        }
        Some(ErrorCode::CannotOpen) => {
            format!("it cannot be opened ({text}): is the folder there?")
        }
        _ => text,
    };
    failed(path, &reason)
}
