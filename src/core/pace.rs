//! How far requests for results are kept apart, and how a refusal changes it. Pure: the clock is an
//! argument.
//!
//! A refusal (429, or 503 with `Retry-After`) holds all requests of a client, not only its own.

use std::time::Duration;

use tokio::time::Instant;

use super::error::{Error, Result};

/// A refusal doubles the spacing up to so many times the least: 16 s for the vendor's 2 s, which
/// is about the longest interval of a single wait.
pub(super) const WIDEST: u32 = 8;
/// A good answer narrows the spacing by this part of the least. Halving the rate leaves an overload
/// within a few refusals; small even steps back find what the service bears without overshooting
/// far, as in TCP.
pub(super) const STEP: u32 = 8;
/// The longest hold. A request for results outside of a wait has no deadline of its own, and a
/// broken `Retry-After` may be a year: after a minute one request goes out and asks again.
pub(super) const LONGEST_HOLD: Duration = Duration::from_secs(60);
/// Keeps sums of times within what clocks can hold.
const LONGEST_SPACING: Duration = Duration::from_secs(365 * 24 * 3600);

/// What an answer tells of the service's load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// It answered.
    Borne,
    /// It asked to be spared, perhaps for so long.
    Refused(Option<Duration>),
    /// Nothing: the request failed otherwise.
    Unknown,
}

impl Load {
    /// What the outcome of a request tells.
    #[must_use]
    pub fn of<T>(outcome: &Result<T>) -> Self {
        match outcome {
            Ok(_) => Self::Borne,
            Err(Error::Status { status: 429, retry_after, .. }) => Self::Refused(*retry_after),
            Err(Error::Status { status: 503, retry_after: Some(after), .. }) => {
                Self::Refused(Some(*after))
            }
            Err(_) => Self::Unknown,
        }
    }
}

/// When the next request may go out.
#[derive(Debug)]
pub struct Pace {
    least: Duration,
    spacing: Duration,
    last: Option<Instant>,
    held: Option<Instant>,
    refused: Option<Instant>,
}

impl Pace {
    /// A pace that is never quicker than one request each `least`.
    #[must_use]
    pub fn new(least: Duration) -> Self {
        let least = least.min(LONGEST_SPACING);
        Self { least, spacing: least, last: None, held: None, refused: None }
    }

    /// The spacing now.
    #[must_use]
    pub fn spacing(&self) -> Duration {
        self.spacing
    }

    /// When the next request may go out; `None` for at once.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.held.max(self.last.map(|last| last + self.spacing))
    }

    /// Takes over the spacing that others with the same key have come to.
    pub fn adopt(&mut self, spacing: Duration) {
        self.spacing = spacing.clamp(self.least, self.least * WIDEST);
    }

    /// The service is seen or supposed to have got a request by now.
    pub fn reached(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// Takes in the answer to a request that was sent then; `true` where it slowed the pace.
    ///
    /// Requests sent before a refusal was known say nothing about the pace that followed from it:
    /// they may lengthen the hold, but neither widen nor narrow the spacing.
    pub fn answered(&mut self, sent: Instant, now: Instant, load: Load) -> bool {
        let tells = self.refused.is_none_or(|refused| sent >= refused);
        match load {
            Load::Refused(after) => {
                let hold = now + after.unwrap_or_default().min(LONGEST_HOLD);
                self.held = self.held.max(Some(hold));
                if tells {
                    self.spacing = (self.spacing * 2).min(self.least * WIDEST);
                    self.refused = Some(now);
                }
                tells
            }
            Load::Borne if tells => {
                self.spacing = self.spacing.saturating_sub(self.least / STEP).max(self.least);
                false
            }
            _ => false,
        }
    }
}
