//! Looks for one labelled upload: through the service's batches, or with what a journal knows.

use std::collections::HashMap;

use super::Shared;
use super::label::{self, Shown};
use super::look::Verdict;
use super::seek::{MOST_CANDIDATES, Names, batch_ids, is_passing, read, seek};
use crate::core::api::Client;
use crate::core::error::Result;
use crate::core::journal::Row;
use crate::core::model::Target;

/// What is looked for at the service: so many files with a mark.
pub(super) struct Sought<'a> {
    pub(super) client: &'a Client,
    pub(super) target: &'a Target,
    pub(super) mark: &'a str,
    pub(super) files: usize,
}

/// Who looks for an upload.
pub(super) enum Looker<'a> {
    /// Only the service knows of it. `seen`: the batches whose names are all known.
    Service { sought: Sought<'a>, seen: HashMap<String, Shown> },
    /// The journal tells which batches it cannot be.
    Journal { shared: &'a Shared, row: Row, names: Names },
}

impl Looker<'_> {
    /// Looks once.
    pub(super) async fn look(&mut self) -> Result<Verdict> {
        match self {
            Self::Service { sought, seen } => look_through(sought, seen).await,
            Self::Journal { shared, row, names } => {
                let found = seek(shared.clone(), vec![*row], std::mem::take(names)).await?;
                *names = found.names;
                let verdict = found.verdicts.into_iter().next();
                Ok(verdict.map_or(Verdict::Undecided, |(_, verdict)| verdict))
            }
        }
    }
}

async fn look_through(sought: &Sought<'_>, seen: &mut HashMap<String, Shown>) -> Result<Verdict> {
    let json = match sought.client.view(sought.target).await {
        Ok(json) => json,
        Err(error) if is_passing(&error) => return Ok(Verdict::NotYet),
        Err(error) => return Err(error),
    };
    let Some(mut batches) = batch_ids(&json) else { return Ok(Verdict::Undecided) };
    // The service's ids seem to grow with time: what is looked for is likely among the last.
    batches.sort_unstable_by(|one, other| other.cmp(one));
    let few = batches.len() <= MOST_CANDIDATES;
    let mut shown = Vec::new();
    for batch_id in batches.into_iter().take(MOST_CANDIDATES) {
        let batch = match seen.get(&batch_id) {
            Some(known) => known.clone(),
            None => read(sought.client, sought.target, &batch_id).await?.unwrap_or(Shown {
                batch_id,
                names: Vec::new(),
                complete: false,
            }),
        };
        if batch.names.iter().any(|name| name.starts_with(sought.mark)) {
            return Ok(Verdict::Found(batch.batch_id));
        }
        if batch.complete {
            seen.insert(batch.batch_id.clone(), batch.clone());
        }
        shown.push(batch);
    }
    if few { Ok(label::decide(sought.mark, sought.files, &shown)) } else { Ok(Verdict::Undecided) }
}
