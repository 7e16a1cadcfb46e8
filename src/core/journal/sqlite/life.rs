//! Whether the run that wrote an intent is still alive.
//!
//! Each run holds the lock of a file of its own beside the journal for as long as it lives; the
//! system lets go of it however the process ends. Nobody has to wait for a lease to run out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::journal::fork::{self, Inherited};
use crate::core::journal::owner::Owner;

/// The lock of a living run.
#[derive(Debug)]
pub(in crate::core::journal) struct Life {
    path: PathBuf,
    /// Its lock is held until it is closed.
    file: Mutex<Option<File>>,
}

impl Life {
    fn take(&self) -> Option<File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Inherited for Life {
    fn close(&self) {
        if let Some(file) = self.take() {
            // A file that stays does no harm: without a lock it says "dead", and is removed then.
            let _ = std::fs::remove_file(&self.path);
            drop(file);
        }
    }

    fn let_go(&self) {
        drop(self.take());
    }
}

/// Begins to live.
pub(super) fn begin(journal: &Path) -> io::Result<Owner> {
    let _step = fork::step();
    sweep(journal);
    loop {
        let name: String = std::iter::repeat_with(fastrand::alphanumeric).take(16).collect();
        let path = place(journal, &name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.lock()?;
        // Another run's sweep may have met the file before it was locked.
        if path.try_exists()? {
            let life = Arc::new(Life { path, file: Mutex::new(Some(file)) });
            fork::remember(&life);
            return Ok(Owner::of_file(name, life));
        }
    }
}

/// Whether a run is at work; the file of a dead one is removed.
pub(super) fn is_alive(journal: &Path, name: &str) -> io::Result<bool> {
    let path = place(journal, name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = std::fs::remove_file(&path);
            Ok(false)
        }
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes the files that killed runs left. What goes wrong does no harm: they stay.
fn sweep(journal: &Path) {
    let (Some(folder), Some(own)) = (journal.parent(), journal.file_name()) else { return };
    let prefix = place(Path::new(own), "");
    let prefix = prefix.as_os_str().as_encoded_bytes();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let name = file.as_encoded_bytes().strip_prefix(prefix).map(str::from_utf8);
        if let Some(Ok(name)) = name {
            let _ = is_alive(journal, name);
        }
    }
}

fn place(journal: &Path, name: &str) -> PathBuf {
    let mut path = journal.as_os_str().to_owned();
    path.push("-run-");
    path.push(name);
    path.into()
}
