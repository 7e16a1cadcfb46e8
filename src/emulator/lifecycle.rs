//! How a batch goes from "waiting" to its results. A batch is due once its time has passed and
//! its polls have happened; whoever notices first (a poll or a timer) starts the one task that
//! works out the results, everyone else waits for that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::endpoint::Kind;
use super::payload::{Content, NewFile};
use super::refusal::{Refusal, refusal};
use super::sample::{self, Outcome};
use super::shared::Shared;
use super::state::{Batch, Phase, State};
use super::{Settings, deliver};

pub(super) struct Job {
    kind: Kind,
    batch_id: String,
    generation: u64,
    details: Arc<Value>,
    files: Vec<(String, String, Option<Arc<Content>>)>,
}

/// What a request for results meets.
pub(super) enum Poll {
    /// `last`: no more polls are needed, only time.
    Waiting {
        last: bool,
    },
    Due,
    Finished(Vec<Value>),
}

/// What stands between a batch and its results.
enum Progress {
    PollsToGo,
    TimeToGo(Duration),
    Due,
    Finished,
}

impl Batch {
    fn progress(&self, settings: &Settings) -> Progress {
        let left = settings.processing_time.saturating_sub(self.uploaded.elapsed());
        if matches!(self.phase, Phase::Finished) {
            Progress::Finished
        } else if self.polls < settings.polls_until_finished {
            Progress::PollsToGo
        } else if !left.is_zero() {
            Progress::TimeToGo(left)
        } else {
            Progress::Due
        }
    }

    /// The status that a template's `batches` show, which counts as a look at the batch, and
    /// whether it was the last "waiting".
    pub(super) fn status(&mut self, settings: &Settings) -> (&'static str, bool) {
        match self.progress(settings) {
            Progress::PollsToGo | Progress::TimeToGo(_) => {
                self.polls = self.polls.saturating_add(1);
                ("waiting", self.polls == settings.polls_until_finished)
            }
            Progress::Due | Progress::Finished => ("processed", false),
        }
    }

    pub(super) fn poll(
        &mut self,
        settings: &Settings,
        file_id: Option<&str>,
    ) -> Result<Poll, Refusal> {
        if file_id.is_some_and(|id| self.files.iter().all(|file| file.id != id)) {
            return refusal(404, "No such file");
        }
        let wanted = self.files.iter().filter(|file| file_id.is_none_or(|id| file.id == id));
        Ok(match self.progress(settings) {
            Progress::PollsToGo | Progress::TimeToGo(_) => {
                self.polls = self.polls.saturating_add(1);
                Poll::Waiting { last: self.polls == settings.polls_until_finished }
            }
            Progress::Due => Poll::Due,
            Progress::Finished => {
                Poll::Finished(wanted.map(|file| Value::Object(file.shown())).collect())
            }
        })
    }
}

impl State {
    /// Takes the work of a due batch, if nobody has taken it yet.
    fn begin(&mut self, batch_id: &str, settings: &Settings) -> Begun {
        let Some(batch) = self.batches.get_mut(batch_id) else { return Begun::Nothing };
        if let Phase::Finishing(done) = &batch.phase {
            return Begun::ByAnother(done.clone());
        }
        match batch.progress(settings) {
            Progress::PollsToGo | Progress::Finished => Begun::Nothing,
            Progress::TimeToGo(left) => Begun::TooEarly(left),
            Progress::Due => {
                let Some(template) = self.templates.get(&batch.template_id) else {
                    return Begun::Nothing;
                };
                let (sender, done) = watch::channel(());
                batch.phase = Phase::Finishing(done.clone());
                let open = batch.files.iter().filter(|file| file.outcome.is_none());
                let files = open.map(|f| (f.id.clone(), f.name.clone(), f.content.clone()));
                let job = Job {
                    kind: batch.kind,
                    batch_id: batch_id.to_owned(),
                    generation: batch.generation,
                    details: Arc::clone(&template.details),
                    files: files.collect(),
                };
                Begun::Now(job, sender, done)
            }
        }
    }

    /// Puts the outcomes in place and returns the linked batches that this made, and whether the
    /// batch is finished with it.
    fn complete(&mut self, job: &Job, mut outcomes: HashMap<&str, Outcome>) -> (Vec<String>, bool) {
        let mut made = Vec::new();
        let Some(mut batch) = self.batches.remove(&job.batch_id) else { return (made, false) };
        for file in batch.files.iter_mut().filter(|file| file.outcome.is_none()) {
            let Some(outcome) = outcomes.remove(file.id.as_str()) else { continue };
            let linked = self.link(job, &outcome, &file.name, file.content.take());
            file.linked = linked.map(|(batch_id, shown)| {
                made.push(batch_id);
                shown
            });
            file.outcome = Some(outcome);
        }
        let finished = batch.generation == job.generation;
        if finished {
            batch.phase = Phase::Finished;
        }
        self.batches.insert(job.batch_id.clone(), batch);
        (made, finished)
    }

    fn link(
        &mut self,
        job: &Job,
        outcome: &Outcome,
        name: &str,
        content: Option<Arc<Content>>,
    ) -> Option<(String, Value)> {
        let Outcome::Processed(result) = outcome else { return None };
        if job.kind != Kind::Classification {
            return None;
        }
        let extraction_id = sample::linked_extraction(&job.details, result)?;
        let file = NewFile { name: name.to_owned(), content: content? };
        let (batch_id, files) =
            self.upload(Kind::Extraction, extraction_id, None, vec![file]).ok()?;
        let file_id = files.first()?.get("fileId")?;
        let shown = json!({"extractionId": extraction_id, "batchId": batch_id, "fileId": file_id});
        Some((batch_id, shown))
    }

    /// The files of a finished batch as a webhook shows them, and the event.
    pub(super) fn announcement(&self, batch_id: &str) -> Option<(String, Vec<Value>)> {
        let batch = self.batches.get(batch_id)?;
        let failed = |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Failed(_)));
        let all_failed = batch.files.iter().all(|file| failed(&file.outcome));
        let action = if all_failed { "failed" } else { "processed" };
        let shown = batch.files.iter().map(|file| {
            let mut shown = Map::new();
            shown.insert(batch.kind.id_key().to_owned(), json!(batch.template_id));
            shown.insert("batchId".to_owned(), json!(batch_id));
            shown.extend(file.shown());
            Value::Object(shown)
        });
        Some((format!("{}.{action}", batch.kind.word()), shown.collect()))
    }
}

enum Begun {
    Nothing,
    TooEarly(Duration),
    ByAnother(watch::Receiver<()>),
    Now(Job, watch::Sender<()>, watch::Receiver<()>),
}

impl Shared {
    /// Waits until the results of a due batch are worked out.
    pub(super) async fn finish(self: &Arc<Self>, batch_id: &str) {
        let begun = self.state().begin(batch_id, &self.settings);
        let mut done = match begun {
            Begun::Nothing | Begun::TooEarly(_) => return,
            Begun::ByAnother(done) => done,
            Begun::Now(job, sender, done) => {
                // A task of its own: the client that asked may go before it is done.
                self.handle.spawn(work(Arc::clone(self), job, sender));
                done
            }
        };
        // Nothing is ever sent: the error says that the sender is gone.
        let _ = done.changed().await;
    }

    /// Sees to it that a batch is announced without anybody asking for its results.
    pub(super) fn announce_when_due(self: &Arc<Self>, batch_id: String) {
        if self.target.is_none() {
            return;
        }
        let shared = Arc::clone(self);
        self.handle.spawn(async move {
            loop {
                let begun = shared.state().begin(&batch_id, &shared.settings);
                match begun {
                    Begun::TooEarly(left) => tokio::time::sleep(left).await,
                    Begun::Now(job, sender, _) => return work(shared, job, sender).await,
                    Begun::Nothing | Begun::ByAnother(_) => return,
                }
            }
        });
    }
}

async fn work(shared: Arc<Shared>, job: Job, done: watch::Sender<()>) {
    let needs_thread = shared.settings.results.is_some() || job.kind == Kind::Classification;
    let job = Arc::new(job);
    let evaluated = if needs_thread {
        let (shared, job) = (Arc::clone(&shared), Arc::clone(&job));
        let task = tokio::task::spawn_blocking(move || evaluate(&shared, &job));
        task.await.unwrap_or_default()
    } else {
        evaluate(&shared, &job)
    };
    let mut evaluated = evaluated.into_iter();
    let outcomes = job.files.iter().map(|(file_id, _, _)| {
        // Only a panicking `ResultSource` leaves files without an outcome.
        let panicked = || Outcome::Failed("The source of results panicked".to_owned());
        (file_id.as_str(), evaluated.next().unwrap_or_else(panicked))
    });
    let (linked, finished) = shared.state().complete(&job, outcomes.collect());
    drop(done);
    for batch_id in linked {
        shared.announce_when_due(batch_id);
    }
    if finished {
        deliver::announce(&shared, &job.batch_id).await;
    }
}

fn evaluate(shared: &Shared, job: &Job) -> Vec<Outcome> {
    let outcome = |(_, name, content): &(String, String, Option<Arc<Content>>)| {
        let content = content.as_ref().map_or(&[][..], |content| content.as_bytes());
        sample::outcome(shared, job.kind, name, content, &job.details)
    };
    // Nobody waits for results any more once the emulator is stopped, and a source may be slow.
    let wanted = job.files.iter().take_while(|_| !shared.outbox.is_closed());
    wanted.map(outcome).collect()
}

/// Keeps an eye on a batch from the moment on that an answer is sent.
#[derive(Default)]
pub(super) struct Announce(pub(super) Option<(Arc<Shared>, String)>);

impl Drop for Announce {
    fn drop(&mut self) {
        if let Some((shared, batch_id)) = self.0.take() {
            shared.announce_when_due(batch_id);
        }
    }
}
