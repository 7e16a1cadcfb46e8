//! Every wait of a client, and what to ask next. Pure: the clock, chance and answers are arguments;
//! `engine` asks.
//!
//! Where several batches of one extraction are waited on, one look at the extraction takes the
//! place of a request for each (a sweep), as long as what it shows can be relied on.

mod sweeping;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::decide::{Options, Outcome, Watch};
use super::delivered::{self, Files};
use super::sink::{Id, Waiter};
use super::sweep::Sweep;
use super::timers::{Event, Timers};
use super::uploads::Uploads;
use crate::core::config::CallOptions;
use crate::core::error::Result;
use crate::core::model::{BatchAnswer, BatchKey, Target};

/// A request to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// The results of a batch.
    Poll(Id, BatchKey),
    /// The batches of a target.
    Sweep(Target),
}

#[derive(Default)]
pub(super) struct Board {
    waits: HashMap<Id, Wait>,
    groups: HashMap<Target, Group>,
    timers: Timers,
    /// Batches to ask for, whoever was due first.
    due: VecDeque<Id>,
    sweeps: VecDeque<Target>,
    /// Polls since the last sweep, once there was one.
    polls: Option<u32>,
    /// A wait whose time is nearly over needs a sweep.
    urgent: bool,
    /// Ended waits whose requests may still be under way.
    ended: Vec<Id>,
    last_id: Id,
    uploads: Uploads,
}

struct Wait {
    key: BatchKey,
    watch: Watch,
    waiter: Waiter,
    due: Instant,
    stage: Stage,
    /// Whether sweeps take the place of its polls.
    swept: bool,
    /// The last sweep that showed it, and as running.
    running: bool,
    seen: u64,
    /// A sweep said that it was finished, and it was not.
    misled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Sweeps see to it.
    Resting,
    /// A timer runs for `due`.
    Timed,
    /// In line, or under way.
    Asked,
}

#[derive(Default)]
struct Group {
    batches: HashMap<String, Batch>,
    size: usize,
    /// How many of its waits sweeps see to.
    swept: usize,
    sweep: Option<Sweep>,
    /// Until `TrustAgain` comes.
    distrusted: bool,
}

/// The waits on one batch, and what webhooks brought of it.
#[derive(Default)]
struct Batch {
    waits: Vec<Id>,
    /// The files that this client uploaded into it.
    known: Vec<String>,
    delivered: Files,
}

/// So many batches that a sweep showed as finished are asked for before the next sweep: each brings
/// results, while a sweep would only lengthen the line. Otherwise sweeps and polls take turns.
const FOUND_FIRST: u32 = 8;

impl Board {
    pub(super) fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// Nobody waits: drops the timers of waits that have ended.
    pub(super) fn rest(&mut self) {
        self.timers.clear();
        self.due.clear();
        self.sweeps.clear();
    }

    pub(super) fn has_job(&self) -> bool {
        !self.due.is_empty() || !self.sweeps.is_empty()
    }

    /// When something is to be done next.
    pub(super) fn next_event(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Waits that have ended since this was asked last: their requests are of no use any more.
    pub(super) fn take_ended(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.ended)
    }

    /// Begins a wait.
    pub(super) fn add(
        &mut self,
        key: BatchKey,
        options: Options,
        waiter: Waiter,
        now: Instant,
        chance: f64,
    ) -> Id {
        self.last_id += 1;
        let id = self.last_id;
        let watch = Watch::new(options, now);
        let due = watch.first(now, chance);
        if let Some(deadline) = watch.deadline() {
            self.timers.at(deadline, Event::Deadline(id));
        }
        if let Some(look) = watch.last_look(now) {
            self.timers.at(look, Event::LastLook(id));
        }
        let target = key.target.clone();
        let group = self.groups.entry(target.clone()).or_default();
        let batch = group.batches.entry(key.batch_id.clone()).or_default();
        batch.waits.push(id);
        batch.known.extend(self.uploads.take(&key));
        let swept = !waiter.wants_answers();
        group.size += 1;
        group.swept += usize::from(swept);
        let wait = Wait {
            key,
            watch,
            waiter,
            due,
            swept,
            stage: Stage::Resting,
            running: false,
            seen: 0,
            misled: false,
        };
        self.waits.insert(id, wait);
        self.begin_sweeping(&target, options, due);
        let sweeping = self.sweep_of(&target).is_some();
        if !(swept && sweeping) {
            self.poll_at(id, due);
        }
        id
    }

    fn poll_at(&mut self, id: Id, due: Instant) {
        if let Some(wait) = self.waits.get_mut(&id) {
            (wait.due, wait.stage) = (due, Stage::Timed);
            self.timers.at(due, Event::Poll(id));
        }
    }

    /// Ends a wait that nobody waits for any more.
    pub(super) fn remove(&mut self, id: Id) {
        if self.take(id).is_some() {
            self.ended.push(id);
        }
    }

    fn take(&mut self, id: Id) -> Option<Wait> {
        let wait = self.waits.remove(&id)?;
        let mut left = Vec::new();
        if let Some(group) = self.groups.get_mut(&wait.key.target) {
            group.size -= 1;
            group.swept -= usize::from(wait.swept);
            if let Some(batch) = group.batches.get_mut(&wait.key.batch_id) {
                batch.waits.retain(|other| *other != id);
                if batch.waits.is_empty() {
                    left = std::mem::take(&mut batch.known);
                    group.batches.remove(&wait.key.batch_id);
                }
            }
            if group.size == 0 {
                self.groups.remove(&wait.key.target);
            }
            if !left.is_empty() {
                self.uploads.remember(&wait.key, left);
            }
        }
        Some(wait)
    }

    /// Does what is due: ends waits whose time is over, and puts requests in line.
    pub(super) fn advance(&mut self, now: Instant, chance: f64) {
        while let Some((when, event)) = self.timers.due(now) {
            match event {
                Event::Deadline(id) => {
                    if let Some(wait) = self.take(id) {
                        wait.waiter.time_is_up(wait.key);
                        self.ended.push(id);
                    }
                }
                Event::LastLook(id) => self.last_look(id, now),
                Event::Poll(id) => {
                    // Otherwise it was put off since.
                    let timed = |wait: &Wait| wait.stage == Stage::Timed && wait.due == when;
                    if self.waits.get(&id).is_some_and(timed) {
                        self.ask(id);
                    }
                }
                Event::Sweep(target) => {
                    if self.sweep_of(&target).is_some_and(|sweep| sweep.begin(now)) {
                        self.sweeps.push_back(target);
                    }
                }
                Event::TrustAgain(target) => self.trust_again(&target, now, chance),
            }
        }
    }

    /// A plain wait's own timer sees to it; of those that sweeps see to, one look serves all.
    fn last_look(&mut self, id: Id, now: Instant) {
        let Some(wait) = self.waits.get(&id).filter(|wait| wait.swept) else { return };
        let target = wait.key.target.clone();
        if self.sweep_of(&target).is_some_and(|sweep| sweep.begin_now(now)) {
            self.sweeps.push_back(target);
        }
        self.urgent = true;
    }

    fn ask(&mut self, id: Id) {
        if let Some(wait) = self.waits.get_mut(&id)
            && wait.stage != Stage::Asked
        {
            wait.stage = Stage::Asked;
            self.due.push_back(id);
        }
    }

    /// The next request to make, now that one may be made.
    pub(super) fn next_job(&mut self) -> Option<(Job, Arc<CallOptions>)> {
        if self.polls.is_none_or(|polls| polls >= self.polls_before_sweep()) {
            while let Some(target) = self.sweeps.pop_front() {
                if self.sweep_of(&target).is_some()
                    && let Some(options) = self.options_of(&target)
                {
                    self.polls = Some(0);
                    self.urgent &= !self.sweeps.is_empty();
                    return Some((Job::Sweep(target), options));
                }
            }
        }
        self.polls = self.polls.map(|polls| polls.saturating_add(1));
        while let Some(id) = self.due.pop_front() {
            if let Some(wait) = self.waits.get(&id) {
                return Some((Job::Poll(id, wait.key.clone()), wait.waiter.options().clone()));
            }
        }
        None
    }

    fn polls_before_sweep(&self) -> u32 {
        match self.due.iter().find_map(|id| self.waits.get(id)) {
            None => 0,
            Some(wait) if wait.swept && wait.seen > 0 && !wait.running && !self.urgent => {
                FOUND_FIRST
            }
            Some(_) => 1,
        }
    }

    /// A sweep is sent as whoever has waited longest sends requests.
    fn options_of(&self, target: &Target) -> Option<Arc<CallOptions>> {
        let batches = self.groups.get(target)?.batches.values();
        let id = batches.flat_map(|batch| &batch.waits).min()?;
        Some(self.waits.get(id)?.waiter.options().clone())
    }

    /// Takes what a request for results came to.
    pub(super) fn polled(
        &mut self,
        id: Id,
        polled: Result<BatchAnswer>,
        now: Instant,
        chance: f64,
    ) {
        let Some(wait) = self.waits.get_mut(&id) else { return };
        wait.stage = Stage::Resting;
        if let Ok(answer) = &polled {
            wait.waiter.saw(answer);
            if answer.finished {
                let doubtful = wait.running.then(|| answer.key.batch_id.clone());
                if let (Some(batch_id), Some(sweep)) = (doubtful, self.sweep_of(&answer.key.target))
                {
                    sweep.trust.doubt(batch_id);
                }
                self.finished(answer);
                return;
            }
            // Where a sweep had asked for it, it is not to be relied on for this batch.
            wait.misled |= wait.swept && wait.seen > 0 && !wait.running;
        }
        let outcome = match &polled {
            Ok(_) => Outcome::Running,
            Err(error) => Outcome::Failed(error),
        };
        let Some(due) = wait.watch.after(&outcome, now, chance) else {
            if let Some(wait) = self.take(id) {
                wait.waiter.end(wait.key, polled);
            }
            return;
        };
        wait.due = due;
        let pause = due.duration_since(now);
        let key = wait.key.clone();
        wait.waiter.keep(&key, polled, pause);
        self.poll_plainly_unless_swept(id, due);
    }

    fn poll_plainly_unless_swept(&mut self, id: Id, due: Instant) {
        let Some(wait) = self.waits.get(&id) else { return };
        let swept = wait.swept && !wait.misled;
        let target = wait.key.target.clone();
        if !(swept && self.sweep_of(&target).is_some()) {
            self.poll_at(id, due);
        }
    }

    /// Ends every wait on a finished batch, each with the same answer; returns how many.
    fn finished(&mut self, answer: &BatchAnswer) -> usize {
        let group = self.groups.get_mut(&answer.key.target);
        let batch = group.and_then(|group| group.batches.get_mut(&answer.key.batch_id));
        let ids = batch.map_or_else(Vec::new, |batch| {
            batch.known.clear();
            batch.waits.clone()
        });
        for &id in &ids {
            if let Some(wait) = self.take(id) {
                wait.waiter.end(wait.key, Ok(answer.clone()));
                self.ended.push(id);
            }
        }
        ids.len()
    }

    fn poll_later(&mut self, id: Id, now: Instant, chance: f64) {
        let Some(wait) = self.waits.get_mut(&id) else { return };
        if wait.stage != Stage::Resting {
            return;
        }
        // One that no sweep has shown yet is due as if there had been none.
        let due = match wait.seen {
            0 => Some(wait.due),
            _ => wait.watch.after(&Outcome::Running, now, chance),
        };
        if let Some(due) = due {
            self.poll_at(id, due);
        }
    }

    /// Remembers which files an upload put into a batch.
    pub(super) fn uploaded(&mut self, key: &BatchKey, file_ids: Vec<String>) {
        let group = self.groups.get_mut(&key.target);
        match group.and_then(|group| group.batches.get_mut(&key.batch_id)) {
            Some(batch) => batch.known.extend(file_ids),
            None => self.uploads.remember(key, file_ids),
        }
    }

    /// Takes the files that a webhook brought of a batch; returns how many waits they ended. A
    /// batch of which they may be a part is asked for at once.
    pub(super) fn delivered(&mut self, key: &BatchKey, files: Files) -> usize {
        let group = self.groups.get_mut(&key.target);
        let Some(batch) = group.and_then(|group| group.batches.get_mut(&key.batch_id)) else {
            return 0;
        };
        batch.delivered.extend(files);
        let mut known = batch.known.clone();
        let answers = batch.waits.iter().filter_map(|id| self.waits.get(id)?.waiter.last());
        for id in answers.flat_map(|answer| delivered::file_ids(&answer.json)) {
            if !known.contains(&id) {
                known.push(id);
            }
        }
        let answer = delivered::answer(key, &known, &batch.delivered);
        let first = batch.waits.first().copied();
        match (answer, first) {
            (Some(answer), _) => {
                for id in batch.waits.clone() {
                    if let Some(wait) = self.waits.get_mut(&id) {
                        wait.waiter.saw(&answer);
                    }
                }
                self.finished(&answer)
            }
            (None, Some(id)) => {
                if let Some(wait) = self.waits.get_mut(&id)
                    && wait.stage != Stage::Asked
                {
                    wait.stage = Stage::Asked;
                    self.due.push_front(id);
                }
                0
            }
            (None, None) => 0,
        }
    }
}
