//! What a client counts of its requests, for whoever watches it. Counting is one addition to an
//! atomic; a snapshot is not taken at one moment, but no number in it ever goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::error::Error;

/// The kinds of failures, by the names that users know them by.
pub const FAILURES: [&str; 10] = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ResponseFormatError",
    "ServerError",
];
/// The kind of what this module does not count: it has nothing to do with the service.
const OTHER: &str = "ExtractaError";
/// The kind of a request that was given up.
pub const CANCELLED: &str = "CancelledError";

/// The name of the kind of an error.
#[must_use]
pub fn kind(error: &Error) -> &'static str {
    match error {
        Error::Connection { .. } => "APIConnectionError",
        Error::Timeout { .. } => "APITimeoutError",
        Error::Format { .. } => "ResponseFormatError",
        Error::Status { status, .. } => match status {
            400 | 422 => "BadRequestError",
            401 => "AuthenticationError",
            403 => "PermissionDeniedError",
            404 => "NotFoundError",
            429 => "RateLimitError",
            500.. => "ServerError",
            _ => "APIError",
        },
        Error::File { .. } => "OSError",
        Error::Closed(_) => "ClientClosedError",
        _ => OTHER,
    }
}

/// The counters of a client.
#[derive(Debug, Default)]
pub struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    polls: AtomicU64,
    sweeps: AtomicU64,
    uploads: AtomicU64,
    files_uploaded: AtomicU64,
    bytes_uploaded: AtomicU64,
    bytes_received: AtomicU64,
    connections: AtomicU64,
    rate_limited: AtomicU64,
    cancelled: AtomicU64,
    microseconds: AtomicU64,
    in_flight: AtomicU64,
    queued: AtomicU64,
    failures: [AtomicU64; FAILURES.len()],
}

/// The counters as they were read.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Requests that were sent, repetitions too.
    pub requests: u64,
    /// Repetitions of requests that failed.
    pub retries: u64,
    /// Requests for results that waits made.
    pub polls: u64,
    /// Looks at a template that took the place of polls.
    pub sweeps: u64,
    /// Uploads that the service took.
    pub uploads: u64,
    /// The files in them.
    pub files_uploaded: u64,
    /// Bytes of uploads that were handed to a connection, those of failed ones too.
    pub bytes_uploaded: u64,
    /// Bytes of answers' bodies, once decompressed.
    pub bytes_received: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Answers that asked for fewer requests: 429, and 503 with `Retry-After`.
    pub rate_limited: u64,
    /// Requests that were given up: cancelled, past the deadline of a wait, or the client closed.
    pub cancelled: u64,
    /// How long ended requests took, all together.
    pub time: Duration,
    /// Requests under way now.
    pub in_flight: u64,
    /// Requests that wait now because so many are under way.
    pub queued: u64,
    /// How many requests failed, by kind.
    pub failures: [(&'static str, u64); FAILURES.len()],
}

impl Counters {
    /// A request begins; it ends where the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Guard {
        self.requests.fetch_add(1, Relaxed);
        Guard::new(self, |counters| &counters.in_flight)
    }

    /// A request has to wait, until the guard is dropped.
    pub(crate) fn queue(self: &Arc<Self>) -> Guard {
        Guard::new(self, |counters| &counters.queued)
    }

    pub(crate) fn ended(&self, took: Duration) {
        self.microseconds.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Relaxed);
    }

    pub(crate) fn failed(&self, error: &Error) {
        let name = kind(error);
        if let Some(at) = FAILURES.iter().position(|known| *known == name) {
            self.failures[at].fetch_add(1, Relaxed);
        }
        if matches!(
            error,
            Error::Status { status: 429, .. }
                | Error::Status { status: 503, retry_after: Some(_), .. }
        ) {
            self.rate_limited.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn polled(&self) {
        self.polls.fetch_add(1, Relaxed);
    }

    pub(crate) fn swept(&self) {
        self.sweeps.fetch_add(1, Relaxed);
    }

    pub(crate) fn uploaded(&self, files: usize) {
        self.uploads.fetch_add(1, Relaxed);
        self.files_uploaded.fetch_add(files as u64, Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes_uploaded.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// What has been counted by now.
    #[must_use]
    pub fn read(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        Stats {
            requests: get(&self.requests),
            retries: get(&self.retries),
            polls: get(&self.polls),
            sweeps: get(&self.sweeps),
            uploads: get(&self.uploads),
            files_uploaded: get(&self.files_uploaded),
            bytes_uploaded: get(&self.bytes_uploaded),
            bytes_received: get(&self.bytes_received),
            connections: get(&self.connections),
            rate_limited: get(&self.rate_limited),
            cancelled: get(&self.cancelled),
            time: Duration::from_micros(get(&self.microseconds)),
            in_flight: get(&self.in_flight),
            queued: get(&self.queued),
            failures: std::array::from_fn(|at| (FAILURES[at], get(&self.failures[at]))),
        }
    }
}

/// Counts as long as it lives.
pub(crate) struct Guard {
    counters: Arc<Counters>,
    gauge: fn(&Counters) -> &AtomicU64,
}

impl Guard {
    fn new(counters: &Arc<Counters>, gauge: fn(&Counters) -> &AtomicU64) -> Self {
        gauge(counters).fetch_add(1, Relaxed);
        Self { counters: counters.clone(), gauge }
    }

    /// What it counts in.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        (self.gauge)(&self.counters).fetch_sub(1, Relaxed);
    }
}
