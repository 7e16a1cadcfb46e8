//! Where a thread that blocks is told how its call goes.
//!
//! A lock and a condition, no future: registering a timer with the runtime for each call would
//! wake one of its threads for nothing.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::call::{Caller, Outcome};
use super::log::{self, Record};
use super::progress::Progress;
use super::runtime::Runtime;

/// What has come since it was looked at.
#[derive(Default)]
pub(super) struct News {
    pub(super) outcome: Option<Outcome>,
    pub(super) progress: bool,
    pub(super) heard: bool,
    pub(super) closing: bool,
    pub(super) records: Vec<Record>,
}

/// A thread that waits for a call.
#[derive(Default)]
pub(super) struct Landing {
    news: Mutex<News>,
    changed: Condvar,
}

impl Landing {
    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    /// Blocks until something has come or it is time. Records alone wait until then.
    pub(super) fn wait_until(&self, time: Instant) -> News {
        let limit = time.saturating_duration_since(Instant::now());
        let quiet = |news: &mut News| {
            news.outcome.is_none() && !news.progress && !news.heard && !news.closing
        };
        let (mut news, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, quiet)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut news)
    }

    /// Runs `work`; what it logs is kept for the thread that waits.
    pub(super) async fn keeping_records<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|context| {
            let (polled, records) = log::keep(|| work.as_mut().poll(context));
            if !records.is_empty() {
                self.lock().records.extend(records);
            }
            polled
        })
        .await
    }
}

impl Caller for Landing {
    const BLOCKS: bool = true;

    fn ended(self: Arc<Self>, _: &Runtime, outcome: Outcome) {
        self.tell(|news| news.outcome = Some(outcome));
    }

    fn progress(self: &Arc<Self>, _: &Runtime, _: &Arc<Progress>) {
        self.tell(|news| news.progress = true);
    }

    fn heard(&self) {
        self.tell(|news| news.heard = true);
    }

    fn closing(&self) {
        self.tell(|news| news.closing = true);
    }
}
