//! Looks at the service for uploads whose answer was lost.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use super::Shared;
use super::label::{Shown, recognised};
use super::look::{self, Candidate, Open, Verdict};
use crate::core::api::Client;
use crate::core::error::{Error, Result};
use crate::core::journal::Row;
use crate::core::model::{BatchKey, Target};
use crate::core::poll::listing::listed;
use crate::core::retry;

/// More unaccounted batches than this are not read: no name could tell them apart any more.
pub(super) const MOST_CANDIDATES: usize = 200;

/// The names of batches' files that were read already; they do not change.
pub(super) type Names = HashMap<String, Vec<String>>;

/// What was found, and what was read on the way.
pub(super) struct Found {
    /// When the look began: what was sent before it, it saw.
    pub(super) began: Instant,
    pub(super) verdicts: Vec<(Row, Verdict)>,
    pub(super) names: Names,
}

/// Looks once for some lost uploads.
pub(super) async fn seek(shared: Shared, lost: Vec<Row>, mut names: Names) -> Result<Found> {
    let began = Instant::now();
    // Before it is asked: all of these it must know.
    let witnesses = shared.blocking(|shared| shared.journal.witnesses(&shared.target)).await?;
    let all = |verdict: Verdict| lost.iter().map(|&row| (row, verdict.clone())).collect();
    let batches = match shared.client.view(&shared.target).await {
        Ok(json) => batch_ids(&json),
        Err(error) if is_passing(&error) => {
            return Ok(Found { began, verdicts: all(Verdict::NotYet), names });
        }
        Err(error) if ends_the_run(&error) => return Err(error),
        Err(_) => None,
    };
    let Some(batches) = batches else {
        return Ok(Found { began, verdicts: all(Verdict::Undecided), names });
    };
    let batches: HashSet<_> = batches.into_iter().collect();
    // After the answer: what was uploaded meanwhile is accounted for, or still open.
    let (open, accounted) = shared
        .blocking(|shared| {
            let open = shared.journal.open_uploads(&shared.target)?;
            let accounted = shared.journal.accounted(&shared.target)?;
            Ok((open, accounted.into_iter().collect::<HashSet<_>>()))
        })
        .await?;
    let unaccounted: Vec<_> = batches.difference(&accounted).cloned().collect();
    if unaccounted.len() > MOST_CANDIDATES {
        return Ok(Found { began, verdicts: all(Verdict::Undecided), names });
    }
    let mut candidates = Vec::new();
    let mut partly = Vec::new();
    for batch_id in unaccounted {
        if !names.contains_key(&batch_id) {
            match read(&shared.client, &shared.target, &batch_id).await? {
                Some(shown) if shown.complete => drop(names.insert(batch_id.clone(), shown.names)),
                shown => partly.extend(shown),
            }
        }
        candidates.push(Candidate { names: names.get(&batch_id).cloned(), batch_id });
    }
    let open: Vec<_> = open
        .into_iter()
        .map(|(row, mut names)| {
            names.sort_unstable();
            Open { row, names }
        })
        .collect();
    // Without a look before the first upload any batch may be older than the journal.
    let looked_before = accounted.contains("");
    let verdict = |row: Row| match open.iter().find(|open| open.row == row) {
        Some(lost) => match recognised(&lost.names, &partly) {
            Some(found) => Verdict::Found(found),
            None if looked_before => {
                let verdict = look::decide(lost, &open, &candidates);
                look::confirm(verdict, &batches, &witnesses.running, &witnesses.finished)
            }
            None => Verdict::Undecided,
        },
        None => Verdict::Undecided,
    };
    Ok(Found { began, verdicts: lost.iter().map(|&row| (row, verdict(row))).collect(), names })
}

/// The names of a batch's files, as far as it shows them.
pub(super) async fn read(
    client: &Client,
    target: &Target,
    batch_id: &str,
) -> Result<Option<Shown>> {
    // An id that nobody can ask for stays unread.
    let Ok(key) = BatchKey::new(target.clone(), batch_id) else { return Ok(None) };
    match client.results(&key, None).await {
        // While it is in processing an answer may show some of its files only.
        Ok(answer) => Ok(look::names(&answer.json).map(|names| Shown {
            batch_id: key.batch_id,
            names,
            complete: answer.finished,
        })),
        Err(error) if ends_the_run(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The ids of a target's batches, where the answer to `view` shows them.
pub(super) fn batch_ids(json: &[u8]) -> Option<Vec<String>> {
    let listed = listed(json)?;
    Some(listed.into_iter().map(|batch| batch.batch_id.into_owned()).collect())
}

/// Whether a question's failure would meet every other one, too.
pub(super) fn ends_the_run(error: &Error) -> bool {
    matches!(error, Error::Status { status: 401 | 403, .. } | Error::Closed(_))
}

/// Whether the same request may succeed later.
pub(super) fn is_passing(error: &Error) -> bool {
    retry::is_transient(error) || matches!(error, Error::Format { .. })
}
