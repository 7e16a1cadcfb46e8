//! Uploads many documents and waits for their results, with a journal: whatever happens to the
//! process, the next run with the same journal goes on, and nothing is uploaded twice.
//!
//! `intake` reads the files, `send` uploads, `seek` looks for uploads whose answer was lost (`look`
//! decides), `driver` holds them together; `watch` tells how far it is. `submit` uploads one batch
//! under a caller's label.

mod driver;
mod intake;
pub mod label;
pub mod look;
mod looker;
mod seek;
mod send;
mod submit;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::driver::{Driver, Told};
pub use self::intake::Planned;
pub use self::submit::{Submission, submit};
pub use self::watch::{Progress, Watch};
use super::api::Client;
use super::error::{Error, Result};
use super::journal::{Journal, NewDocument, Owner, Row};
use super::model::{BatchAnswer, BatchKey, Target};
use super::poll;

/// How a run works.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many uploads are under way at once.
    pub concurrency: usize,
    /// How many documents make a batch.
    pub max_files: usize,
    /// How long the service may take to show an upload whose answer was lost.
    pub settle: Duration,
    /// How batches are waited on; its `timeout` is that of the whole run.
    pub wait: poll::Options,
}

/// A batch with results.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The results, as they stand in the journal.
    pub answer: BatchAnswer,
    /// The documents that were uploaded as this batch, in their order.
    pub documents: Vec<NewDocument>,
    /// Whether the journal had the results before this run.
    pub from_journal: bool,
}

/// A run at work. Dropping it stops the work; the journal keeps where it stood.
pub struct Run {
    /// What was told and not handed over, since whoever asked for it was cancelled.
    pending: Option<Told>,
    told: UnboundedReceiver<Told>,
    journal: Journal,
    watch: Watch,
    _driver: JoinSet<()>,
}

/// What the parts of a run share.
#[derive(Clone)]
struct Shared {
    client: Client,
    journal: Journal,
    owner: Arc<Owner>,
    target: Target,
    /// Cancelled when no upload shall be tried again.
    stopping: CancellationToken,
    watch: Watch,
}

impl Shared {
    /// Runs what blocks, such as every step in the journal, on a thread for that.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = self.clone();
        blocking(move || work(&shared)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(Error::Closed("the process is shutting down")))
}

impl Options {
    /// Checks what a caller passed.
    pub fn check(self) -> Result<Self> {
        if self.concurrency == 0 || self.max_files == 0 {
            let text = "concurrency and max_files_per_batch must be at least 1";
            return Err(Error::Input(text.to_owned()));
        }
        self.wait.check()?;
        Ok(self)
    }
}

impl Run {
    /// Begins; ends when `closed` is cancelled. Must be called inside a tokio runtime.
    pub fn start(
        client: Client,
        journal: Journal,
        target: Target,
        files: Vec<Planned>,
        options: Options,
        closed: CancellationToken,
    ) -> Result<Self> {
        let options = options.check()?;
        let (tell, told) = unbounded_channel();
        let mut driver = JoinSet::new();
        let kept = journal.clone();
        let watch = Watch::default();
        let watched = watch.clone();
        driver.spawn(async move {
            let opened = blocking(move || Ok((Arc::new(journal.begin()?), journal))).await;
            let outcome = match opened {
                Ok((owner, journal)) => {
                    let _joined = client.gate().join(Arc::new(journal.clone()));
                    let stopping = CancellationToken::new();
                    let shared = Shared { client, journal, owner, target, stopping, watch };
                    Driver::new(shared, options, tell.clone()).run(files, closed).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                // Nobody listens where the run was dropped.
                let _ = tell.send(Told::Failed(error));
            }
        });
        Ok(Self { pending: None, told, journal: kept, watch: watched, _driver: driver })
    }

    /// A handle to see how far it is, and to stop it.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The next batch that has results, as they finish; `None` when all are handed over. What
    /// could not be finished is told by the last error.
    pub async fn next(&mut self) -> Option<Result<Finished>> {
        if self.pending.is_none() {
            self.pending = Some(self.told.recv().await?);
        }
        let loaded = match &self.pending {
            Some(Told::Finished { row, key, from_journal }) => {
                let (row, key, from_journal) = (*row, key.clone(), *from_journal);
                let journal = self.journal.clone();
                Some(blocking(move || load(&journal, row, key, from_journal)).await)
            }
            _ => None,
        };
        match (loaded, self.pending.take()) {
            (None, Some(Told::Failed(error))) => Some(Err(error)),
            (loaded, _) => loaded,
        }
    }
}

/// The results of a batch: from the journal, not from memory, since a thousand may wait to be
/// asked for.
pub fn load(journal: &Journal, row: Row, key: BatchKey, from_journal: bool) -> Result<Finished> {
    let results = journal.results(row)?.unwrap_or_default();
    let damaged = |reason| Error::Journal { path: journal.path().to_owned(), reason };
    let answer = BatchAnswer::parse(key, results.into()).map_err(|reason| {
        damaged(format!("the results of batch row {row} are damaged: {reason}"))
    })?;
    let documents = journal.documents_of(row)?.into_iter().map(|(_, document)| document).collect();
    Ok(Finished { answer, documents, from_journal })
}
