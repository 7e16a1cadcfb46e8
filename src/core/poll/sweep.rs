//! When to look at a target next. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::decide::{Options, jittered, longer};
use super::sink::Id;
use super::trust::Trust;
use crate::core::error::Error;

/// After these looks, and after each tenth, one batch is asked for itself.
const CHECKS: [u32; 3] = [2, 4, 8];

/// The looks at one target.
pub(super) struct Sweep {
    options: Options,
    interval: Duration,
    due: Option<Instant>,
    /// In line, or under way.
    asked: bool,
    number: u64,
    /// Looks since a wait was added.
    quiet: u32,
    pub(super) trust: Trust,
    checks: VecDeque<Id>,
}

impl Sweep {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            interval: options.poll_interval,
            due: None,
            asked: false,
            number: 0,
            quiet: 0,
            trust: Trust::default(),
            checks: VecDeque::new(),
        }
    }

    /// A wait was added: looks often again. Returns when to look, where that is earlier.
    pub(super) fn hasten(&mut self, options: Options, due: Instant) -> Option<Instant> {
        (self.options, self.interval, self.quiet) = (options, options.poll_interval, 0);
        if self.asked || self.due.is_some_and(|planned| planned <= due) {
            return None;
        }
        self.due = Some(due);
        self.due
    }

    /// Whether to look now.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now) && self.begin_now(now)
    }

    /// Whether a look can begin now: none is under way.
    pub(super) fn begin_now(&mut self, now: Instant) -> bool {
        let begins = !self.asked;
        self.asked = true;
        self.due = Some(now);
        begins
    }

    /// A look was answered; returns its number.
    pub(super) fn answered(&mut self) -> u64 {
        self.trust = Trust::default();
        self.quiet = self.quiet.saturating_add(1);
        self.number += 1;
        self.number
    }

    /// When to look next.
    pub(super) fn next(&mut self, now: Instant, error: Option<&Error>, chance: f64) -> Instant {
        let floor = error.and_then(Error::retry_after).unwrap_or_default();
        self.interval = longer(self.interval, &self.options);
        let due = (now + jittered(self.interval, chance)).max(now + floor);
        self.asked = false;
        self.due = Some(due);
        due
    }

    /// A wait to check, where it is time for one; all get their turn.
    pub(super) fn check<I: Iterator<Item = Id>>(&mut self, all: impl Fn() -> I) -> Option<Id> {
        if !(CHECKS.contains(&self.quiet) || self.quiet.is_multiple_of(10)) {
            return None;
        }
        if self.checks.is_empty() {
            self.checks = all().collect();
        }
        self.checks.pop_front()
    }
}
