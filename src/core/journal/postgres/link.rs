//! A connection, used by one step at a time, made anew where it broke, and by none in a forked
//! child.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::postgres::{Client, Transaction};

use super::address::Address;
use super::trouble::{PATIENCE, SHORT_PATIENCE, Trouble};
use crate::core::error::Result;
use crate::core::journal::fork::{self, Inherited};
use crate::core::journal::place::failed;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often a step is done, where the connection broke.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tries {
    /// Until it is known that it was done.
    Many,
    /// The same, unless it may have been done: what it tells would be another thing then.
    ManyOnce,
    /// Only for a short time.
    Few,
}

/// A connection that is open until this is dropped.
pub(super) struct Open(Arc<Kept>);

struct Kept {
    address: Arc<Address>,
    link: Mutex<Link>,
    /// Runs that have ended, and are still noted as alive.
    ended: Mutex<Vec<String>>,
}

enum Link {
    Ready(Box<Client>),
    /// Since when it cannot be made, where that was tried.
    Broken(Option<Instant>),
    Closed,
}

struct Failed {
    trouble: Trouble,
    /// Whether it may have been done all the same.
    perhaps_done: bool,
}

impl Open {
    pub(super) fn new(address: Arc<Address>) -> Self {
        let _step = fork::step();
        let (link, ended) = (Mutex::new(Link::Broken(None)), Mutex::default());
        let kept = Arc::new(Kept { address, link, ended });
        fork::remember(&kept);
        Self(kept)
    }

    pub(super) fn address(&self) -> &Arc<Address> {
        &self.0.address
    }

    /// Does one step in a transaction, again where it surely failed for a reason that passes.
    /// `work` is told whether an earlier try may have been committed.
    pub(super) fn step<T>(
        &self,
        tries: Tries,
        work: impl Fn(&mut Transaction<'_>, bool) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        let _step = fork::step();
        let mut link = self.0.link();
        let patience = if tries == Tries::Few { SHORT_PATIENCE } else { PATIENCE };
        // Those who wait for the connection together wait once.
        let since = if let Link::Broken(Some(since)) = *link { since } else { Instant::now() };
        let until = since + patience.min(self.address().lease());
        let (mut pause, mut perhaps_done) = (FIRST_PAUSE, false);
        loop {
            if matches!(*link, Link::Closed) {
                let reason = "it was opened before a fork: open it again here";
                return Err(failed(self.address().shown(), &reason));
            }
            let failure = match self.0.try_once(&mut link, perhaps_done, &work) {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            perhaps_done |= failure.perhaps_done;
            let ends = perhaps_done && tries == Tries::ManyOnce;
            if let Link::Broken(down) = &mut *link {
                down.get_or_insert(since);
            }
            if ends || !failure.trouble.passes() || Instant::now() >= until {
                return Err(failure.trouble.explained(self.address()));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Notes that a run has ended, with the next step or on a thread of its own: whoever drops it
    /// must not wait for a server.
    pub(super) fn ended(kept: &Weakly, name: String) {
        if let Some(kept) = kept.0.upgrade() {
            kept.ended.lock().unwrap_or_else(PoisonError::into_inner).push(name);
            apart(move || {
                // With the next step, or its lease runs out.
                let _ = Self(kept).step(Tries::Many, |_, _| Ok(()));
            });
        }
    }

    pub(super) fn weakly(&self) -> Weakly {
        Weakly(Arc::downgrade(&self.0))
    }
}

/// What a run keeps of the journal that it is in.
pub(super) struct Weakly(std::sync::Weak<Kept>);

impl Drop for Open {
    fn drop(&mut self) {
        // Closing waits for the network, which a thread of an asynchronous runtime must not do.
        if Arc::strong_count(&self.0) == 1 {
            let kept = self.0.clone();
            apart(move || {
                let _step = fork::step();
                kept.close();
            });
        }
    }
}

/// Without a thread it is left to the end of the process, and to the server.
fn apart(work: impl FnOnce() + Send + 'static) {
    let _ = std::thread::Builder::new().name("extracta_rs-close".to_owned()).spawn(work);
}

impl Kept {
    fn link(&self) -> MutexGuard<'_, Link> {
        // A transaction that was not committed was rolled back when it was dropped.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_once<T>(
        &self,
        link: &mut Link,
        perhaps_done: bool,
        work: &impl Fn(&mut Transaction<'_>, bool) -> std::result::Result<T, Trouble>,
    ) -> std::result::Result<T, Failed> {
        let surely_not = |trouble| Failed { trouble, perhaps_done: false };
        if let Link::Ready(client) = link
            && client.is_closed()
        {
            *link = Link::Broken(None);
        }
        if let Link::Broken(_) = link {
            *link = Link::Ready(Box::new(self.address.connect().map_err(surely_not)?));
        }
        let Link::Ready(client) = link else {
            return Err(surely_not(Trouble::Refused("it was closed".to_owned())));
        };
        let outcome = self.within(client, perhaps_done, work);
        if outcome.as_ref().is_err_and(|failed| failed.trouble.passes()) {
            // Whatever state it is in: a new one is in a good one.
            *link = Link::Broken(None);
        }
        outcome
    }

    fn within<T>(
        &self,
        client: &mut Client,
        perhaps_done: bool,
        work: &impl Fn(&mut Transaction<'_>, bool) -> std::result::Result<T, Trouble>,
    ) -> std::result::Result<T, Failed> {
        let surely_not = |trouble| Failed { trouble, perhaps_done: false };
        let begun = client.transaction().map_err(Trouble::Sql);
        let mut transaction = begun.map_err(surely_not)?;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !ended.is_empty() {
            let sql = "DELETE FROM extracta_runs WHERE name = ANY($1)";
            let buried = transaction.execute(sql, &[&ended]).map_err(Trouble::Sql);
            buried.map_err(surely_not)?;
        }
        let value = work(&mut transaction, perhaps_done).map_err(surely_not)?;
        let committed = transaction.commit().map_err(Trouble::Sql);
        committed.map_err(|trouble| Failed { perhaps_done: trouble.passes(), trouble })?;
        let mut kept = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|name| !ended.contains(name));
        Ok(value)
    }
}

impl Inherited for Kept {
    fn close(&self) {
        *self.link() = Link::Closed;
    }

    fn let_go(&self) {
        // Closing the copy would tell the server that the parent is going.
        std::mem::forget(std::mem::replace(&mut *self.link(), Link::Closed));
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Open").field(&self.address().shown()).finish()
    }
}

impl fmt::Debug for Weakly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Weakly")
    }
}
