//! Whether what a target shows of its batches is to be relied on. Pure.

use std::time::Duration;

use super::listing::Listed;

/// From so many batches on one look at their target costs less than one at each: it takes one
/// request beside the one that every finished batch needs.
pub(super) const SWEEPABLE: usize = 3;
/// How long batches are asked for one by one after a look showed nothing to rely on.
pub(super) const DISTRUST: Duration = Duration::from_secs(600);
/// So many looks in a row may fail before that.
const FAILURES: u32 = 3;

#[derive(Default)]
pub(super) struct Trust {
    failures: u32,
    /// A batch that was finished while the last look showed it as running; the next must not.
    doubted: Option<String>,
}

impl Trust {
    /// Whether a failed look is the last; one that no other look could mend is `fatal`.
    pub(super) fn failed(&mut self, fatal: bool) -> bool {
        self.failures += 1;
        fatal || self.failures >= FAILURES
    }

    /// A batch was finished while the last look showed it as running.
    pub(super) fn doubt(&mut self, batch_id: String) {
        self.doubted = Some(batch_id);
    }

    /// Whether a look shows as running what was finished before it.
    pub(super) fn is_broken_by(&self, batches: &[Listed<'_>]) -> bool {
        let doubted = self.doubted.as_deref();
        batches.iter().any(|batch| Some(&*batch.batch_id) == doubted && !batch.is_final())
    }
}
