//! An open connection, used by one step at a time, and by none in a forked child.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::core::journal::fork::{self, Inherited};

/// A connection that is open until this is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Kept>);

#[derive(Debug)]
struct Kept(Mutex<Option<Connection>>);

impl Open {
    /// Must be called in the step that opened the connection.
    pub(super) fn new(connection: Connection) -> Self {
        let kept = Arc::new(Kept(Mutex::new(Some(connection))));
        fork::remember(&kept);
        Self(kept)
    }

    /// Does one step; `None` where the connection is one of the parent process.
    pub(super) fn step<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let _step = fork::step();
        self.0.get().as_mut().map(work)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        fork::end(&self.0);
    }
}

impl Kept {
    fn get(&self) -> MutexGuard<'_, Option<Connection>> {
        // A transaction that was not committed was rolled back when it was dropped.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inherited for Kept {
    fn close(&self) {
        drop(self.get().take());
    }

    fn let_go(&self) {
        if let Some(connection) = self.get().take() {
            // The write-ahead log is the parent's to close. Where this fails, `SQLite` finds that
            // the parent has the file open, and leaves the log alone.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            drop(connection);
        }
    }
}
