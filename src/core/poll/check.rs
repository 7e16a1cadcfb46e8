//! One look at a batch that waits for nothing: where the limiter admits no request now, what is
//! known is told, and when to come back.
//!
//! For those who must not block (a scheduler's loop, a task queue); `engine` waits for the others.

use std::sync::{Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::decide::is_fatal;
use super::memory::{Memory, Plan};
use crate::core::api::Client;
use crate::core::error::{Error, Result};
use crate::core::limit::Turn;
use crate::core::model::{BatchAnswer, BatchKey, Counts};

/// Nobody is told to come back sooner, however short the spacing is.
const SOONEST: Duration = Duration::from_millis(100);

/// What the single looks of a client have shown.
#[derive(Default)]
pub(crate) struct Checks {
    memory: Lock<Memory>,
}

impl Checks {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Its steps leave the memory usable.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a batch that was changed.
    pub(crate) fn forget(&self, key: &BatchKey) {
        self.memory().forget(key);
    }
}

/// What is known of a batch.
#[derive(Debug)]
pub struct Checked {
    /// Whether the service said that every file is in a final state.
    pub finished: bool,
    /// The status, as the service says it.
    pub status: Option<String>,
    /// Its files, counted.
    pub counts: Option<Counts>,
    /// How old that knowledge is; zero: this look brought it; `None`: nothing is known.
    pub age: Option<Duration>,
    /// When to look again; zero once it is finished.
    pub retry_after: Duration,
    /// Why the service could not be asked, where that will pass.
    pub problem: Option<Error>,
}

/// When to come back.
#[derive(Clone, Copy)]
enum Next {
    /// After the batch's own interval.
    Interval,
    /// When a request of its own may go out.
    Slot,
    /// Not before this, which the service asked for.
    NotBefore(Duration),
}

/// Looks once. `waited`: how long the caller knows the batch to be in processing; `max_wait`: how
/// long to stand in line for the limiter.
pub async fn check(
    client: Client,
    key: BatchKey,
    waited: Duration,
    max_wait: Duration,
) -> Result<Checked> {
    let look = Look { client: &client, key: &key, waited, began: Instant::now() };
    if look.plan() == Plan::Nothing {
        return Ok(look.told(Next::Interval, None));
    }
    let Some(turn) = turn(&client, max_wait).await else {
        let swept = client.checks().memory().is_swept(&key, Instant::now());
        return Ok(look.told(if swept { Next::Interval } else { Next::Slot }, None));
    };
    // While it stood in line, others may have looked.
    match look.plan() {
        Plan::Nothing => Ok(look.told(Next::Interval, None)),
        Plan::Sweep => Ok(look.swept(client.sweep(turn, &key.target).await)),
        Plan::Poll => look.polled(client.poll(turn, &key).await),
    }
}

/// The results: those that a look has just brought, or asked for now.
pub async fn fetch(client: Client, key: BatchKey) -> Result<BatchAnswer> {
    let kept = client.checks().memory().take(&key, Instant::now());
    match kept {
        Some(answer) => Ok(answer),
        None => client.results(&key, None).await,
    }
}

async fn turn(client: &Client, max_wait: Duration) -> Option<Turn> {
    if max_wait.is_zero() {
        return if client.is_full() { None } else { client.gate().try_turn().await };
    }
    timeout(max_wait, client.gate().turn()).await.ok()
}

struct Look<'a> {
    client: &'a Client,
    key: &'a BatchKey,
    waited: Duration,
    began: Instant,
}

impl Look<'_> {
    fn plan(&self) -> Plan {
        let fresh = self.client.gate().spacing() * 2;
        self.client.checks().memory().plan(self.key, Instant::now(), fresh)
    }

    fn polled(&self, answer: Result<BatchAnswer>) -> Result<Checked> {
        let now = Instant::now();
        match answer {
            Ok(answer) => {
                self.client.checks().memory().polled(&answer, now);
                if !answer.finished {
                    return Ok(self.told(Next::Interval, None));
                }
                let (status, counts) = answer.summary();
                let (age, retry_after) = (Some(Duration::ZERO), Duration::ZERO);
                Ok(Checked { finished: true, status, counts, age, retry_after, problem: None })
            }
            Err(error) if is_fatal(&error) => {
                self.client.checks().forget(self.key);
                Err(error)
            }
            Err(error) => Ok(self.failed(error)),
        }
    }

    fn swept(&self, answer: Result<Bytes>) -> Checked {
        let (now, target) = (Instant::now(), &self.key.target);
        match answer {
            Ok(json) => {
                let mut memory = self.client.checks().memory();
                memory.swept(target, &json, now);
                let swept = memory.is_swept(self.key, now);
                drop(memory);
                self.told(if swept { Next::Interval } else { Next::Slot }, None)
            }
            Err(error) => {
                self.client.checks().memory().sweep_failed(target, is_fatal(&error), now);
                self.failed(error)
            }
        }
    }

    fn failed(&self, error: Error) -> Checked {
        let asked = error.retry_after().unwrap_or_default();
        self.told(Next::NotBefore(asked), Some(error))
    }

    /// What is known, of a batch that is not known to be finished.
    fn told(&self, next: Next, problem: Option<Error>) -> Checked {
        let (now, gate) = (Instant::now(), self.client.gate());
        let mut memory = self.client.checks().memory();
        let least = gate.spacing().max(SOONEST);
        let interval = memory.interval(self.key, self.waited, least, now, fastrand::f64());
        let seen = memory.seen(self.key).cloned();
        let swept = memory.is_swept(self.key, now);
        let mut slot = || memory.slot(self.key, now, || gate.promise());
        let retry_after = match next {
            Next::Interval if swept => interval,
            Next::Interval => interval.max(slot()),
            Next::Slot => slot().max(SOONEST),
            Next::NotBefore(asked) => interval.max(asked),
        };
        drop(memory);
        Checked {
            finished: false,
            age: seen.as_ref().map(|seen| {
                // What came within this look is as fresh as can be.
                if seen.at >= self.began { Duration::ZERO } else { now.duration_since(seen.at) }
            }),
            counts: seen.as_ref().and_then(|seen| seen.counts),
            status: seen.and_then(|seen| seen.status),
            retry_after,
            problem,
        }
    }
}
