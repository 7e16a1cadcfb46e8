//! How far a run is, for whoever shows it; and how it is asked to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use crate::core::upload;

/// How far a run is. What is uploaded may shrink: a try that failed begins anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of documents that were handed to the connection.
    pub uploaded: u64,
    /// Bytes of documents that need no upload: an earlier run made it, or another one does.
    pub skipped: u64,
    /// Batches that are in processing at the service, or were.
    pub batches: u64,
    /// How many of them have results.
    pub finished: u64,
}

/// A handle to a run; clones are handles to the same one.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    counters: Arc<Counters>,
    pub(super) stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Counters {
    uploaded: AtomicU64,
    skipped: AtomicU64,
    batches: AtomicU64,
    finished: AtomicU64,
}

impl Watch {
    /// How far the run is now.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let Counters { uploaded, skipped, batches, finished } = &*self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Progress {
            uploaded: read(uploaded),
            skipped: read(skipped),
            batches: read(batches),
            finished: read(finished),
        }
    }

    /// Lets the run end once the uploads under way have ended; it begins no others.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn skip(&self, size: u64) {
        self.counters.skipped.fetch_add(size, Ordering::Relaxed);
    }

    pub(super) fn batch(&self) {
        self.counters.batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn finished(&self) {
        self.counters.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// Follows one upload of documents of `size` bytes in all.
    pub(super) fn upload(&self, size: u64) -> Sending {
        Sending { counters: self.counters.clone(), size, sent: Arc::default() }
    }
}

/// An upload that is followed.
#[derive(Clone)]
pub(super) struct Sending {
    counters: Arc<Counters>,
    size: u64,
    sent: Arc<AtomicU64>,
}

impl Sending {
    /// Told of the bytes of the body, which has more than the documents.
    pub(super) fn follow(&self) -> upload::Progress {
        let sending = self.clone();
        Arc::new(move |sent, _| sending.set(sent))
    }

    pub(super) fn done(&self) {
        self.set(self.size);
    }

    pub(super) fn undone(&self) {
        self.set(0);
    }

    fn set(&self, sent: u64) {
        let sent = sent.min(self.size);
        let before = self.sent.swap(sent, Ordering::Relaxed);
        // Wraps around where it shrinks, and back.
        self.counters.uploaded.fetch_add(sent.wrapping_sub(before), Ordering::Relaxed);
    }
}
