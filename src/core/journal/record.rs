//! What stands in a journal, as plain values.

use std::path::PathBuf;

use crate::core::model::{BatchKey, Target};

/// A file's path, its size, when it was changed (nanoseconds since 1970), and its SHA-256.
pub type Hash = (PathBuf, u64, i64, String);

/// The number of a batch's row; the service's id comes later.
pub type Row = i64;

/// What is known of a batch. See `schema` for what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Being sent by a run.
    Uploading,
    /// Perhaps carried out; being looked for.
    Lost,
    /// Perhaps carried out; cannot be decided.
    Unknown,
    /// In processing at the service.
    Uploaded,
    /// Its results are here.
    Finished,
    /// Not carried out, or given up.
    Released,
}

impl State {
    /// All of them, in the order of a batch's life.
    pub const ALL: [Self; 6] = [
        Self::Uploading,
        Self::Lost,
        Self::Unknown,
        Self::Uploaded,
        Self::Finished,
        Self::Released,
    ];

    /// As the file and the command line name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
            Self::Uploaded => "uploaded",
            Self::Finished => "finished",
            Self::Released => "released",
        }
    }
}

/// A document that a run was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// The name that the service sees.
    pub name: String,
    /// The hexadecimal SHA-256 of its content. With the name it tells documents apart.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where it was read from.
    pub path: Option<String>,
}

/// Where a document stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The number of its row.
    pub document: i64,
    /// The batch that it is in; none: it is to be uploaded.
    pub batch: Option<Row>,
}

/// What became of the wish to upload documents as a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// The intent, where there was something left to upload.
    pub row: Option<Row>,
    /// The documents that are in it, in the order in which they were asked for.
    pub documents: Vec<i64>,
    /// The documents that another run had taken, with its batches.
    pub taken: Vec<(i64, Row)>,
    /// The documents that another run is taking at this moment.
    pub busy: Vec<i64>,
}

/// A batch as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The number of its row.
    pub row: Row,
    /// What is known of it.
    pub state: State,
    /// The run that sends or seeks it.
    pub owner: Option<String>,
    /// The service's id, once it is known.
    pub key: Option<BatchKey>,
    /// The last moment at which it may have been sent, in milliseconds since 1970.
    pub lost_at: Option<i64>,
}

/// A document with its batch, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The number of its row.
    pub id: i64,
    /// The document.
    pub document: NewDocument,
    /// What it is to be processed with.
    pub target: Target,
    /// What is known of its batch; none: it is to be uploaded.
    pub state: Option<State>,
    /// The service's id of the batch.
    pub batch_id: Option<String>,
    /// Why the last try was refused, or what makes the batch unknown.
    pub note: Option<String>,
}

/// The batches that the service gave, and must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witnesses {
    /// Those in processing.
    pub running: Vec<String>,
    /// Those with results here; the service may have deleted them since.
    pub finished: Vec<String>,
}

impl Witnesses {
    /// Adds a batch in one of the two states that have an id.
    pub(super) fn add(&mut self, state: State, batch_id: String) {
        match state {
            State::Finished => self.finished.push(batch_id),
            _ => self.running.push(batch_id),
        }
    }
}

/// Adds the name of a document to those of its batch; the documents come batch by batch.
pub(super) fn add_name(found: &mut Vec<(Row, Vec<String>)>, row: Row, name: String) {
    match found.last_mut() {
        Some((last, names)) if *last == row => names.push(name),
        _ => found.push((row, vec![name])),
    }
}

/// How many documents there are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// To be uploaded.
    pub planned: u64,
    /// Not uploaded, since the last try was refused.
    pub refused: u64,
    /// Being uploaded, or lost with the process that did.
    pub uploading: u64,
    /// Perhaps uploaded.
    pub unknown: u64,
    /// In processing at the service.
    pub uploaded: u64,
    /// With results.
    pub finished: u64,
}

impl Counts {
    /// Adds documents by the state of their batch, if they have one, and whether they were refused.
    pub(super) fn add(&mut self, state: Option<State>, refused: bool, documents: u64) {
        let count = match state {
            None if refused => &mut self.refused,
            None | Some(State::Released) => &mut self.planned,
            Some(State::Uploading | State::Lost) => &mut self.uploading,
            Some(State::Unknown) => &mut self.unknown,
            Some(State::Uploaded) => &mut self.uploaded,
            Some(State::Finished) => &mut self.finished,
        };
        *count += documents;
    }
}
