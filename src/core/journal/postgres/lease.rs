//! How a run shows that it lives, and knows for how long nobody can take it for dead.
//!
//! A process may stand still and wake up after its lease: before each piece of an upload it asks
//! two clocks of its own. The monotonic one does not go back; the wall clock goes on while a
//! machine sleeps. What it knows ends before the server's view does, since it counts from before
//! it asked.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ::postgres::Client;

use super::address::Address;
use super::link::{Open, Weakly};
use super::runs::renew;
use super::trouble::Trouble;
use crate::core::error::Result;
use crate::core::journal::fork::{self, Inherited};
use crate::core::journal::place::failed;
use crate::core::upload::Permit;

/// After a heartbeat that failed.
const SOON: Duration = Duration::from_secs(1);

/// A moment by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }
}

/// Prolonged by a thread of its own until this ends.
pub(in crate::core::journal) struct Lease(Arc<Life>);

struct Life {
    name: String,
    kept: Weakly,
    held: Arc<Held>,
    /// The thread ends when this is dropped.
    beating: Mutex<Option<Sender<()>>>,
    /// Whether this is the copy of a forked child.
    copied: AtomicBool,
}

/// What is known of a lease. No lock, which a fork might catch closed.
struct Held {
    place: PathBuf,
    /// How long after it was asked for it is surely held.
    safe: Duration,
    begun: Instant,
    /// In milliseconds after `begun`.
    steady: AtomicU64,
    /// In milliseconds since 1970.
    wall: AtomicU64,
    dead: AtomicBool,
}

impl Held {
    fn confirm(&self, asked: Moment) {
        let steady = asked.steady.saturating_duration_since(self.begun) + self.safe;
        let wall = asked.wall.duration_since(UNIX_EPOCH).unwrap_or_default() + self.safe;
        self.steady.store(milliseconds(steady), Ordering::SeqCst);
        self.wall.store(milliseconds(wall), Ordering::SeqCst);
    }

    fn check(&self) -> Result<()> {
        if self.dead.load(Ordering::SeqCst) {
            let reason = "this run was taken for dead, since its heartbeats did not come through \
                          for as long as its lease: another one looks for its uploads. Run again";
            return Err(failed(&self.place, &reason));
        }
        let now = Moment::now();
        let steady = milliseconds(now.steady.saturating_duration_since(self.begun));
        let wall = milliseconds(now.wall.duration_since(UNIX_EPOCH).unwrap_or_default());
        if steady < self.steady.load(Ordering::SeqCst) && wall < self.wall.load(Ordering::SeqCst) {
            return Ok(());
        }
        let reason = "its heartbeats did not come through in time, or the machine stood still: \
                      nothing is uploaded any more, for another run may take this one for dead. \
                      See that the server can be reached, then run again";
        Err(failed(&self.place, &reason))
    }
}

impl Lease {
    pub(super) fn begin(
        address: Arc<Address>,
        kept: Weakly,
        name: String,
        asked: Moment,
    ) -> std::io::Result<Self> {
        let _step = fork::step();
        let held = Arc::new(Held {
            place: address.shown().to_owned(),
            safe: address.lease() * 4 / 5,
            begun: asked.steady,
            steady: AtomicU64::new(0),
            wall: AtomicU64::new(0),
            dead: AtomicBool::new(false),
        });
        held.confirm(asked);
        let (beating, ended) = channel();
        let (known, own) = (held.clone(), name.clone());
        let beats = move || beat(&address, &known, &own, &ended);
        std::thread::Builder::new().name("extracta_rs-lease".to_owned()).spawn(beats)?;
        let (beating, copied) = (Mutex::new(Some(beating)), AtomicBool::new(false));
        let life = Arc::new(Life { name, kept, held, beating, copied });
        fork::remember(&life);
        Ok(Self(life))
    }

    /// Whether this run may send.
    pub(super) fn check(&self) -> Result<()> {
        self.0.held.check()
    }

    pub(super) fn renewed(&self, asked: Moment, lives: bool) {
        if lives {
            self.0.held.confirm(asked);
        } else {
            self.0.held.dead.store(true, Ordering::SeqCst);
        }
    }

    pub(in crate::core::journal) fn permit(&self) -> Permit {
        let held = self.0.held.clone();
        Arc::new(move || held.check())
    }

    pub(in crate::core::journal) fn end(&self) {
        if !self.0.copied.load(Ordering::SeqCst) {
            self.0.close();
            self.0.held.dead.store(true, Ordering::SeqCst);
            Open::ended(&self.0.kept, self.0.name.clone());
        }
    }
}

impl Inherited for Life {
    fn close(&self) {
        drop(self.beating.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn let_go(&self) {
        self.copied.store(true, Ordering::SeqCst);
        // There is no thread at its other end here, and a lock of it may have been copied closed.
        std::mem::forget(self.beating.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn beat(address: &Address, held: &Held, name: &str, ended: &Receiver<()>) {
    let usual = address.lease() / 3;
    let mut client = None;
    let mut pause = usual;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let asked = Moment::now();
        match once(address, &mut client, name) {
            Ok(true) => {
                held.confirm(asked);
                pause = usual;
            }
            Ok(false) => return held.dead.store(true, Ordering::SeqCst),
            Err(trouble) => {
                let error = trouble.explained(address);
                log::info!(target: "extracta_rs", "a heartbeat did not come through: {error}");
                client = None;
                pause = usual.min(SOON);
            }
        }
    }
}

fn once(
    address: &Address,
    client: &mut Option<Client>,
    name: &str,
) -> std::result::Result<bool, Trouble> {
    let open = match client.take() {
        Some(open) => open,
        None => address.connect()?,
    };
    Ok(renew(client.insert(open), name, address.lease().as_secs_f64())?)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.0.name).finish()
    }
}
