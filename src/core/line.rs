//! The line in which all processes with one key stand: what is kept of it, who goes next, and the
//! trait of what keeps it. Pure: the clock is an argument.
//!
//! Only moments are kept, no locks: whoever dies holds nobody up. Whoever is told to wait asks
//! again, and whoever has waited longest goes first, as long as it comes in time.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};

use super::hex::hex;
use super::key::ApiKey;
use super::pace::{LONGEST_HOLD, Load, STEP, WIDEST};

/// How long the others let the one go first that has waited longest: this part of the spacing, and
/// never more than that.
const GRACE_PART: i64 = 10;
const LONGEST_GRACE: i64 = 200;
/// Sums of times fit.
const LAST: i64 = i64::MAX / 1000;

/// What somebody in line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Asks for leave to send one request now.
    Take {
        /// Since how long it has asked in vain.
        waited: Duration,
    },
    /// Tells what became of a request.
    Answered {
        /// How long ago it was sent.
        age: Duration,
        /// What its answer tells.
        load: Load,
    },
}

/// What is said to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// When to ask again; zero: the leave is given.
    pub wait: Duration,
    /// The spacing now.
    pub spacing: Duration,
}

/// What keeps a line for several processes.
pub trait Shared: Send + Sync {
    /// Makes a step in the line of this name, by one whose spacing is never below `least`. An
    /// error is a reason for the log.
    fn step(&self, line: &str, least: Duration, step: Step) -> BoxFuture<'static, StepResult>;
}

/// What comes of a step.
pub type StepResult = std::result::Result<Told, String>;

/// The name of the line of a key at an address, which does not show the key.
#[must_use]
pub fn name(key: &ApiKey, base_url: &str) -> String {
    let mut digest = Sha256::new_with_prefix("extracta_rs line\0");
    digest.update(base_url);
    digest.update("\0");
    digest.update(key.expose());
    hex(&digest.finalize())
}

/// What is kept: moments and a length of time in milliseconds, by the clock of whoever keeps them.
/// Zero: never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Line {
    /// When a request was last answered, or must have been.
    pub reached: i64,
    /// Until when the service wants none.
    pub held: i64,
    /// When it last said so.
    pub refused: i64,
    /// The spacing that came of it.
    pub spacing: i64,
    /// Since when the one waits that has waited longest.
    pub first: i64,
}

impl Line {
    /// Makes a step.
    pub fn step(&mut self, now: i64, least: Duration, step: Step) -> Told {
        let now = now.clamp(0, LAST);
        let least = millis(least);
        self.forget_what_cannot_be(now, least);
        let wait = match step {
            Step::Take { waited } => self.take(now, least, now - millis(waited)),
            Step::Answered { age, load } => {
                self.answered(now, least, now - millis(age), load);
                0
            }
        };
        Told { wait: duration(wait), spacing: duration(self.spacing(least)) }
    }

    /// The clock was set back, or somebody wrote what he liked.
    fn forget_what_cannot_be(&mut self, now: i64, least: i64) {
        if self.reached > now + self.spacing(least) {
            self.reached = now;
        }
        self.reached = self.reached.max(0);
        self.refused = self.refused.clamp(0, now);
        let longest = now + millis(LONGEST_HOLD);
        for moment in [(&mut self.held, longest), (&mut self.first, now)] {
            if !(0..=moment.1).contains(moment.0) {
                *moment.0 = 0;
            }
        }
    }

    /// What is kept counts as far as one's own refusals could have widened the spacing.
    fn spacing(&self, least: i64) -> i64 {
        self.spacing.clamp(least, least * i64::from(WIDEST))
    }

    /// How long to wait; zero where it goes.
    fn take(&mut self, now: i64, least: i64, since: i64) -> i64 {
        let spacing = self.spacing(least);
        let free = (self.reached + spacing).max(self.held);
        let grace = (spacing / GRACE_PART).min(LONGEST_GRACE);
        // Two that came at almost the same time are equals: each one's wait is measured anew.
        let second = self.first != 0 && self.first + grace < since;
        if now >= free + if second { grace } else { 0 } {
            // It may be long on its way: until its answer tells when it came, it is taken to need
            // one spacing, as within one process.
            self.reached = now + spacing;
            self.first = 0;
            return 0;
        }
        if self.first == 0 || since < self.first {
            self.first = since;
        }
        let late = if second { grace / 2 } else { 0 };
        // The answer of what is under way may come at any moment, and no sooner.
        let soonest = (self.reached.min(now) + spacing).max(self.held);
        if now < free { soonest - now + late } else { late.clamp(1, free + grace - now) }
    }

    /// What `pace` does with an answer, for all.
    fn answered(&mut self, now: i64, least: i64, sent: i64, load: Load) {
        self.reached = now;
        let spacing = self.spacing(least);
        let tells = sent >= self.refused;
        match load {
            Load::Refused(after) => {
                let hold = millis(after.unwrap_or_default().min(LONGEST_HOLD));
                self.held = self.held.max(now + hold);
                if tells {
                    self.spacing = (2 * spacing).min(least * i64::from(WIDEST));
                    self.refused = now;
                }
            }
            Load::Borne if tells => {
                self.spacing = (spacing - least / i64::from(STEP)).max(least);
            }
            _ => {}
        }
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(LAST).min(LAST)
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}
