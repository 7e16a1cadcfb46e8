//! What became of an upload whose answer was lost. Pure: what was seen comes in as values.
//!
//! The danger is to find "not there" what is there under another name, or later: whatever cannot
//! be explained makes the answer "undecided", never "absent".

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

/// Between two looks for a lost upload; doubled each time.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two looks.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Between two looks at what another process does.
pub(super) const NEIGHBOURS: Duration = Duration::from_secs(1);

/// When to look next, and the pause behind that: soon at first, then ever more rarely, but as soon
/// as an absence counts, where that is to come.
pub(super) fn next(now: Instant, pause: Duration, settled: Option<Instant>) -> (Instant, Duration) {
    let next = settled.map_or(now + pause, |settled| settled.min(now + pause));
    (next, (pause * 2).min(LONGEST_PAUSE))
}

/// An upload that may have been carried out: the names of its files, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its row in the journal.
    pub row: i64,
    /// The names of its files, sorted.
    pub names: Vec<String>,
}

/// A batch of the service that nobody has accounted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The service's id of it.
    pub batch_id: String,
    /// The names of its files, sorted; `None`: they could not be read (yet).
    pub names: Option<Vec<String>>,
}

/// What can be said of a lost upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was carried out as this batch.
    Found(String),
    /// It is not there.
    Absent,
    /// A batch may be it, but cannot be read yet.
    NotYet,
    /// What is there allows both.
    Undecided,
}

/// Says for one lost upload what can be said, among all that are open.
#[must_use]
pub fn decide(lost: &Open, open: &[Open], candidates: &[Candidate]) -> Verdict {
    let rivals = open.iter().filter(|other| other.names == lost.names && other.row != lost.row);
    let same: Vec<_> = candidates
        .iter()
        .filter(|candidate| candidate.names.as_ref() == Some(&lost.names))
        .collect();
    if let ([found], 0) = (&same[..], rivals.count()) {
        return Verdict::Found(found.batch_id.clone());
    }
    if !same.is_empty() {
        return Verdict::Undecided;
    }
    let unread = candidates.iter().any(|candidate| candidate.names.is_none());
    if unread {
        return Verdict::NotYet;
    }
    // A service may have changed names, or split files: a batch of as many files or more that is
    // nobody's may be it. It may also have left files out: so may one that shares a name.
    let explained = |candidate: &Candidate| {
        candidate.names.as_ref().is_some_and(|names| {
            open.iter().any(|other| other.names == *names)
                || (names.len() < lost.names.len()
                    && names.iter().all(|name| lost.names.binary_search(name).is_err()))
        })
    };
    if candidates.iter().all(explained) { Verdict::Absent } else { Verdict::Undecided }
}

/// Whether a listing shows enough for "absent": one that lags behind, is cut short, or leaves out
/// what is finished would make an upload look absent that was carried out.
///
/// `running`: what the service was processing before it was asked; `finished`: what it had
/// finished by then, and may have deleted since.
#[must_use]
pub fn confirm<S: BuildHasher>(
    verdict: Verdict,
    listed: &HashSet<String, S>,
    running: &[String],
    finished: &[String],
) -> Verdict {
    if verdict != Verdict::Absent {
        return verdict;
    }
    if !running.iter().all(|id| listed.contains(id)) {
        return Verdict::NotYet;
    }
    if !finished.is_empty() && !finished.iter().any(|id| listed.contains(id)) {
        return Verdict::Undecided;
    }
    verdict
}

#[derive(Deserialize)]
struct Files {
    files: Option<Vec<File>>,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "fileName")]
    name: Option<String>,
}

/// The sorted names of a batch's files; `None` where the answer does not tell all of them.
#[must_use]
pub fn names(json: &[u8]) -> Option<Vec<String>> {
    let Files { files } = serde_json::from_slice(json).ok()?;
    let mut names: Vec<_> = files?.into_iter().map(|file| file.name).collect::<Option<_>>()?;
    names.sort_unstable();
    (!names.is_empty()).then_some(names)
}
