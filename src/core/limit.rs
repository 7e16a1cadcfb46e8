//! The limiter of requests for results, one for each client: `pace` decides, the gate waits.
//!
//! The spacing is counted from the moment the previous answer came: only then is it certain that
//! the service has seen that request. A request that hangs holds the others for one spacing more.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex as Lock, MutexGuard as LockGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep, sleep_until};

use super::error::Result;
use super::pace::{Load, Pace};

/// Nobody is told to come back later than this: who was told before may have gone for good.
const FURTHEST: Duration = Duration::from_secs(900);

/// Lets one request through at a time, first come, first served, at its pace.
#[derive(Debug)]
pub struct Gate {
    /// Held by whose turn it is; the others stand in line.
    line: Arc<Mutex<()>>,
    pace: Lock<Pace>,
    /// The last moment that was promised to somebody who does not stand in line.
    promised: Lock<Option<Instant>>,
    off: bool,
}

/// Leave to send one request. Dropped unused, it counts for nothing.
#[derive(Debug)]
pub struct Turn {
    gate: Arc<Gate>,
    /// None where the gate is off.
    place: Option<OwnedMutexGuard<()>>,
}

impl Gate {
    /// A gate with this least spacing; zero lets everything through, whatever the answers.
    #[must_use]
    pub fn new(least: Duration) -> Self {
        let pace = Lock::new(Pace::new(least));
        Self { line: Arc::default(), pace, promised: Lock::default(), off: least.is_zero() }
    }

    /// The spacing now.
    #[must_use]
    pub fn spacing(&self) -> Duration {
        if self.off { Duration::ZERO } else { self.pace().spacing() }
    }

    /// Leave to send a request now; `None` where others stand in line or the spacing has not
    /// passed. Waits for nothing.
    #[must_use]
    pub fn try_turn(self: &Arc<Self>) -> Option<Turn> {
        if self.off {
            return Some(Turn { gate: self.clone(), place: None });
        }
        let place = self.line.clone().try_lock_owned().ok()?;
        let open = self.pace().next().is_none_or(|next| next <= Instant::now());
        open.then(|| Turn { gate: self.clone(), place: Some(place) })
    }

    /// How long until a request is likely to be let through. Each who asks is told a moment of
    /// their own, one spacing behind the last, so that they do not all come back at once.
    #[must_use]
    pub fn promise(&self) -> Duration {
        if self.off {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let (next, spacing) = {
            let pace = self.pace();
            (pace.next().unwrap_or(now).max(now), pace.spacing())
        };
        let mut promised = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = promised.map_or(next, |last| next.max(last + spacing)).min(next + FURTHEST);
        *promised = Some(mine);
        mine.duration_since(now)
    }

    /// Stands in line until the next request may go out.
    pub async fn turn(self: &Arc<Self>) -> Turn {
        if self.off {
            return Turn { gate: self.clone(), place: None };
        }
        let place = self.line.clone().lock_owned().await;
        self.open().await;
        Turn { gate: self.clone(), place: Some(place) }
    }

    /// The answer to a request that hung may put off the moment that was slept until.
    async fn open(&self) {
        loop {
            let next = self.pace().next();
            match next {
                Some(next) if next > Instant::now() => sleep_until(next).await,
                _ => return,
            }
        }
    }

    fn learn<T>(&self, sent: Instant, outcome: &Result<T>) {
        let now = Instant::now();
        let mut pace = self.pace();
        if pace.answered(sent, now, Load::of(outcome)) {
            let (spacing, next) = (pace.spacing(), pace.next());
            drop(pace);
            let hold = next.map_or(Duration::ZERO, |next| next.duration_since(now));
            log::info!(
                target: "extracta_rs",
                "the service asks for fewer requests for results: the next one goes out in \
                 {:.1} s, then one each {:.1} s",
                hold.as_secs_f64(), spacing.as_secs_f64()
            );
        }
    }

    fn pace(&self) -> LockGuard<'_, Pace> {
        // A pace is usable after each of its assignments.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Runs the request.
    pub async fn run<T>(self, request: impl Future<Output = Result<T>>) -> Result<T> {
        let Self { gate, place: Some(place) } = self else { return request.await };
        // Time may have passed since the turn came.
        gate.open().await;
        let sent = Instant::now();
        // Noted before the request starts, so that one that is dropped half-way counts.
        gate.pace().reached(sent);
        let spacing = gate.pace().spacing();
        let mut request = pin!(request);
        tokio::select! {
            outcome = &mut request => {
                gate.pace().reached(Instant::now());
                gate.learn(sent, &outcome);
                return outcome;
            }
            () = sleep(spacing) => gate.pace().reached(Instant::now()),
        }
        drop(place);
        let outcome = request.await;
        gate.learn(sent, &outcome);
        outcome
    }
}
