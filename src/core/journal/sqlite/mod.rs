//! The journal's statements: the only folder that names rusqlite. Here what is written.

mod connection;
mod labels;
mod life;
mod opening;
mod pace;
mod reading;
mod rows;
mod trouble;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params,
};

use self::connection::Open;
pub(super) use self::life::Life;
use self::opening::{Prepared, prepare, stub};
use self::rows::{intents, now, signed};
use self::trouble::{damaged, translated};
use super::fork;
use super::owner::Owner;
use super::place::failed;
use super::record::{Admitted, Claim, Hash, Intent, NewDocument, Row, State};
use crate::core::error::Result;
use crate::core::model::Target;

/// An open journal; clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    path: Arc<PathBuf>,
    connection: Arc<Open>,
}

impl Journal {
    /// Opens the file; makes it where it is not there and `create` is set.
    pub fn open(path: &Path, create: bool) -> Result<Self> {
        let _step = fork::step();
        let path = std::path::absolute(path).map_err(|error| failed(path, &error))?;
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
        if !create && !path.exists() {
            return Err(failed(&path, &"there is no such file"));
        }
        if path.is_dir() {
            return Err(failed(&path, &"a folder, not a file: name a file in it"));
        }
        if let Some(reason) = stub(&path) {
            return Err(failed(&path, &reason));
        }
        let opened = Connection::open_with_flags(&path, flags).and_then(prepare);
        match opened {
            Ok(Prepared::Ready(connection)) => {
                // As SQLite does: whatever link it was opened by, runs find each other's locks.
                let path = path.canonicalize().map_err(|error| failed(&path, &error))?;
                let connection = Arc::new(Open::new(connection));
                Ok(Self { path: Arc::new(path), connection })
            }
            Ok(Prepared::Refused(reason)) => Err(failed(&path, &reason)),
            Err(error) => Err(translated(&path, &error)),
        }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a run; it lives until the owner is dropped.
    pub fn begin(&self) -> Result<Owner> {
        life::begin(&self.path).map_err(|error| failed(&self.path, &error))
    }

    /// A run that lives holds its lock: nobody takes it for dead.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // As the interface has it.
    pub fn hold(&self, _owner: &Owner) -> Result<()> {
        Ok(())
    }

    /// The hash of a file that was hashed before and not changed since.
    pub fn hash(&self, path: &Path, size: u64, modified: i64) -> Result<Option<String>> {
        self.read(|connection| {
            let sql = "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND modified = ?";
            let path = path.as_os_str().as_encoded_bytes();
            let values = params![path, signed(size), modified];
            connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
        })
    }

    /// Keeps what files hashed to.
    pub fn keep_hashes(&self, hashes: &[Hash]) -> Result<()> {
        self.write(|transaction| {
            let sql = "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)";
            let mut insert = transaction.prepare_cached(sql)?;
            for (path, size, modified, sha256) in hashes {
                let path = path.as_os_str().as_encoded_bytes();
                insert.execute(params![path, signed(*size), modified, sha256])?;
            }
            Ok(())
        })
    }

    /// Keeps which extraction was made of a template; the first that was kept stays, and is
    /// returned.
    pub fn keep_template(&self, digest: &str, extraction_id: &str) -> Result<String> {
        self.write(|transaction| {
            let sql = "INSERT OR IGNORE INTO templates VALUES (?, ?)";
            transaction.execute(sql, [digest, extraction_id])?;
            let sql = "SELECT target FROM templates WHERE digest = ?";
            transaction.query_row(sql, [digest], |row| row.get(0))
        })
    }

    /// Notes documents that are to be processed; tells where each stands.
    pub fn admit(&self, target: &Target, documents: &[NewDocument]) -> Result<Vec<Admitted>> {
        self.write(|transaction| {
            let sql = "INSERT INTO documents (kind, target, name, sha256, size, path)
                       VALUES (?, ?, ?, ?, ?, ?)
                       ON CONFLICT (kind, target, name, sha256) DO UPDATE
                       SET path = coalesce(excluded.path, path) RETURNING id, batch";
            let mut insert = transaction.prepare_cached(sql)?;
            let admit = |document: &NewDocument| {
                let NewDocument { name, sha256, size, path } = document;
                let values =
                    params![target.kind.name(), target.id, name, sha256, signed(*size), path];
                insert.query_row(values, |row| {
                    Ok(Admitted { document: row.get(0)?, batch: row.get(1)? })
                })
            };
            documents.iter().map(admit).collect()
        })
    }

    /// Writes the intent to upload documents as one batch: those that no other run has taken.
    pub fn claim(&self, owner: &Owner, target: &Target, documents: &[i64]) -> Result<Claim> {
        self.write(|transaction| claim(transaction, owner, target, documents))
    }

    /// Keeps the batch that the service gave for an intent.
    pub fn uploaded(&self, row: Row, batch_id: &str, answer: Option<&[u8]>) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE batches SET state = 'uploaded', batch_id = ?, answer = ?,
                       uploaded_at = ?, owner = NULL, note = NULL WHERE id = ?";
            transaction.execute(sql, params![batch_id, answer, now(), row]).map(drop)
        })
    }

    /// Keeps that an upload may or may not have been carried out.
    pub fn lost(&self, row: Row, note: &str) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE batches SET state = 'lost', lost_at = ?, note = ? WHERE id = ?
                       AND state IN ('uploading', 'lost')";
            transaction.execute(sql, params![now(), note, row]).map(drop)
        })
    }

    /// Keeps that a lost upload could not be decided.
    pub fn unknown(&self, row: Row, note: &str) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE batches SET state = 'unknown', owner = NULL, note = ? WHERE id = ?
                       AND state IN ('uploading', 'lost')";
            transaction.execute(sql, params![note, row]).map(drop)
        })
    }

    /// Frees the documents of an intent that was surely not carried out.
    pub fn release(&self, row: Row, error: Option<&str>) -> Result<()> {
        self.write(|transaction| free(transaction, row, error))
    }

    /// Keeps why a document cannot be uploaded.
    pub fn refuse(&self, document: i64, error: &str) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE documents SET error = ? WHERE id = ? AND batch IS NULL";
            transaction.execute(sql, params![error, document]).map(drop)
        })
    }

    /// Keeps the results of a batch: the vendor's bytes. The first that came stay.
    pub fn finished(&self, row: Row, results: &[u8]) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE batches SET state = 'finished', results = ?, finished_at = ?
                       WHERE id = ? AND results IS NULL";
            transaction.execute(sql, params![results, now(), row]).map(drop)
        })
    }

    /// Makes the uploads that dead runs left, and those that nobody could decide, this run's to
    /// look for.
    pub fn take_over(&self, owner: &Owner, target: &Target) -> Result<Vec<Intent>> {
        self.write(|transaction| {
            let left = intents(
                transaction,
                "WHERE kind = ? AND target = ? AND state IN ('uploading', 'lost', 'unknown')",
                params![target.kind.name(), target.id],
            )?;
            left.into_iter().filter_map(|intent| self.take(transaction, owner, intent)).collect()
        })
    }

    /// The same for one upload; `None` where the run that sends it is alive, or has ended it.
    pub fn take_over_one(&self, owner: &Owner, row: Row) -> Result<Option<Intent>> {
        self.write(|transaction| {
            let condition = "WHERE id = ? AND state IN ('uploading', 'lost')";
            let left = intents(transaction, condition, params![row])?;
            let mut taken =
                left.into_iter().filter_map(|intent| self.take(transaction, owner, intent));
            taken.next().transpose()
        })
    }

    fn take(
        &self,
        transaction: &Transaction<'_>,
        owner: &Owner,
        mut intent: Intent,
    ) -> Option<rusqlite::Result<Intent>> {
        if intent.owner.as_deref().is_some_and(|other| self.is_another(owner, other)) {
            return None;
        }
        let sending = intent.state == State::Uploading;
        let lost_at = if sending { now() } else { intent.lost_at.unwrap_or_else(now) };
        let sql = "UPDATE batches SET state = 'lost', owner = ?, lost_at = ? WHERE id = ?";
        let taken = transaction.execute(sql, params![owner.name(), lost_at, intent.row]);
        intent.state = State::Lost;
        intent.lost_at = Some(lost_at);
        Some(taken.map(|_| intent))
    }

    /// A run of which it cannot be told whether it lives counts as living.
    fn is_another(&self, owner: &Owner, other: &str) -> bool {
        other == owner.name() || life::is_alive(&self.path, other).unwrap_or(true)
    }

    /// Keeps which batches a target has that are not this journal's; `false` where an upload is
    /// open, so that one of them might be.
    pub fn keep_others(&self, target: &Target, batch_ids: &[String]) -> Result<bool> {
        self.write(|transaction| {
            let open: bool = transaction.query_row(
                "SELECT EXISTS (SELECT 1 FROM batches WHERE kind = ? AND target = ?
                 AND state IN ('uploading', 'lost', 'unknown'))",
                [target.kind.name(), &target.id],
                |row| row.get(0),
            )?;
            if open {
                return Ok(false);
            }
            let sql = "INSERT OR IGNORE INTO others SELECT ?1, ?2, ?3 WHERE NOT EXISTS (
                       SELECT 1 FROM batches WHERE kind = ?1 AND target = ?2 AND batch_id = ?3)";
            let mut insert = transaction.prepare_cached(sql)?;
            for batch_id in batch_ids.iter().map(String::as_str).chain([""]) {
                insert.execute([target.kind.name(), &target.id, batch_id])?;
            }
            Ok(true)
        })
    }

    /// Frees the documents of every batch that could not be decided; returns how many.
    pub fn retry_unknown(&self) -> Result<u64> {
        self.write(|transaction| {
            let unknown = intents(transaction, "WHERE state = 'unknown'", params![])?;
            let mut freed = 0;
            for Intent { row, .. } in unknown {
                let sql = "SELECT count(*) FROM documents WHERE batch = ?";
                let count: i64 = transaction.query_row(sql, [row], |row| row.get(0))?;
                freed += count.unsigned_abs();
                free(transaction, row, None)?;
            }
            Ok(freed)
        })
    }

    /// Frees one document of a finished batch, to be uploaded anew; `false` where it is in no
    /// such batch any more.
    pub fn retry_document(&self, document: i64, batch_id: &str) -> Result<bool> {
        self.write(|transaction| {
            let sql = "UPDATE documents SET batch = NULL, place = NULL, error = NULL
                       WHERE id = ? AND batch IN (
                       SELECT id FROM batches WHERE state = 'finished' AND batch_id = ?)";
            Ok(transaction.execute(sql, params![document, batch_id])? > 0)
        })
    }

    /// Looks through the whole file for damage.
    pub fn check(&self) -> Result<()> {
        let told: String = self
            .read(|connection| connection.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)))?;
        if told == "ok" { Ok(()) } else { Err(failed(&self.path, &damaged(&told))) }
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let done = self.connection.step(|connection| work(connection));
        self.outcome(done)
    }

    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let done = self.connection.step(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        self.outcome(done)
    }

    fn outcome<T>(&self, done: Option<rusqlite::Result<T>>) -> Result<T> {
        match done {
            Some(done) => done.map_err(|error| translated(&self.path, &error)),
            None => Err(failed(&self.path, &"it was opened before a fork: open it again here")),
        }
    }
}

fn claim(
    transaction: &Transaction<'_>,
    owner: &Owner,
    target: &Target,
    documents: &[i64],
) -> rusqlite::Result<Claim> {
    let mut claim = Claim::default();
    let mut standing = transaction.prepare_cached("SELECT batch FROM documents WHERE id = ?")?;
    for &document in documents {
        match standing.query_row([document], |row| row.get::<_, Option<Row>>(0))? {
            Some(row) => claim.taken.push((document, row)),
            None => claim.documents.push(document),
        }
    }
    if claim.documents.is_empty() {
        return Ok(claim);
    }
    transaction.execute(
        "INSERT INTO batches (kind, target, state, owner, intended_at)
         VALUES (?, ?, 'uploading', ?, ?)",
        params![target.kind.name(), target.id, owner.name(), now()],
    )?;
    let row = transaction.last_insert_rowid();
    let mut assign = transaction
        .prepare_cached("UPDATE documents SET batch = ?, place = ?, error = NULL WHERE id = ?")?;
    for (document, place) in claim.documents.iter().zip(0_i64..) {
        assign.execute(params![row, place, document])?;
    }
    claim.row = Some(row);
    Ok(claim)
}

fn free(transaction: &Transaction<'_>, row: Row, error: Option<&str>) -> rusqlite::Result<()> {
    let sql = "UPDATE batches SET state = 'released', owner = NULL, note = ? WHERE id = ?
               AND state IN ('uploading', 'lost', 'unknown')";
    if transaction.execute(sql, params![error, row])? == 0 {
        return Ok(());
    }
    let sql = "UPDATE documents SET batch = NULL, place = NULL, error = ? WHERE batch = ?";
    transaction.execute(sql, params![error, row]).map(drop)
}
