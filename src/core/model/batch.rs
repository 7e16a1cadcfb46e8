//! Answers about a batch, and the question that everything waits for: is it finished?
//!
//! Statuses that nobody documented are not final. The files decide; the status at the top only
//! holds a batch open, or speaks for files that carry no status of their own.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::BatchKey;
use super::shape::{FileShape, Shape};

/// The answer to a request for results.
#[derive(Debug, Clone)]
pub struct BatchAnswer {
    /// Which batch was asked for.
    pub key: BatchKey,
    /// The vendor's JSON, untouched.
    pub json: Bytes,
    /// Whether every file is in a final state.
    pub finished: bool,
    /// Statuses in it that are not known here.
    pub unknown_statuses: BTreeSet<String>,
    /// What stands where in it.
    pub shape: Arc<Shape>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Final,
    Unknown,
}

fn state(status: &str) -> State {
    match status {
        "waiting" | "processing" => State::Running,
        "processed" | "finished" | "failed" => State::Final,
        _ => State::Unknown,
    }
}

/// Whether a status says that nothing more will come.
pub(crate) fn says_final(status: &str) -> bool {
    state(status) == State::Final
}

impl BatchAnswer {
    /// Reads an answer; the error says in words what is wrong with it.
    pub fn parse(key: BatchKey, json: Bytes) -> Result<Self, String> {
        let text = std::str::from_utf8(&json).map_err(|error| format!("not UTF-8: {error}"))?;
        let shape = Shape::read(text)?;
        if shape.status.is_none() && shape.files.is_none() {
            return Err("neither `status` nor `files` is in the answer".to_owned());
        }
        let statuses = shape
            .status
            .iter()
            .chain(shape.files.iter().flatten().filter_map(|file| file.status.as_ref()));
        let unknown_statuses =
            statuses.filter(|status| state(status) == State::Unknown).cloned().collect();
        let (finished, shape) = (shape.finished(), Arc::new(shape));
        Ok(Self { key, json, finished, unknown_statuses, shape })
    }
}

/// How many files of a batch an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub files: usize,
    /// Those in a final state.
    pub done: usize,
    /// Those whose processing failed.
    pub failed: usize,
}

impl BatchAnswer {
    /// The status at the top of the answer, and its files counted, where it shows them.
    #[must_use]
    pub fn summary(&self) -> (Option<String>, Option<Counts>) {
        let shape = &*self.shape;
        let top = shape.status.as_deref().map(state);
        let counts = shape.files.as_ref().map(|files| Counts {
            files: files.len(),
            done: files.iter().filter(|file| file.finished(top)).count(),
            failed: files.iter().filter(|file| file.status.as_deref() == Some("failed")).count(),
        });
        (shape.status.clone(), counts)
    }
}

impl Shape {
    fn finished(&self) -> bool {
        let top = self.status.as_deref().map(state);
        let files = self.files.as_deref().unwrap_or_default();
        if files.is_empty() {
            return top == Some(State::Final);
        }
        top != Some(State::Running) && files.iter().all(|file| file.finished(top))
    }
}

impl FileShape {
    fn finished(&self, top: Option<State>) -> bool {
        match self.status.as_deref().map(state) {
            Some(own) => own == State::Final,
            None => top == Some(State::Final) || self.has_outcome(),
        }
    }
}

/// The answer to an upload.
#[derive(Debug, Clone)]
pub struct UploadAnswer {
    /// The batch that the files are in.
    pub key: BatchKey,
    /// The vendor's JSON, untouched.
    pub json: Bytes,
}

/// What `serde_json` found, without its Rust words.
pub(crate) fn describe(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => format!("JSON of an unexpected shape: {error}"),
        _ => format!("not JSON: {error}"),
    }
}
