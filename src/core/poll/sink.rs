//! Who waits for a batch, and what was seen on the way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::core::config::CallOptions;
use crate::core::error::{Error, Result};
use crate::core::model::{BatchAnswer, BatchKey};

/// Names a wait.
pub(super) type Id = u64;

/// Told of each answer that came, the last one too.
pub type OnAnswer = Arc<dyn Fn(&BatchAnswer) + Send + Sync>;

/// Where the end of a wait is told.
pub(super) enum Sink {
    One(oneshot::Sender<Result<BatchAnswer>>),
    Many(mpsc::UnboundedSender<(BatchKey, Result<BatchAnswer>)>),
}

/// Whoever waits for a batch.
pub(super) struct Waiter {
    sink: Sink,
    on_answer: Option<OnAnswer>,
    /// How its requests are sent.
    options: Arc<CallOptions>,
    started: Instant,
    last: Option<BatchAnswer>,
    cause: Option<Error>,
    unknown: BTreeSet<String>,
}

impl Waiter {
    pub(super) fn new(
        sink: Sink,
        on_answer: Option<OnAnswer>,
        options: Arc<CallOptions>,
        started: Instant,
    ) -> Self {
        let unknown = BTreeSet::new();
        Self { sink, on_answer, options, started, last: None, cause: None, unknown }
    }

    pub(super) fn options(&self) -> &Arc<CallOptions> {
        &self.options
    }

    /// Whether each answer matters, not only the last.
    pub(super) fn wants_answers(&self) -> bool {
        self.on_answer.is_some()
    }

    pub(super) fn last(&self) -> Option<&BatchAnswer> {
        self.last.as_ref()
    }

    /// Tells of an answer.
    pub(super) fn saw(&mut self, answer: &BatchAnswer) {
        for status in &answer.unknown_statuses {
            if self.unknown.len() < 100 && self.unknown.insert(status.clone()) {
                let shown: String = status.chars().take(80).collect();
                log::warn!(
                    target: "extracta_rs",
                    "batch {} has the status {shown:?}, which is not known here: taken as not final",
                    answer.key.batch_id
                );
            }
        }
        if let Some(tell) = &self.on_answer {
            tell(answer);
        }
    }

    /// Keeps what a poll came to that does not end the wait.
    pub(super) fn keep(&mut self, key: &BatchKey, polled: Result<BatchAnswer>, pause: Duration) {
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

    pub(super) fn end(self, key: BatchKey, outcome: Result<BatchAnswer>) {
        // Nobody listens where the wait was cancelled at this very moment.
        match self.sink {
            Sink::One(sink) => drop(sink.send(outcome)),
            Sink::Many(sink) => drop(sink.send((key, outcome))),
        }
    }

    pub(super) fn time_is_up(mut self, key: BatchKey) {
        let error = Error::WaitTimeout {
            key: key.clone(),
            waited: self.started.elapsed(),
            last: self.last.take().map(Box::new),
            cause: self.cause.take().map(Box::new),
        };
        self.end(key, Err(error));
    }
}
