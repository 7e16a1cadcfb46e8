//! The one loop of a run: it decides what is done next, and does nothing that takes time itself.

mod lost;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedSender, channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::intake::{Arrived, Planned, Prepared, take_in};
use super::look;
use super::seek::{self, Found, Names, batch_ids, seek};
use super::send::{Outcome, Sent, send};
use super::{Options, Shared, blocking};
use crate::core::error::{Error, Result, Unfinished};
use crate::core::journal::{Admitted, Row, State};
use crate::core::model::{BatchAnswer, BatchKey};
use crate::core::poll::{Many, until};
use lost::Lost;

/// What a run tells.
pub(super) enum Told {
    Finished { row: Row, key: BatchKey, from_journal: bool },
    Failed(Error),
}

pub(super) struct Driver {
    shared: Shared,
    options: Options,
    tell: UnboundedSender<Told>,
    deadline: Option<Instant>,
    many: Many,
    waiting: HashMap<BatchKey, Row>,
    /// Rows that something was done about already.
    known: HashSet<Row>,
    ready: VecDeque<Prepared>,
    /// Documents whose batch was refused: each is tried alone, to find the one that is to blame.
    alone: VecDeque<Prepared>,
    sending: JoinSet<Result<Sent>>,
    lost: HashMap<Row, Lost>,
    seeking: JoinSet<Result<Found>>,
    names: Names,
    look: Option<(Instant, Duration)>,
    /// Uploads of other living runs.
    others: HashMap<Row, Vec<Prepared>>,
    unfinished: Vec<Unfinished>,
}

impl Driver {
    pub(super) fn new(shared: Shared, options: Options, tell: UnboundedSender<Told>) -> Self {
        let mut wait = options.wait;
        let deadline = wait.timeout.take().and_then(|limit| Instant::now().checked_add(limit));
        let many = Many::new(&shared.client, wait);
        Self {
            shared,
            options,
            tell,
            deadline,
            many,
            waiting: HashMap::new(),
            known: HashSet::new(),
            ready: VecDeque::new(),
            alone: VecDeque::new(),
            sending: JoinSet::new(),
            lost: HashMap::new(),
            seeking: JoinSet::new(),
            names: Names::new(),
            look: None,
            others: HashMap::new(),
            unfinished: Vec::new(),
        }
    }

    /// Works until every document has results, or is known to get none.
    pub(super) async fn run(
        mut self,
        files: Vec<Planned>,
        closed: CancellationToken,
    ) -> Result<()> {
        let (deadline, stop) = (self.deadline, self.shared.watch.stop.clone());
        let worked = async {
            self.settle_the_past().await?;
            self.work(files).await
        };
        let outcome = tokio::select! {
            biased;
            outcome = worked => Some(outcome),
            () = closed.cancelled() => Some(Err(Error::Closed("the client was closed"))),
            () = stop.cancelled() => Some(Ok(())),
            () = until(deadline) => None,
        };
        // An upload that is cut off would have to be looked for: those under way may end.
        self.shared.stopping.cancel();
        let mut failed = None;
        while let Some(sent) = self.sending.join_next().await {
            failed = failed.or(joined(sent).err());
        }
        let timed_out = outcome.is_none().then_some(self.options.wait.timeout).flatten();
        outcome.transpose()?;
        if let Some(error) = failed {
            return Err(error);
        }
        if self.unfinished.is_empty() && timed_out.is_none() {
            return Ok(());
        }
        Err(Error::RunIncomplete { documents: self.unfinished, timed_out })
    }

    /// Takes over what dead runs left, or notes which batches are none of ours.
    async fn settle_the_past(&mut self) -> Result<()> {
        let left = self
            .shared
            .blocking(|shared| shared.journal.take_over(&shared.owner, &shared.target))
            .await?;
        for intent in left {
            self.seek(intent.row, Vec::new());
        }
        if !self.lost.is_empty() {
            return Ok(());
        }
        let mut pause = look::FIRST_PAUSE;
        let listed = loop {
            match self.shared.client.view(&self.shared.target).await {
                Ok(json) => break batch_ids(&json),
                Err(error) if seek::is_passing(&error) => {
                    let wait = error.retry_after().unwrap_or_default().max(pause);
                    log::info!(
                        target: "extracta_rs",
                        "{error}; nothing is uploaded before {} was looked at, trying again in \
                         {:.0} s", self.shared.target, wait.as_secs_f64()
                    );
                    sleep(wait).await;
                    pause = (pause * 2).min(look::LONGEST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        };
        let listed = listed.unwrap_or_default();
        let keep = move |shared: &Shared| shared.journal.keep_others(&shared.target, &listed);
        self.shared.blocking(keep).await.map(drop)
    }

    async fn work(&mut self, files: Vec<Planned>) -> Result<()> {
        let (sink, arrivals) = channel(1);
        let (journal, target) = (self.shared.journal.clone(), self.shared.target.clone());
        let reading = blocking(move || {
            take_in(&journal, &target, files, &sink);
            Ok(())
        });
        // Left to itself: it ends when `arrivals` is dropped.
        tokio::spawn(reading);
        let mut arrivals = Some(arrivals);
        loop {
            self.send_more(arrivals.is_none());
            let take_more = self.ready.len() < self.options.max_files * self.options.concurrency;
            if arrivals.is_none() && self.is_done() {
                return Ok(());
            }
            let neighbours = Instant::now() + look::NEIGHBOURS;
            tokio::select! {
                portion = next_of(&mut arrivals), if arrivals.is_some() && take_more => {
                    match portion {
                        Some(portion) => self.arrived(portion?).await?,
                        None => arrivals = None,
                    }
                }
                Some(sent) = self.sending.join_next() => self.sent(joined(sent)?).await?,
                Some((key, outcome)) = self.many.next(), if !self.waiting.is_empty() => {
                    self.waited(&key, outcome).await?;
                }
                Some(found) = self.seeking.join_next() => self.sought(joined(found)?).await?,
                () = until(self.look.map(|(when, _)| when)), if self.seeking.is_empty() && !self.lost.is_empty() => {
                    let rows = self.lost.keys().copied().collect();
                    let names = std::mem::take(&mut self.names);
                    self.seeking.spawn(seek(self.shared.clone(), rows, names));
                }
                () = sleep_until(neighbours), if !self.others.is_empty() => {
                    for (row, prepared) in std::mem::take(&mut self.others) {
                        self.look_at(row, prepared).await?;
                    }
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        self.is_idle() && self.lost.is_empty() && self.others.is_empty()
    }

    /// Whether there is nothing to upload or to wait for, apart from what is not known yet.
    fn is_idle(&self) -> bool {
        self.ready.is_empty()
            && self.alone.is_empty()
            && self.sending.is_empty()
            && self.waiting.is_empty()
    }

    fn send_more(&mut self, all_arrived: bool) {
        while self.sending.len() < self.options.concurrency {
            let group = match self.alone.pop_front() {
                Some(prepared) => vec![prepared],
                None if all_arrived || self.ready.len() >= self.options.max_files => self.group(),
                None => return,
            };
            if group.is_empty() {
                return;
            }
            self.sending.spawn(send(self.shared.clone(), group));
        }
    }

    /// The next batch: no two documents of one name in it, since names tell results apart.
    fn group(&mut self) -> Vec<Prepared> {
        let mut names = HashSet::new();
        let (mut group, mut left) = (Vec::new(), VecDeque::new());
        while let Some(prepared) = self.ready.pop_front() {
            if group.len() == self.options.max_files {
                left.push_back(prepared);
                break;
            }
            if names.insert(prepared.new.name.clone()) {
                group.push(prepared);
            } else {
                left.push_back(prepared);
            }
        }
        left.append(&mut self.ready);
        self.ready = left;
        group
    }

    async fn arrived(&mut self, portion: Vec<Arrived>) -> Result<()> {
        for arrived in portion {
            match arrived {
                Arrived::Unreadable(unfinished) => self.unfinished.push(unfinished),
                Arrived::Document(prepared, admitted) => self.stands(prepared, admitted).await?,
            }
        }
        Ok(())
    }

    async fn stands(&mut self, prepared: Prepared, admitted: Admitted) -> Result<()> {
        let size = prepared.new.size;
        if let Some(row) = admitted.batch {
            self.shared.watch.skip(size);
            return self.look_at(row, vec![prepared]).await;
        }
        if self.ready.iter().any(|other| other.document == prepared.document) {
            self.shared.watch.skip(size);
        } else {
            self.ready.push_back(prepared);
        }
        Ok(())
    }

    /// Finds out about a batch that documents are in, and does what is to be done.
    async fn look_at(&mut self, row: Row, mut prepared: Vec<Prepared>) -> Result<()> {
        if let Some(lost) = self.lost.get_mut(&row) {
            lost.prepared.append(&mut prepared);
            return Ok(());
        }
        if let Some(other) = self.others.get_mut(&row) {
            other.append(&mut prepared);
            return Ok(());
        }
        if self.known.contains(&row) {
            return Ok(());
        }
        let intent = self.shared.blocking(move |shared| shared.journal.intent(row)).await?;
        let Some(intent) = intent else { return Err(self.damaged(row)) };
        match (intent.state, intent.key) {
            (State::Finished, Some(key)) => {
                self.known.insert(row);
                self.tell(Told::Finished { row, key, from_journal: true });
            }
            (State::Uploaded, Some(key)) => self.wait_for(row, key),
            (State::Uploading | State::Lost, _) => {
                if intent.owner.as_deref() == Some(self.shared.owner.name()) {
                    // Given twice: its upload is under way.
                    return Ok(());
                }
                let take = move |shared: &Shared| shared.journal.take_over_one(&shared.owner, row);
                match self.shared.blocking(take).await? {
                    Some(taken) => self.seek(taken.row, prepared),
                    None => drop(self.others.insert(row, prepared)),
                }
            }
            (State::Unknown, _) => {
                self.known.insert(row);
                self.unknown(row, "another run could not decide whether it was uploaded").await?;
            }
            (State::Released | State::Finished | State::Uploaded, _) => {
                return self.admit_again(row, prepared).await;
            }
        }
        Ok(())
    }

    /// Documents whose batch was released: where do they stand now?
    async fn admit_again(&mut self, released: Row, prepared: Vec<Prepared>) -> Result<()> {
        let news: Vec<_> = prepared.iter().map(|prepared| prepared.new.clone()).collect();
        let admit = move |shared: &Shared| shared.journal.admit(&shared.target, &news);
        let admitted = self.shared.blocking(admit).await?;
        for (prepared, admitted) in prepared.into_iter().zip(admitted) {
            if admitted.batch == Some(released) && !self.moves_on(released).await? {
                return Err(self.damaged(released));
            }
            Box::pin(self.stands(prepared, admitted)).await?;
        }
        Ok(())
    }

    /// Whether another run learnt meanwhile what became of a batch that was to be released.
    async fn moves_on(&self, row: Row) -> Result<bool> {
        let intent = self.shared.blocking(move |shared| shared.journal.intent(row)).await?;
        Ok(intent.is_some_and(|intent| intent.state != State::Released && intent.key.is_some()))
    }

    fn damaged(&self, row: Row) -> Error {
        Error::Journal {
            path: self.shared.journal.path().to_owned(),
            reason: format!(
                "the file is damaged (documents are in batch row {row}, which cannot be): keep \
                 it, and go on with a copy that is not"
            ),
        }
    }

    fn wait_for(&mut self, row: Row, key: BatchKey) {
        self.known.insert(row);
        self.shared.watch.batch();
        self.many.add([key.clone()]);
        self.waiting.insert(key, row);
    }

    async fn sent(&mut self, sent: Sent) -> Result<()> {
        for (prepared, row) in sent.taken {
            self.look_at(row, vec![prepared]).await?;
        }
        self.ready.extend(sent.busy);
        match sent.outcome {
            Outcome::Nothing => {}
            Outcome::Uploaded(row, key) => self.wait_for(row, key),
            Outcome::Lost(row, prepared) => self.seek(row, prepared),
            Outcome::Refused(documents, error) => self.refused(documents, &error).await?,
        }
        Ok(())
    }

    async fn refused(&mut self, documents: Vec<Prepared>, error: &Error) -> Result<()> {
        if documents.len() > 1 {
            self.alone.extend(documents);
            return Ok(());
        }
        for prepared in documents {
            let reason = error.to_string();
            let (document, note) = (prepared.document, reason.clone());
            let refuse = move |shared: &Shared| shared.journal.refuse(document, &note);
            self.shared.blocking(refuse).await?;
            self.unfinished.push(prepared.unfinished(false, reason));
        }
        Ok(())
    }

    async fn waited(&mut self, key: &BatchKey, outcome: Result<BatchAnswer>) -> Result<()> {
        let Some(row) = self.waiting.remove(key) else { return Ok(()) };
        match outcome {
            Ok(answer) => {
                let json = answer.json;
                self.shared.blocking(move |shared| shared.journal.finished(row, &json)).await?;
                self.shared.watch.finished();
                self.tell(Told::Finished { row, key: key.clone(), from_journal: false });
            }
            Err(error) if seek::ends_the_run(&error) => return Err(error),
            Err(error) => {
                let reason = error.to_string();
                self.report(row, false, &reason, Some(&key.batch_id)).await?;
            }
        }
        Ok(())
    }

    async fn unknown(&mut self, row: Row, reason: &str) -> Result<()> {
        self.report(row, true, reason, None).await
    }

    async fn report(
        &mut self,
        row: Row,
        unknown: bool,
        reason: &str,
        batch_id: Option<&str>,
    ) -> Result<()> {
        let documents =
            self.shared.blocking(move |shared| shared.journal.documents_of(row)).await?;
        for (_, document) in documents {
            self.unfinished.push(Unfinished {
                name: document.name,
                path: document.path,
                sha256: Some(document.sha256),
                unknown,
                batch_id: batch_id.map(str::to_owned),
                reason: reason.to_owned(),
            });
        }
        Ok(())
    }

    fn tell(&self, told: Told) {
        // Nobody listens where the run was dropped; then this ends as well.
        let _ = self.tell.send(told);
    }
}

async fn next_of<T>(arrivals: &mut Option<Receiver<T>>) -> Option<T> {
    match arrivals {
        Some(arrivals) => arrivals.recv().await,
        None => None,
    }
}

fn joined<T>(outcome: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    outcome.unwrap_or(Err(Error::Closed("the process is shutting down")))
}
