//! What all connections of one emulator share, and its clocks.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;

use super::deliver::{Outbox, Target};
use super::faults::Faults;
use super::payload::Budget;
use super::record::{Log, Recorded};
use super::state::State;
use super::{Settings, lock};

pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) fail_files: HashSet<String>,
    pub(super) target: Option<Target>,
    pub(super) port: u16,
    pub(super) handle: Handle,
    pub(super) started: Instant,
    pub(super) requests: Mutex<Log<Recorded>>,
    pub(super) outbox: Outbox,
    pub(super) faults: Faults,
    pub(super) budget: Arc<Budget>,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(settings: Settings, port: u16, handle: Handle) -> io::Result<Self> {
        let target = settings
            .webhook_url
            .as_deref()
            .map(|url| Target::new(url, &settings.webhook_secret))
            .transpose()
            .map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        Ok(Self {
            state: Mutex::new(State::new(settings.seed)),
            fail_files: settings.fail_files.iter().cloned().collect(),
            settings,
            target,
            port,
            handle,
            started: Instant::now(),
            requests: Mutex::default(),
            outbox: Outbox::default(),
            faults: Faults::default(),
            budget: Arc::default(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

pub(super) fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The vendor's numbers for times: whole milliseconds.
pub(super) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
