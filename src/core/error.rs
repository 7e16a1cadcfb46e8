//! The one error type of the core: fields, not sentences, and questions as methods.
//!
//! What may be repeated is decided in `retry`, how a failed poll counts in `poll::decide`; both
//! ask here. No variant may ever hold the API key or a proxy's password.

use std::fmt::{self, Write as _};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::model::{BatchAnswer, BatchKey, Target};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Which request an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The HTTP method.
    pub method: &'static str,
    /// The path below the base URL.
    pub path: &'static str,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Everything that can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting of the client is unusable.
    #[error("{setting}: {reason}")]
    Config {
        /// The name of the setting.
        setting: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An argument is unusable; nothing was sent.
    #[error("{0}")]
    Input(String),
    /// A file to upload cannot be read; the service got no complete request.
    #[error("{name}: {source}")]
    File {
        /// The path, or the name of the file object.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The connection could not be made or broke.
    #[error("{call}: {detail}{}", sent_note(*.sent))]
    Connection {
        /// The request.
        call: Call,
        /// Whether the request may have reached the service.
        sent: bool,
        /// What broke.
        detail: String,
    },
    /// No answer came in time.
    #[error("{call}: no {missing} within {:.1} s{}", limit.as_secs_f64(), sent_note(*.sent))]
    Timeout {
        /// The request.
        call: Call,
        /// What did not come: "answer", "connection", ...
        missing: &'static str,
        /// Whether the request may have reached the service.
        sent: bool,
        /// The limit that passed.
        limit: Duration,
    },
    /// The service answered with an error status.
    #[error("{call}: {status} {message}")]
    Status {
        /// The request.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// What the service said.
        message: String,
        /// The beginning of the body.
        body: String,
        /// How long the service asked to wait.
        retry_after: Option<Duration>,
    },
    /// The answer is not what the API promises.
    #[error("{call}: {reason} (status {status}){}", excerpt(.body))]
    Format {
        /// The request.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        reason: String,
        /// The beginning of the body.
        body: String,
    },
    /// An upload that may or may not have been carried out.
    #[error(
        "the outcome of uploading {} to {target} is unknown: {cause}. Nothing was sent again. \
         Look whether the batch is there (`view`, the vendor's dashboard) before you upload again",
        list(.file_names)
    )]
    UploadOutcomeUnknown {
        /// Where the files were sent to.
        target: Target,
        /// The batch that they were to be added to.
        batch_id: Option<String>,
        /// The files' names.
        file_names: Vec<String>,
        /// The hexadecimal SHA-256 of each file that could be read again.
        sha256: Vec<Option<String>>,
        /// Why the outcome is unknown.
        cause: Box<Error>,
    },
    /// What the service shows does not tell what became of an upload.
    #[error("{reason}")]
    Undecided {
        /// What is missing.
        reason: &'static str,
        /// When another look may tell; `None`: none will.
        retry_after: Option<Duration>,
    },
    /// A batch was not finished by the deadline.
    #[error(
        "batch {} of {} was not finished after {:.1} s{}; it goes on at the service: \
         wait again with `client.resume(error.token)`",
        key.batch_id, key.target, waited.as_secs_f64(), last_failure(.cause.as_deref())
    )]
    WaitTimeout {
        /// The batch.
        key: BatchKey,
        /// How long it was waited for.
        waited: Duration,
        /// The last good answer.
        last: Option<Box<BatchAnswer>>,
        /// Why the last poll failed, if it did.
        cause: Option<Box<Error>>,
    },
    /// The journal cannot be read or written.
    #[error("journal {}: {reason}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A run has ended, and not all of its documents have results.
    #[error("{}", incomplete(.documents, *.timed_out))]
    RunIncomplete {
        /// The documents that another run may not finish either, and why.
        documents: Vec<Unfinished>,
        /// The run's limit, where it passed: there are more documents without results then.
        timed_out: Option<Duration>,
    },
    /// The client was closed, or the process is shutting down.
    #[error("{0}")]
    Closed(&'static str),
}

/// A document that a run has no results for.
#[derive(Debug)]
pub struct Unfinished {
    /// The name that the service sees.
    pub name: String,
    /// Where it was read from.
    pub path: Option<String>,
    /// The hexadecimal SHA-256 of its content, where it could be read.
    pub sha256: Option<String>,
    /// Whether it may have been uploaded; otherwise it surely was not, or its batch is gone.
    pub unknown: bool,
    /// The batch that it was in.
    pub batch_id: Option<String>,
    /// What happened.
    pub reason: String,
}

impl Error {
    /// How long the service asked to wait before the next request, or how long to wait before
    /// looking for a lost upload again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::Undecided { retry_after, .. } => *retry_after,
            Self::UploadOutcomeUnknown { cause, .. } => match &**cause {
                cause @ Self::Undecided { .. } => cause.retry_after(),
                _ => None,
            },
            _ => None,
        }
    }

    /// The status of the answer, where one came.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } | Self::Format { status, .. } => Some(*status),
            _ => None,
        }
    }
}

fn sent_note(sent: bool) -> &'static str {
    if sent { "" } else { " (nothing was sent)" }
}

fn excerpt(body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    let start: String = body.chars().take(80).collect();
    format!(": {start:?}")
}

fn list(names: &[String]) -> String {
    match names {
        [first, rest @ ..] if rest.len() > 2 => format!("{first:?} and {} more files", rest.len()),
        _ => names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "),
    }
}

fn incomplete(documents: &[Unfinished], timed_out: Option<Duration>) -> String {
    let unknown = documents.iter().filter(|document| document.unknown).count();
    let mut text = match timed_out {
        Some(limit) => format!(
            "the run was not finished within {:.1} s: run it again with the same journal",
            limit.as_secs_f64()
        ),
        None => format!("{} of the run's documents have no results", documents.len()),
    };
    for document in documents.iter().take(3) {
        let Unfinished { name, reason, .. } = document;
        let _ = write!(text, "; {name:?}: {reason}");
    }
    if documents.len() > 3 {
        let _ = write!(text, "; and {} more", documents.len() - 3);
    }
    if unknown > 0 {
        let _ = write!(
            text,
            ". {unknown} of them may have been uploaded: look for them in the vendor's dashboard; \
             if they are not there, `extracta-rs journal retry --unknown` frees them"
        );
    }
    text
}

fn last_failure(cause: Option<&Error>) -> String {
    cause.map_or_else(String::new, |error| format!(" (the last poll failed: {error})"))
}
