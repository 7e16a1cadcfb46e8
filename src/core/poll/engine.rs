//! Asks what the board says is next, one task for all waits of a client.
//!
//! Every request goes through the client's one gate, and is chosen only when its turn has come;
//! the deadline of a wait cuts off whatever is under way for it.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::task::{self, AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::board::{Board, Job};
use super::decide::Options;
use super::delivered::{Files, by_batch};
use super::sink::{Id, OnAnswer, Sink, Waiter};
use crate::core::api::Client;
use crate::core::error::{Error, Result};
use crate::core::limit::Turn;
use crate::core::model::{BatchAnswer, BatchKey, Target};

/// The waits of a client; they are asked for as long as there are any.
#[derive(Default)]
pub(crate) struct Watches {
    state: Lock<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    board: Board,
    /// Whether the task is at work.
    asking: bool,
}

impl Watches {
    fn state(&self) -> MutexGuard<'_, State> {
        // Its steps leave the board usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers which files an upload put into a batch.
    pub(crate) fn uploaded(&self, key: &BatchKey, file_ids: Vec<String>) {
        self.state().board.uploaded(key, file_ids);
    }

    fn remove(&self, ids: impl IntoIterator<Item = Id>) {
        let mut state = self.state();
        ids.into_iter().for_each(|id| state.board.remove(id));
        drop(state);
        self.changed.notify_one();
    }
}

/// Begins waits, all before the first of them is asked for.
fn begin(
    client: &Client,
    options: Options,
    waits: Vec<(BatchKey, Sink, Option<OnAnswer>)>,
) -> Vec<Id> {
    let now = Instant::now();
    let watches = client.watches();
    let mut state = watches.state();
    let mut ids = Vec::with_capacity(waits.len());
    for (key, sink, on_answer) in waits {
        let waiter = Waiter::new(sink, on_answer, client.options().clone(), now);
        ids.push(state.board.add(key, options, waiter, now, fastrand::f64()));
    }
    if !ids.is_empty() && !std::mem::replace(&mut state.asking, true) {
        // Each request has the options of the wait that it is made for.
        tokio::spawn(ask(client.with_options(Arc::default())));
    }
    drop(state);
    watches.changed.notify_one();
    ids
}

/// Removes a wait when whoever waited is gone.
struct Begun<'a> {
    client: &'a Client,
    ids: Vec<Id>,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.client.watches().remove(std::mem::take(&mut self.ids));
    }
}

/// Waits until a batch is finished.
pub async fn wait(
    client: Client,
    key: BatchKey,
    options: Options,
    on_answer: Option<OnAnswer>,
) -> Result<BatchAnswer> {
    let (sink, outcome) = oneshot::channel();
    let ids = begin(&client, options, vec![(key, Sink::One(sink), on_answer)]);
    let _begun = Begun { client: &client, ids };
    outcome.await.unwrap_or(Err(Error::Closed("the process is shutting down")))
}

#[allow(clippy::must_use_candidate)] // What it does counts.
/// Ends waits with the signed files of a webhook; returns how many. What may be a part of a batch
/// only makes the client ask for it at once.
pub fn deliver(client: &Client, message: &[u8]) -> usize {
    let batches: Vec<(BatchKey, Files)> = by_batch(message);
    let watches = client.watches();
    let mut state = watches.state();
    let ended = batches.into_iter().map(|(key, files)| state.board.delivered(&key, files)).sum();
    drop(state);
    watches.changed.notify_one();
    ended
}

enum Done {
    Polled(Id, Result<BatchAnswer>),
    Swept(Target, Result<Bytes>),
    Aborted,
}

/// Requests that are under way.
#[derive(Default)]
struct Requests {
    running: JoinSet<Done>,
    jobs: HashMap<task::Id, Job>,
    polls: HashMap<Id, AbortHandle>,
}

impl Requests {
    fn start(&mut self, client: Client, turn: Turn, job: Job) {
        let started = match job.clone() {
            Job::Poll(id, key) => {
                let poll = async move { Done::Polled(id, client.poll(turn, &key).await) };
                let poll = self.running.spawn(poll);
                self.polls.insert(id, poll.clone());
                poll
            }
            Job::Sweep(target) => self.running.spawn(async move {
                let answer = client.sweep(turn, &target).await;
                Done::Swept(target, answer)
            }),
        };
        self.jobs.insert(started.id(), job);
    }

    /// The next request that has ended; one that was cut off is nobody's.
    async fn next(&mut self) -> Option<Done> {
        let (id, done) = match self.running.join_next_with_id().await? {
            Ok((id, done)) => (id, Some(done)),
            Err(error) => (
                error.id(),
                error.is_panic().then_some(()).and_then(|()| {
                    let broken = Error::Closed("internal error in extracta_rs: please report it");
                    Some(match self.jobs.get(&error.id())? {
                        Job::Poll(id, _) => Done::Polled(*id, Err(broken)),
                        Job::Sweep(target) => Done::Swept(target.clone(), Err(broken)),
                    })
                }),
            ),
        };
        self.jobs.remove(&id);
        if let Some(Done::Polled(id, _)) = &done {
            self.polls.remove(id);
        }
        Some(done.unwrap_or(Done::Aborted))
    }

    fn abort(&mut self, ended: Vec<Id>) {
        for id in ended {
            if let Some(poll) = self.polls.remove(&id) {
                poll.abort();
            }
        }
    }
}

type Line = Pin<Box<dyn Future<Output = Turn> + Send>>;

/// Asks until nobody waits.
async fn ask(client: Client) {
    let watches = client.watches();
    let most = client.max_connections();
    let mut requests = Requests::default();
    // Kept while it stands in line, so that it does not lose its place.
    let mut line: Option<Line> = None;
    loop {
        let (next, wanted) = {
            let mut state = watches.state();
            state.board.advance(Instant::now(), fastrand::f64());
            requests.abort(state.board.take_ended());
            if state.board.is_empty() {
                state.board.rest();
                state.asking = false;
                return;
            }
            (state.board.next_event(), state.board.has_job())
        };
        if wanted && line.is_none() && requests.running.len() < most {
            let gate = client.gate().clone();
            line = Some(Box::pin(async move { gate.turn().await }));
        }
        tokio::select! {
            Some(done) = requests.next() => answered(watches, done),
            turn = turn_of(&mut line) => {
                line = None;
                let job = watches.state().board.next_job();
                if let Some((job, options)) = job {
                    requests.start(client.with_options(options), turn, job);
                }
            }
            () = until(next) => {}
            () = watches.changed.notified() => {}
        }
    }
}

fn answered(watches: &Watches, done: Done) {
    let (now, chance) = (Instant::now(), fastrand::f64());
    let mut state = watches.state();
    match done {
        Done::Polled(id, polled) => state.board.polled(id, polled, now, chance),
        Done::Swept(target, answer) => state.board.swept(&target, &answer, now, chance),
        Done::Aborted => {}
    }
}

async fn turn_of(line: &mut Option<Line>) -> Turn {
    match line {
        Some(line) => line.await,
        None => std::future::pending().await,
    }
}

/// Ends at this moment; never where there is none.
pub(crate) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Waits on many batches; hands each over as it finishes.
pub struct Many {
    client: Client,
    options: Options,
    started: Instant,
    state: Lock<Added>,
    done: Mutex<mpsc::UnboundedReceiver<(BatchKey, Result<BatchAnswer>)>>,
}

struct Added {
    known: HashSet<BatchKey>,
    ids: Vec<Id>,
    tell: Option<mpsc::UnboundedSender<(BatchKey, Result<BatchAnswer>)>>,
}

impl Many {
    /// Waits on what will be added; its timeout counts from now for all of them.
    #[must_use]
    pub fn new(client: &Client, options: Options) -> Self {
        let (tell, done) = mpsc::unbounded_channel();
        Self {
            client: client.clone(),
            options,
            started: Instant::now(),
            state: Lock::new(Added { known: HashSet::new(), ids: Vec::new(), tell: Some(tell) }),
            done: Mutex::new(done),
        }
    }

    fn state(&self) -> MutexGuard<'_, Added> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits on these batches, too, those that it does not already wait on. Must be called inside
    /// a tokio runtime.
    pub fn add(&self, keys: impl IntoIterator<Item = BatchKey>) {
        let mut state = self.state();
        let Some(tell) = state.tell.clone() else { return };
        let mut options = self.options;
        let waited = self.started.elapsed();
        options.timeout = options.timeout.map(|timeout| timeout.saturating_sub(waited));
        let new: Vec<_> = keys.into_iter().filter(|key| state.known.insert(key.clone())).collect();
        let waits = new.into_iter().map(|key| (key, Sink::Many(tell.clone()), None)).collect();
        let ids = begin(&self.client, options, waits);
        state.ids.extend(ids);
    }

    /// No more will be added.
    pub fn close(&self) {
        self.state().tell = None;
    }

    /// The next batch that finished or failed; `None` after the last, once it is closed.
    pub async fn next(&self) -> Option<(BatchKey, Result<BatchAnswer>)> {
        self.done.lock().await.recv().await
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        let ids = std::mem::take(&mut self.state().ids);
        self.client.watches().remove(ids);
    }
}
