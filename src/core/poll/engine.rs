//! Asks for batches until they are finished, one or many.
//!
//! Requests of all waits go through the client's one gate; the deadline cuts off whatever is
//! under way, the request too.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::decide::{Options, Outcome, Watch};
use crate::core::api::Client;
use crate::core::error::{Error, Result};
use crate::core::model::{BatchAnswer, BatchKey};

/// Told of each answer that came, the last one too.
pub type OnAnswer = Arc<dyn Fn(&BatchAnswer) + Send + Sync>;

/// Waits until a batch is finished.
pub async fn wait(
    client: Client,
    key: BatchKey,
    options: Options,
    on_answer: Option<OnAnswer>,
) -> Result<BatchAnswer> {
    let started = Instant::now();
    let mut watch = Watch::new(options, started);
    let deadline = watch.deadline();
    let mut progress = Progress { last: None, cause: None, seen: BTreeSet::new() };
    let polling = poll_until_finished(&client, &key, &mut watch, &mut progress, on_answer);
    match deadline {
        None => return polling.await,
        Some(deadline) => tokio::select! {
            biased;
            outcome = polling => return outcome,
            () = sleep_until(deadline) => {}
        },
    }
    Err(Error::WaitTimeout {
        key,
        waited: started.elapsed(),
        last: progress.last.map(Box::new),
        cause: progress.cause.map(Box::new),
    })
}

struct Progress {
    last: Option<BatchAnswer>,
    cause: Option<Error>,
    seen: BTreeSet<String>,
}

async fn poll_until_finished(
    client: &Client,
    key: &BatchKey,
    watch: &mut Watch,
    progress: &mut Progress,
    on_answer: Option<OnAnswer>,
) -> Result<BatchAnswer> {
    let mut next = watch.first(Instant::now(), fastrand::f64());
    loop {
        sleep_until(next).await;
        let polled = client.poll(key).await;
        let now = Instant::now();
        let outcome = match &polled {
            Ok(answer) => {
                progress.note_statuses(answer);
                if let Some(tell) = &on_answer {
                    tell(answer);
                }
                if answer.finished {
                    return polled;
                }
                Outcome::Running
            }
            Err(error) => Outcome::Failed(error),
        };
        let Some(again) = watch.after(&outcome, now, fastrand::f64()) else { return polled };
        next = again;
        progress.keep(key, polled, next.duration_since(now));
    }
}

impl Progress {
    fn keep(&mut self, key: &BatchKey, polled: Result<BatchAnswer>, pause: Duration) {
        match polled {
            Ok(answer) => (self.last, self.cause) = (Some(answer), None),
            Err(error) => {
                log::info!(
                    target: "extracta_rs",
                    "a poll of batch {} failed, the wait goes on in {:.1} s: {error}",
                    key.batch_id, pause.as_secs_f64()
                );
                self.cause = Some(error);
            }
        }
    }

    fn note_statuses(&mut self, answer: &BatchAnswer) {
        for status in &answer.unknown_statuses {
            if self.seen.len() < 100 && self.seen.insert(status.clone()) {
                let shown: String = status.chars().take(80).collect();
                log::warn!(
                    target: "extracta_rs",
                    "batch {} has the status {shown:?}, which is not known here: taken as not final",
                    answer.key.batch_id
                );
            }
        }
    }
}

/// Waits on many batches; hands each over as it finishes.
pub struct Many {
    client: Client,
    options: Options,
    state: Lock<State>,
    done: Mutex<mpsc::UnboundedReceiver<(BatchKey, Result<BatchAnswer>)>>,
}

struct State {
    known: HashSet<BatchKey>,
    waits: JoinSet<()>,
    tell: Option<mpsc::UnboundedSender<(BatchKey, Result<BatchAnswer>)>>,
}

impl Many {
    /// Waits on what will be added.
    #[must_use]
    pub fn new(client: &Client, options: Options) -> Self {
        let (tell, done) = mpsc::unbounded_channel();
        let state = State { known: HashSet::new(), waits: JoinSet::new(), tell: Some(tell) };
        Self { client: client.clone(), options, state: Lock::new(state), done: Mutex::new(done) }
    }

    /// Waits on this batch, too.
    pub fn add(&self, key: BatchKey) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tell) = state.tell.clone() else { return };
        if !state.known.insert(key.clone()) {
            return;
        }
        let (client, options) = (self.client.clone(), self.options);
        state.waits.spawn(async move {
            let outcome = wait(client, key.clone(), options, None).await;
            let _ = tell.send((key, outcome));
        });
    }

    /// No more will be added.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).tell = None;
    }

    /// The next batch that finished or failed; `None` after the last.
    pub async fn next(&self) -> Option<(BatchKey, Result<BatchAnswer>)> {
        self.done.lock().await.recv().await
    }
}
