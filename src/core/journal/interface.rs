//! What a journal does, wherever it is kept.

use std::path::Path;
use std::time::Duration;

use super::owner::Owner;
#[cfg(feature = "postgres")]
use super::postgres;
use super::record::{Admitted, Claim, Counts, Document, Hash, Intent, NewDocument, Row, Witnesses};
use super::{place, sqlite};
use crate::core::error::Result;
use crate::core::line::{Step, Told};
use crate::core::model::{BatchKey, Target};

/// An open journal; clones share it.
#[derive(Debug, Clone)]
pub struct Journal(Kept);

#[derive(Debug, Clone)]
enum Kept {
    Sqlite(sqlite::Journal),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Journal),
}

macro_rules! each {
    ($($(#[$doc:meta])* fn $name:ident($($value:ident: $kind:ty),*) -> $result:ty;)*) => {
        impl Journal {
            $($(#[$doc])*
            pub fn $name(&self, $($value: $kind),*) -> $result {
                match &self.0 {
                    Kept::Sqlite(journal) => journal.$name($($value),*),
                    #[cfg(feature = "postgres")]
                    Kept::Postgres(journal) => journal.$name($($value),*),
                }
            })*
        }
    };
}

impl Journal {
    /// Opens a file, or the database that a `postgresql://` URL names; makes the journal where
    /// there is none and `create` is set.
    pub fn open(place: &Path, create: bool) -> Result<Self> {
        match place::url(place) {
            None => sqlite::Journal::open(place, create).map(|journal| Self(Kept::Sqlite(journal))),
            Some(url) => Self::connect(url, create),
        }
    }

    #[cfg(feature = "postgres")]
    fn connect(url: &str, create: bool) -> Result<Self> {
        postgres::Journal::open(url, create).map(|journal| Self(Kept::Postgres(journal)))
    }

    #[cfg(not(feature = "postgres"))]
    fn connect(url: &str, _create: bool) -> Result<Self> {
        let reason = "this build of extracta_rs cannot keep a journal in PostgreSQL: build it from \
                      source with the cargo feature `postgres`, see docs/installation.md";
        Err(place::failed(Path::new(&place::shown(url)), &reason))
    }

    /// The same journal, opened anew: in a forked child, where the copy is closed.
    pub fn reopen(&self) -> Result<Self> {
        match &self.0 {
            Kept::Sqlite(journal) => Self::open(journal.path(), false),
            #[cfg(feature = "postgres")]
            Kept::Postgres(journal) => Ok(Self(Kept::Postgres(journal.reopen()?))),
        }
    }
}

each! {
    /// Where it is: the file, or the database's URL without its password.
    #[must_use]
    fn path() -> &Path;
    /// Begins a run; it lives until the owner is dropped.
    fn begin() -> Result<Owner>;
    /// Makes sure that nobody takes this run for dead, so that it may send.
    fn hold(owner: &Owner) -> Result<()>;
    /// The hash of a file that was hashed before and not changed since.
    fn hash(path: &Path, size: u64, modified: i64) -> Result<Option<String>>;
    /// Keeps what files hashed to.
    fn keep_hashes(hashes: &[Hash]) -> Result<()>;
    /// The extraction that was made of a template.
    fn template(digest: &str) -> Result<Option<String>>;
    /// Keeps which extraction was made of a template; the first that was kept stays, and is
    /// returned.
    fn keep_template(digest: &str, extraction_id: &str) -> Result<String>;
    /// Notes documents that are to be processed; tells where each stands.
    fn admit(target: &Target, documents: &[NewDocument]) -> Result<Vec<Admitted>>;
    /// Writes the intent to upload documents as one batch: those that no other run has taken.
    fn claim(owner: &Owner, target: &Target, documents: &[i64]) -> Result<Claim>;
    /// Keeps the batch that the service gave for an intent.
    fn uploaded(row: Row, batch_id: &str, answer: Option<&[u8]>) -> Result<()>;
    /// Keeps that an upload may or may not have been carried out.
    fn lost(row: Row, note: &str) -> Result<()>;
    /// Keeps that a lost upload could not be decided.
    fn unknown(row: Row, note: &str) -> Result<()>;
    /// Frees the documents of an intent that was surely not carried out; not where another run
    /// found meanwhile that it was.
    fn release(row: Row, error: Option<&str>) -> Result<()>;
    /// Keeps why a document cannot be uploaded.
    fn refuse(document: i64, error: &str) -> Result<()>;
    /// Keeps the results of a batch: the vendor's bytes. The first that came stay.
    fn finished(row: Row, results: &[u8]) -> Result<()>;
    /// Makes the uploads that dead runs left, and those that nobody could decide, this run's to
    /// look for.
    fn take_over(owner: &Owner, target: &Target) -> Result<Vec<Intent>>;
    /// The same for one upload; `None` where the run that sends it is alive, or has ended it.
    fn take_over_one(owner: &Owner, row: Row) -> Result<Option<Intent>>;
    /// The upload of a label, whatever became of it; none that was released.
    fn labelled(target: &Target, mark: &str) -> Result<Option<Intent>>;
    /// Writes the intent to upload documents under a label; `None` where another did so first.
    fn claim_labelled(owner: &Owner, target: &Target, mark: &str, documents: &[i64]) -> Result<Option<Row>>;
    /// Makes the upload of a label this owner's to look for, where it may have been carried out
    /// and no living run sends or seeks it.
    fn take_over_labelled(owner: &Owner, target: &Target, mark: &str) -> Result<Option<Intent>>;
    /// Keeps which batches a target has that are not this journal's; `false` where an upload is
    /// open, so that one of them might be.
    fn keep_others(target: &Target, batch_ids: &[String]) -> Result<bool>;
    /// Frees the documents of every batch that could not be decided; returns how many.
    fn retry_unknown() -> Result<u64>;
    /// Frees one document of a finished batch, to be uploaded anew; `false` where it is in no
    /// such batch any more.
    fn retry_document(document: i64, batch_id: &str) -> Result<bool>;
    /// The names of the documents of each upload of a target that may have been carried out.
    fn open_uploads(target: &Target) -> Result<Vec<(Row, Vec<String>)>>;
    /// A batch as it is now.
    fn intent(row: Row) -> Result<Option<Intent>>;
    /// The documents of a batch, in the order in which they were sent.
    fn documents_of(row: Row) -> Result<Vec<(i64, NewDocument)>>;
    /// Every batch id of a target that is no candidate for a lost upload. The empty id is among
    /// them once `keep_others` has looked.
    fn accounted(target: &Target) -> Result<Vec<String>>;
    /// The batches of a target that the service must know.
    fn witnesses(target: &Target) -> Result<Witnesses>;
    /// The results of a batch: the vendor's bytes.
    fn results(row: Row) -> Result<Option<Vec<u8>>>;
    /// The finished batches behind `after`, at most `limit`, in the order of their rows.
    fn finished_after(after: Row, limit: u32) -> Result<Vec<(Row, BatchKey)>>;
    /// The documents behind `after`, at most `limit`, in the order in which they came.
    fn documents_after(after: i64, limit: u32) -> Result<Vec<Document>>;
    /// How many documents there are in each state.
    fn counts() -> Result<Counts>;
    /// Makes a step in the line of this name, by one whose spacing is never below `least`.
    fn pace(line: &str, least: Duration, step: Step) -> Result<Told>;
    /// Looks through the whole journal for damage.
    fn check() -> Result<()>;
}
