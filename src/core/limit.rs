//! The limiter of requests for results, one for each client: `pace` decides, the gate waits.
//! Where something keeps a line for several processes, whoever comes first here stands in it, too.
//!
//! The spacing is counted from the moment the previous answer came: only then is it certain that
//! the service has seen that request. A request that hangs holds the others for one spacing more.

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex as Lock, MutexGuard as LockGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep, sleep_until};

pub use self::common::{Joined, on_thread};

use self::common::Common;
use super::error::Result;
use super::line::Shared;
use super::pace::{Load, Pace};

/// Nobody is told to come back later than this: who was told before may have gone for good.
const FURTHEST: Duration = Duration::from_secs(900);

/// Whoever is told to wait longer in the line of several processes asks again sooner.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Lets one request through at a time, first come, first served, at its pace.
#[derive(Debug)]
pub struct Gate {
    /// Held by whose turn it is; the others stand in line.
    line: Arc<Mutex<()>>,
    pace: Lock<Pace>,
    /// The last moment that was promised to somebody who does not stand in line.
    promised: Lock<Option<Instant>>,
    common: Arc<Common>,
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
        Self::in_line(least, String::new(), None)
    }

    /// A gate whose requests stand in the line of this name: that which `keeper` keeps for several
    /// processes, or whatever it joins later.
    #[must_use]
    pub fn in_line(least: Duration, name: String, keeper: Option<Arc<dyn Shared>>) -> Self {
        let pace = Lock::new(Pace::new(least));
        let common = Common::new(name, least, keeper);
        let (line, promised) = (Arc::default(), Lock::default());
        Self { line, pace, promised, common, off: least.is_zero() }
    }

    /// Stands in the line that this keeps, until what is returned is dropped. A gate stands in one
    /// line: that which it was made with, or else that which it joined first.
    pub fn join(&self, keeper: Arc<dyn Shared>) -> Joined {
        Joined::new(&self.common, keeper)
    }

    /// The spacing now.
    #[must_use]
    pub fn spacing(&self) -> Duration {
        if self.off { Duration::ZERO } else { self.pace().spacing() }
    }

    /// Leave to send a request now; `None` where others stand in line or the spacing has not
    /// passed. Waits for nothing but the answer of what keeps the line of several processes.
    pub async fn try_turn(self: &Arc<Self>) -> Option<Turn> {
        if self.off {
            return Some(Turn { gate: self.clone(), place: None });
        }
        let place = self.line.clone().try_lock_owned().ok()?;
        let open = self.pace().next().is_none_or(|next| next <= Instant::now());
        let open = open && self.leave().await.is_zero();
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
            (pace.next().max(self.common.next()).unwrap_or(now).max(now), pace.spacing())
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
                _ => {
                    let wait = self.leave().await;
                    if wait.is_zero() {
                        return;
                    }
                    sleep(wait.min(LONGEST_SLEEP)).await;
                }
            }
        }
    }

    /// How long to wait for leave from what keeps the line of several processes; zero where it is
    /// given, and where there is no such line.
    async fn leave(&self) -> Duration {
        let told = self.common.take(self.spacing()).await;
        let Some(told) = told else { return Duration::ZERO };
        self.pace().adopt(told.spacing);
        told.wait
    }

    fn learn<T>(&self, sent: Instant, outcome: &Result<T>) {
        let now = Instant::now();
        self.common.tell(sent, Load::of(outcome));
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
        gate.common.sends();
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
            () = sleep(spacing) => {
                gate.pace().reached(Instant::now());
                gate.common.tell(sent, Load::Unknown);
            }
        }
        drop(place);
        let outcome = request.await;
        gate.learn(sent, &outcome);
        outcome
    }
}
