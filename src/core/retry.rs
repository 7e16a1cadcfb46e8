//! Whether a failed request may be repeated, and after how long. Pure: time and chance come in.
//!
//! The danger is to repeat what was carried out: an upload is paid each time. Polling is not
//! retrying; `poll` has its own rules.

use std::time::{Duration, SystemTime};

use super::error::Error;

/// What a second execution of a request would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing new: it may be repeated whatever became of the first.
    Harmless,
    /// Harm: it may be repeated only if the first was surely not carried out.
    OnlyIfRefused,
}

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(8);
/// A `Retry-After` beyond this is handed to the caller instead of being slept through.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Whether the service surely did not carry the request out, so that repeating it is safe.
#[must_use]
pub fn surely_refused(error: &Error) -> bool {
    match error {
        Error::Connection { sent, .. } | Error::Timeout { sent, .. } => !sent,
        Error::Status { status: 503, retry_after, .. } => retry_after.is_some(),
        Error::Status { status: 408, .. } => false,
        Error::Status { status, .. } => (400..500).contains(status),
        Error::Config { .. } | Error::Input(_) | Error::File { .. } => true,
        _ => false,
    }
}

/// Whether repeating could succeed at all.
#[must_use]
pub fn is_transient(error: &Error) -> bool {
    match error {
        Error::Connection { .. } | Error::Timeout { .. } => true,
        Error::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
        _ => false,
    }
}

/// How long to wait before the request is repeated; `None`: do not repeat it.
///
/// `attempt` counts from 0; `chance` is in 0..1.
#[must_use]
pub fn delay(error: &Error, repeat: Repeat, attempt: u32, chance: f64) -> Option<Duration> {
    if !is_transient(error) || (repeat == Repeat::OnlyIfRefused && !surely_refused(error)) {
        return None;
    }
    let grown = FIRST_DELAY.saturating_mul(2_u32.saturating_pow(attempt)).min(LONGEST_DELAY);
    let jittered = grown.mul_f64(0.5 + 0.5 * chance);
    match error.retry_after() {
        Some(floor) if floor > LONGEST_RETRY_AFTER => None,
        Some(floor) => Some(floor.max(jittered)),
        None => Some(jittered),
    }
}

/// Reads a `Retry-After` header: seconds, or an HTTP date. Bounded by a year.
#[must_use]
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        // Not a number is not 0 or more.
        return (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(YEAR.as_secs_f64())));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO).min(YEAR))
}
