//! One upload under a caller's label: whoever submits the same label again, in whatever process,
//! gets the batch of the first upload instead of paying for a second.
//!
//! With a journal the label is looked up there; without one the service's batches are looked
//! through for the label's mark. An upload that may have been carried out is never repeated before
//! it is surely not there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::label;
use super::look::{self, Verdict};
use super::looker::{Looker, Sought};
use super::seek::{Names, batch_ids};
use super::{Shared, Watch, blocking};
use crate::core::api::{Client, outcome_unknown};
use crate::core::error::{Error, Result};
use crate::core::journal::{Intent, Journal, NewDocument, Row};
use crate::core::model::{BatchKey, Target, UploadAnswer};
use crate::core::upload::{Permit, Upload};

/// An upload that is lost each time, and each time surely was not carried out, is given up then.
const MOST_TRIES: u32 = 3;

const UNDECIDED: &str = "an earlier try may have been carried out, and what the service shows does \
                         not tell; a journal would, or first_try where there was no earlier one";
const NOT_YET: &str = "an earlier try may have been carried out, and the service does not show yet \
                       what is in its batches: submit again later";
const SENDING: &str = "another process is uploading under the same label: submit again later";

/// How an upload is made that another try may have made already.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The caller's key of it; without one nothing is looked for, whatever the rest says.
    pub label: Option<String>,
    /// Whether nobody submitted this label before, so that nothing need be looked for.
    pub first_try: bool,
    /// How long the service may take to show an upload.
    pub settle: Duration,
    /// How long to look for an earlier upload.
    pub timeout: Option<Duration>,
}

/// Uploads files as one batch, or finds the batch that they are in already.
pub async fn submit(
    client: Client,
    target: Target,
    files: Vec<Upload>,
    journal: Option<Journal>,
    submission: Submission,
) -> Result<BatchKey> {
    let Some(label) = &submission.label else {
        return Ok(client.upload(&target, None, &files, None).await?.key);
    };
    let work = Work::new(client, target, files, label, &submission)?;
    match journal {
        Some(journal) => work.with_journal(journal).await,
        None => work.without_journal(submission.first_try).await,
    }
}

struct Work {
    client: Client,
    target: Target,
    /// Under the names with the mark.
    files: Vec<Upload>,
    mark: String,
    settle: Duration,
    deadline: Option<Instant>,
}

/// What became of the first upload of a label.
enum First {
    Uploaded(BatchKey),
    /// Perhaps carried out.
    Lost(Row),
    /// Another process was first.
    Taken,
}

impl Work {
    fn new(
        client: Client,
        target: Target,
        files: Vec<Upload>,
        label: &str,
        submission: &Submission,
    ) -> Result<Self> {
        let mark = label::mark(label)?;
        let rename = |file: Upload| {
            let name = label::marked(&mark, file.name());
            file.renamed(name)
        };
        let files: Vec<_> = files.into_iter().map(rename).collect();
        if files.is_empty() {
            return Err(Error::Input("there are no files to upload".to_owned()));
        }
        let mut names = HashSet::new();
        if let Some(twice) = files.iter().find(|file| !names.insert(file.name())) {
            let name = label::unmarked(twice.name()).unwrap_or_default();
            let text = format!("two files are called {name:?}: names tell their results apart");
            return Err(Error::Input(text));
        }
        if submission.timeout.is_some_and(|timeout| timeout < submission.settle) {
            let text = "timeout is shorter than settle_time: no look could ever tell";
            return Err(Error::Input(text.to_owned()));
        }
        let deadline = submission.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(Self { client, target, files, mark, settle: submission.settle, deadline })
    }

    async fn without_journal(self, first_try: bool) -> Result<BatchKey> {
        let mut tries = 0;
        let mut look = !first_try;
        loop {
            if look {
                let sought = Sought {
                    client: &self.client,
                    target: &self.target,
                    mark: &self.mark,
                    files: self.files.len(),
                };
                let service = Looker::Service { sought, seen: HashMap::new() };
                if let Some(batch_id) = self.look_for(service).await? {
                    return BatchKey::new(self.target, batch_id);
                }
            }
            tries += 1;
            match self.upload(None).await {
                Ok(answer) => return Ok(answer.key),
                Err(Error::UploadOutcomeUnknown { .. }) if tries < MOST_TRIES => look = true,
                Err(error) => return Err(error),
            }
        }
    }

    async fn with_journal(self, journal: Journal) -> Result<BatchKey> {
        let (owner, journal) = blocking(move || Ok((Arc::new(journal.begin()?), journal))).await?;
        let (client, target) = (self.client.clone(), self.target.clone());
        let _joined = client.gate().join(Arc::new(journal.clone()));
        let (stopping, watch) = (CancellationToken::new(), Watch::default());
        let shared = Shared { client, journal, owner, target, stopping, watch };
        let mut tries = 0;
        loop {
            let row = match self.standing(&shared).await? {
                Some(Intent { key: Some(key), .. }) => return Ok(key),
                Some(_) => match self.take_over(&shared).await? {
                    Some(intent) => intent.row,
                    None => continue,
                },
                None => match self.first(&shared).await? {
                    First::Uploaded(key) => return Ok(key),
                    First::Taken => continue,
                    First::Lost(row) => row,
                },
            };
            if let Some(key) = self.settle(&shared, row).await? {
                return Ok(key);
            }
            tries += 1;
            if tries == MOST_TRIES {
                return Err(self.unknown(NOT_YET, Some(look::LONGEST_PAUSE)).await);
            }
        }
    }

    async fn standing(&self, shared: &Shared) -> Result<Option<Intent>> {
        let mark = self.mark.clone();
        shared.blocking(move |shared| shared.journal.labelled(&shared.target, &mark)).await
    }

    /// Makes an earlier upload ours to look for; `None`: look at the journal again.
    async fn take_over(&self, shared: &Shared) -> Result<Option<Intent>> {
        let mark = self.mark.clone();
        let taken = shared
            .blocking(move |shared| {
                shared.journal.take_over_labelled(&shared.owner, &shared.target, &mark)
            })
            .await?;
        if taken.is_some() || self.standing(shared).await?.is_none_or(|now| now.key.is_some()) {
            return Ok(taken);
        }
        let next = Instant::now() + look::NEIGHBOURS;
        if self.deadline.is_some_and(|deadline| next > deadline) {
            return Err(self.unknown(SENDING, Some(look::NEIGHBOURS)).await);
        }
        sleep_until(next).await;
        Ok(None)
    }

    /// Writes the intent and uploads.
    async fn first(&self, shared: &Shared) -> Result<First> {
        self.look_before(shared).await?;
        let (files, mark) = (self.files.clone(), self.mark.clone());
        let claimed = shared
            .blocking(move |shared| {
                let documents: Result<Vec<_>> = files.iter().map(document).collect();
                let admitted = shared.journal.admit(&shared.target, &documents?)?;
                let documents: Vec<_> = admitted.iter().map(|admitted| admitted.document).collect();
                shared.journal.claim_labelled(&shared.owner, &shared.target, &mark, &documents)
            })
            .await?;
        let Some(row) = claimed else { return Ok(First::Taken) };
        shared.hold().await?;
        match self.upload(shared.owner.permit()).await {
            Ok(answer) => Ok(First::Uploaded(shared.keep_uploaded(row, answer).await?)),
            Err(error @ Error::UploadOutcomeUnknown { .. }) => {
                shared.keep_lost(row, &error).await?;
                Ok(First::Lost(row))
            }
            Err(error) => {
                shared.keep_refused(row, &error).await?;
                Err(error)
            }
        }
    }

    /// Notes, before the first upload to a target, which batches are none of the journal's.
    async fn look_before(&self, shared: &Shared) -> Result<()> {
        let accounted = shared.blocking(|shared| shared.journal.accounted(&shared.target)).await?;
        if accounted.iter().any(String::is_empty) {
            return Ok(());
        }
        let listed = batch_ids(&self.client.view(&self.target).await?).unwrap_or_default();
        let keep = move |shared: &Shared| shared.journal.keep_others(&shared.target, &listed);
        shared.blocking(keep).await.map(drop)
    }

    /// Finds what became of a lost upload, and keeps it; `None`: it was not carried out.
    async fn settle(&self, shared: &Shared, row: Row) -> Result<Option<BatchKey>> {
        match self.look_for(Looker::Journal { shared, row, names: Names::new() }).await {
            Ok(Some(batch_id)) => {
                let key = BatchKey::new(self.target.clone(), &*batch_id)?;
                let keep = move |shared: &Shared| shared.journal.uploaded(row, &batch_id, None);
                shared.blocking(keep).await?;
                Ok(Some(key))
            }
            Ok(None) => {
                shared.blocking(move |shared| shared.journal.release(row, None)).await?;
                Ok(None)
            }
            Err(error) => {
                if matches!(error, Error::UploadOutcomeUnknown { .. })
                    && error.retry_after().is_none()
                {
                    shared.blocking(move |shared| shared.journal.unknown(row, UNDECIDED)).await?;
                }
                Err(error)
            }
        }
    }

    async fn upload(&self, permit: Option<Permit>) -> Result<UploadAnswer> {
        let permitted = |file: &Upload| file.clone().permitted(permit.clone());
        let files: Vec<_> = self.files.iter().map(permitted).collect();
        self.client.upload(&self.target, None, &files, None).await
    }

    /// Looks until it is sure: the batch, or `None` for "not there".
    async fn look_for(&self, mut looker: Looker<'_>) -> Result<Option<String>> {
        let settled = Instant::now() + self.settle;
        let mut pause = look::FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let verdict = match self.deadline {
                // One that takes too long tells as much as one that saw too little.
                Some(deadline) => {
                    timeout_at(deadline, looker.look()).await.unwrap_or(Ok(Verdict::NotYet))?
                }
                None => looker.look().await?,
            };
            match verdict {
                Verdict::Found(batch_id) => {
                    log::info!(target: "extracta_rs", "an earlier upload is batch {batch_id}");
                    return Ok(Some(batch_id));
                }
                Verdict::Absent if began >= settled => return Ok(None),
                Verdict::Undecided if began >= settled => {
                    return Err(self.unknown(UNDECIDED, None).await);
                }
                Verdict::Absent | Verdict::Undecided | Verdict::NotYet => {}
            }
            let now = Instant::now();
            let (next, longer) = look::next(now, pause, Some(settled).filter(|at| *at > now));
            if self.deadline.is_some_and(|deadline| next > deadline) {
                return Err(self.unknown(NOT_YET, Some(look::LONGEST_PAUSE)).await);
            }
            sleep_until(next).await;
            pause = longer;
        }
    }

    /// `retry_after`: when another look may tell, where it may.
    async fn unknown(&self, reason: &'static str, retry_after: Option<Duration>) -> Error {
        let cause = Error::Undecided { reason, retry_after };
        outcome_unknown(&self.target, None, &self.files, cause).await
    }
}

/// A file as the journal knows it. Blocks.
fn document(file: &Upload) -> Result<NewDocument> {
    let digest = file.digest()?;
    let path = file.path().map(|path| path.display().to_string());
    Ok(NewDocument { name: file.name().to_owned(), sha256: digest.sha256, size: digest.size, path })
}
