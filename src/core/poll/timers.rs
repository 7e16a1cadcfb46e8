//! What is to be done at which moment.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use tokio::time::Instant;

use super::sink::Id;
use crate::core::model::Target;

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Event {
    Poll(Id),
    LastLook(Id),
    Deadline(Id),
    Sweep(Target),
    TrustAgain(Target),
}

/// The earliest is the greatest, as the heap wants it; of two at once the older.
#[derive(PartialEq, Eq)]
struct Timer {
    when: Instant,
    number: u64,
    event: Event,
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.when, other.number).cmp(&(self.when, self.number))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Events in the order of their moments. None is taken back: whoever gets one sees whether it
/// still counts.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Timer>,
    made: u64,
}

impl Timers {
    pub(super) fn at(&mut self, when: Instant, event: Event) {
        self.made += 1;
        self.heap.push(Timer { when, number: self.made, event });
    }

    /// The moment of the next event.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|timer| timer.when)
    }

    /// The next event whose moment has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Instant, Event)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|timer| (timer.when, timer.event))
    }

    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }
}
