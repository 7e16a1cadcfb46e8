//! When to ask next, and when to give up. Pure: the clock and chance are arguments.

use std::time::Duration;

use tokio::time::Instant;

use crate::core::error::{Error, Result};

/// How a wait is paced.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long to wait in all; `None` for as long as it takes.
    pub timeout: Option<Duration>,
    /// The time before the first request.
    pub poll_interval: Duration,
    /// The longest time between two requests, unless the service asks for more.
    pub max_poll_interval: Duration,
    /// What the interval is multiplied by after each request.
    pub backoff: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(900)),
            poll_interval: Duration::from_secs(2),
            max_poll_interval: Duration::from_secs(15),
            backoff: 1.5,
        }
    }
}

/// Intervals are lengthened by up to this part, never shortened, so that waits drift apart.
const JITTER: f64 = 0.1;
const LAST_LOOK: Duration = Duration::from_secs(1);

/// What a poll came to.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// The batch is not finished.
    Running,
    /// The poll failed.
    Failed(&'a Error),
}

/// One wait.
#[derive(Debug)]
pub struct Watch {
    options: Options,
    deadline: Option<Instant>,
    interval: Duration,
}

impl Options {
    /// Checks what a caller passed.
    pub fn check(self) -> Result<Self> {
        if !self.backoff.is_finite() || self.backoff < 1.0 {
            return Err(Error::Input(format!("backoff must be at least 1, not {}", self.backoff)));
        }
        if self.max_poll_interval < self.poll_interval {
            return Err(Error::Input(format!(
                "max_poll_interval ({:?}) is shorter than poll_interval ({:?})",
                self.max_poll_interval, self.poll_interval
            )));
        }
        Ok(self)
    }
}

impl Watch {
    /// Begins a wait now.
    #[must_use]
    pub fn new(options: Options, now: Instant) -> Self {
        let deadline = options.timeout.and_then(|timeout| now.checked_add(timeout));
        Self { options, deadline, interval: options.poll_interval }
    }

    /// When the wait ends whatever has come.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// When to ask first.
    #[must_use]
    pub fn first(&self, now: Instant, chance: f64) -> Instant {
        self.at(now, self.interval, Duration::ZERO, chance)
    }

    /// When to ask after a poll; `None` where no later poll could bring anything.
    #[must_use]
    pub fn after(&mut self, outcome: &Outcome<'_>, now: Instant, chance: f64) -> Option<Instant> {
        let floor = match outcome {
            Outcome::Running => Duration::ZERO,
            Outcome::Failed(error) if is_fatal(error) => return None,
            Outcome::Failed(error) => error.retry_after().unwrap_or_default(),
        };
        self.interval = longer(self.interval, &self.options);
        Some(self.at(now, self.interval, floor, chance))
    }

    /// The interval's end, but still a last look before the deadline, and never before the floor.
    fn at(&self, now: Instant, interval: Duration, floor: Duration, chance: f64) -> Instant {
        let wanted = now + jittered(interval, chance);
        let wanted = self.last_look(now).map_or(wanted, |last_look| wanted.min(last_look));
        wanted.max(now + floor)
    }

    /// When to ask a last time before the deadline, if that is still to come.
    #[must_use]
    pub fn last_look(&self, now: Instant) -> Option<Instant> {
        let before = LAST_LOOK.min(self.options.timeout? / 10);
        self.deadline?.checked_sub(before).filter(|last_look| now < *last_look)
    }

    /// How it is paced.
    #[must_use]
    pub fn options(&self) -> Options {
        self.options
    }
}

/// An interval a bit longer, so that waits drift apart.
pub(super) fn jittered(interval: Duration, chance: f64) -> Duration {
    interval.mul_f64(1.0 + JITTER * chance)
}

/// The interval after this one.
pub(super) fn longer(interval: Duration, options: &Options) -> Duration {
    let grown = interval.as_secs_f64() * options.backoff;
    let grown = Duration::try_from_secs_f64(grown).unwrap_or(options.max_poll_interval);
    grown.min(options.max_poll_interval)
}

/// Whether a failed poll means that every later one must fail as well.
pub(super) fn is_fatal(error: &Error) -> bool {
    match error {
        Error::Status { status, .. } => {
            (400..500).contains(status) && !matches!(status, 408 | 425 | 429)
        }
        Error::Connection { .. } | Error::Timeout { .. } | Error::Format { .. } => false,
        _ => true,
    }
}
