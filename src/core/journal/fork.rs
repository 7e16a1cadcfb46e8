//! What a fork must not carry into its child: `SQLite`'s state of open files, and the locks of runs.
//!
//! A copy of an open database believes that it holds the parent's locks; a second connection to the
//! same file in that process would believe it, too, and write without any. And a run's lock is held
//! by every copy of its file. So whoever forks pauses all journals first, between two steps of any
//! of them, and in the child closes them all. Closing takes no lock away from the parent: those of
//! `SQLite` are each process's own, and that of a run is held until its last copy is closed.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
    Weak,
};

/// Held by each step of a journal, and by whoever forks.
static STEPS: RwLock<()> = RwLock::new(());
static OPEN: Mutex<Vec<Weak<dyn Inherited>>> = Mutex::new(Vec::new());

/// What a forked child has a copy of.
pub(super) trait Inherited: Send + Sync + 'static {
    /// Ends it, in a step.
    fn close(&self);
    /// Closes the copy of a child, and leaves the parent's alone.
    fn let_go(&self);
}

/// While this is held nobody forks. A step must not begin another.
pub(super) fn step() -> RwLockReadGuard<'static, ()> {
    STEPS.read().unwrap_or_else(PoisonError::into_inner)
}

fn open() -> MutexGuard<'static, Vec<Weak<dyn Inherited>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers what was opened in this step.
pub(super) fn remember<T: Inherited>(opened: &Arc<T>) {
    let opened: Arc<dyn Inherited> = opened.clone();
    let mut open = open();
    open.retain(|other| other.strong_count() > 0);
    open.push(Arc::downgrade(&opened));
}

/// Ends what nobody uses any more. Does not wait, for who forks may wait for this thread: for
/// Python's lock.
pub(super) fn end<T: Inherited>(unused: &Arc<T>) {
    match STEPS.try_read() {
        Err(TryLockError::WouldBlock) => {
            let unused = unused.clone();
            let end = move || {
                let _step = step();
                unused.close();
            };
            // Without a thread it stays open until the process ends.
            let _ = std::thread::Builder::new().name("extracta_rs-close".to_owned()).spawn(end);
        }
        Ok(_) | Err(TryLockError::Poisoned(_)) => unused.close(),
    }
}

/// All journals of this process, between two steps.
#[derive(Debug)]
pub struct Paused(RwLockWriteGuard<'static, ()>);

impl Paused {
    /// Waits until the steps that are under way have ended, and holds the next.
    #[must_use]
    pub fn begin() -> Self {
        Self(STEPS.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// To be called in a forked child: closes what it has copies of, and ends the pause there.
    pub fn let_go(self) {
        for inherited in std::mem::take(&mut *open()) {
            if let Some(inherited) = inherited.upgrade() {
                inherited.let_go();
            }
        }
        drop(self.0);
    }
}
