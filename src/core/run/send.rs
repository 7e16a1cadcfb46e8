//! One upload of a run: its intent before, its outcome behind, both in the journal.

use std::time::Duration;

use tokio::time::sleep;

use super::Shared;
use super::intake::Prepared;
use crate::core::error::{Error, Result};
use crate::core::journal::Row;
use crate::core::model::{BatchKey, UploadAnswer};
use crate::core::retry;

/// Between two tries that surely did not reach the service.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Another run takes no longer to write an intent.
const SHORTLY: Duration = Duration::from_millis(50);

/// What became of documents that were to be uploaded as one batch.
pub(super) struct Sent {
    /// Documents that another run took first.
    pub(super) taken: Vec<(Prepared, Row)>,
    /// Documents that another run is taking at this moment.
    pub(super) busy: Vec<Prepared>,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// There was nothing left to upload.
    Nothing,
    Uploaded(Row, BatchKey),
    Lost(Row, Vec<Prepared>),
    /// Surely not carried out, for a reason that may lie in one of the documents.
    Refused(Vec<Prepared>, Error),
}

pub(super) async fn send(shared: Shared, group: Vec<Prepared>) -> Result<Sent> {
    let (group, changed) = shared.blocking(move |_| Ok(unchanged(group))).await?;
    if let Some(changed) = changed {
        let reason = "the file was changed after it was read: run again";
        let error = Error::Input(format!("{}: {reason}", changed.new.name));
        let documents = std::iter::once(changed).chain(group).collect();
        let (taken, busy) = (Vec::new(), Vec::new());
        return Ok(Sent { taken, busy, outcome: Outcome::Refused(documents, error) });
    }
    let wanted: Vec<_> = group.iter().map(|prepared| prepared.document).collect();
    let claim = shared
        .blocking(move |shared| shared.journal.claim(&shared.owner, &shared.target, &wanted))
        .await?;
    let (mut taken, mut busy, mut mine) = (Vec::new(), Vec::new(), Vec::new());
    for prepared in group {
        match claim.taken.iter().find(|(document, _)| *document == prepared.document) {
            Some((_, row)) => taken.push((prepared, *row)),
            None if claim.busy.contains(&prepared.document) => busy.push(prepared),
            None => mine.push(prepared),
        }
    }
    if claim.row.is_none() && !busy.is_empty() {
        sleep(SHORTLY).await;
    }
    let outcome = match claim.row {
        Some(row) => upload(&shared, row, mine).await?,
        None => Outcome::Nothing,
    };
    Ok(Sent { taken, busy, outcome })
}

/// The documents that are as they were when they were read, or one that is not and the others.
fn unchanged(mut group: Vec<Prepared>) -> (Vec<Prepared>, Option<Prepared>) {
    let changed = group.iter().position(|prepared| !prepared.is_unchanged());
    let changed = changed.map(|place| group.remove(place));
    (group, changed)
}

async fn upload(shared: &Shared, row: Row, group: Vec<Prepared>) -> Result<Outcome> {
    let permit = shared.owner.permit();
    let permitted = |prepared: &Prepared| prepared.upload.clone().permitted(permit.clone());
    let files: Vec<_> = group.iter().map(permitted).collect();
    let sending = shared.watch.upload(group.iter().map(|prepared| prepared.new.size).sum());
    let mut pause = FIRST_PAUSE;
    loop {
        shared.hold().await?;
        let follow = Some(sending.follow());
        let error = match shared.client.upload(&shared.target, None, &files, follow).await {
            Ok(answer) => {
                sending.done();
                return Ok(Outcome::Uploaded(row, shared.keep_uploaded(row, answer).await?));
            }
            Err(error) => error,
        };
        if matches!(error, Error::UploadOutcomeUnknown { .. }) {
            shared.keep_lost(row, &error).await?;
            return Ok(Outcome::Lost(row, group));
        }
        sending.undone();
        if !(retry::is_transient(&error) && retry::surely_refused(&error)) {
            shared.keep_refused(row, &error).await?;
            return if is_of_all(&error) { Err(error) } else { Ok(Outcome::Refused(group, error)) };
        }
        let wait = error.retry_after().unwrap_or_default().max(pause);
        log::info!(
            target: "extracta_rs",
            "{error}; nothing was uploaded, trying again in {:.0} s", wait.as_secs_f64()
        );
        tokio::select! {
            () = sleep(wait) => {}
            () = shared.stopping.cancelled() => {
                shared.keep_refused(row, &error).await?;
                return Ok(Outcome::Nothing);
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether an upload's refusal would meet every other one, too.
fn is_of_all(error: &Error) -> bool {
    match error {
        Error::Status { status, .. } => matches!(status, 401..=404),
        Error::Input(_) | Error::File { .. } => false,
        _ => true,
    }
}

/// What became of an upload, in the journal.
impl Shared {
    pub(super) async fn keep_uploaded(&self, row: Row, answer: UploadAnswer) -> Result<BatchKey> {
        let UploadAnswer { key, json } = answer;
        let batch_id = key.batch_id.clone();
        let keep = move |shared: &Self| shared.journal.uploaded(row, &batch_id, Some(&json));
        self.blocking(keep).await.map_err(|error| unrecorded(error, &key.batch_id))?;
        Ok(key)
    }

    /// Right before something is sent that is paid.
    pub(super) async fn hold(&self) -> Result<()> {
        self.blocking(|shared| shared.journal.hold(&shared.owner)).await
    }

    /// It may have been carried out.
    pub(super) async fn keep_lost(&self, row: Row, error: &Error) -> Result<()> {
        let note = error.to_string();
        self.blocking(move |shared| shared.journal.lost(row, &note)).await
    }

    /// It was not carried out.
    pub(super) async fn keep_refused(&self, row: Row, error: &Error) -> Result<()> {
        let note = error.to_string();
        self.blocking(move |shared| shared.journal.release(row, Some(&note))).await
    }
}

/// A paid batch that only this error knows of.
fn unrecorded(error: Error, batch_id: &str) -> Error {
    match error {
        Error::Journal { path, reason } => Error::Journal {
            path,
            reason: format!(
                "{reason}. The upload before it was accepted as batch {batch_id}, which the next \
                 run will look for"
            ),
        },
        error => error,
    }
}
