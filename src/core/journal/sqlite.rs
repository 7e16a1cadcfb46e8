//! The journal's statements: the only file that names rusqlite.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row as SqlRow, Transaction,
    TransactionBehavior, params,
};

use super::owner::{self, Owner};
use super::record::{
    Admitted, Claim, Counts, Document, Intent, NewDocument, Row, State, Witnesses,
};
use super::schema::{APPLICATION_ID, STEPS};
use crate::core::error::{Error, Result};
use crate::core::model::{BatchKey, Kind, Target};

const NO_DATABASE: &str = "not an SQLite file: name another file";
/// How long one process waits for another to finish writing.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open journal; clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    path: Arc<PathBuf>,
    connection: Arc<Mutex<Connection>>,
}

impl Journal {
    /// Opens the file; makes it where it is not there and `create` is set.
    pub fn open(path: &Path, create: bool) -> Result<Self> {
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
                let connection = Arc::new(Mutex::new(connection));
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
        Owner::new(&self.path).map_err(|error| failed(&self.path, &error))
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
    pub fn keep_hashes(&self, hashes: &[(PathBuf, u64, i64, String)]) -> Result<()> {
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
        self.write(|transaction| {
            let mut claim = Claim { row: None, documents: Vec::new(), taken: Vec::new() };
            let mut standing =
                transaction.prepare_cached("SELECT batch FROM documents WHERE id = ?")?;
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
            let mut assign = transaction.prepare_cached(
                "UPDATE documents SET batch = ?, place = ?, error = NULL WHERE id = ?",
            )?;
            for (document, place) in claim.documents.iter().zip(0_i64..) {
                assign.execute(params![row, place, document])?;
            }
            claim.row = Some(row);
            Ok(claim)
        })
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
            let sql = "UPDATE batches SET state = 'lost', lost_at = ?, note = ? WHERE id = ?";
            transaction.execute(sql, params![now(), note, row]).map(drop)
        })
    }

    /// Keeps that a lost upload could not be decided.
    pub fn unknown(&self, row: Row, note: &str) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE batches SET state = 'unknown', owner = NULL, note = ? WHERE id = ?";
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

    /// The names of the documents of each upload of a target that may have been carried out.
    pub fn open_uploads(&self, target: &Target) -> Result<Vec<(Row, Vec<String>)>> {
        self.read(|connection| {
            let sql = "SELECT b.id, d.name FROM batches b JOIN documents d ON d.batch = b.id
                       WHERE b.kind = ? AND b.target = ?
                       AND b.state IN ('uploading', 'lost', 'unknown') ORDER BY b.id, d.place";
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query([target.kind.name(), &target.id])?;
            let mut found: Vec<(Row, Vec<String>)> = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, name) = (row.get(0)?, row.get(1)?);
                match found.last_mut() {
                    Some((last, names)) if *last == id => names.push(name),
                    _ => found.push((id, vec![name])),
                }
            }
            Ok(found)
        })
    }

    /// A run of which it cannot be told whether it lives counts as living.
    fn is_another(&self, owner: &Owner, other: &str) -> bool {
        other == owner.name() || owner::is_alive(&self.path, other).unwrap_or(true)
    }

    /// A batch as it is now.
    pub fn intent(&self, row: Row) -> Result<Option<Intent>> {
        self.read(|connection| {
            intents(connection, "WHERE id = ?", params![row]).map(|mut found| found.pop())
        })
    }

    /// The documents of a batch, in the order in which they were sent.
    pub fn documents_of(&self, row: Row) -> Result<Vec<(i64, NewDocument)>> {
        self.read(|connection| {
            let sql = "SELECT id, name, sha256, size, path FROM documents WHERE batch = ?
                       ORDER BY place";
            let mut select = connection.prepare_cached(sql)?;
            let found = select.query_map([row], |row| Ok((row.get(0)?, document(row)?)))?;
            found.collect()
        })
    }

    /// Every batch id of a target that is no candidate for a lost upload. The empty id is among
    /// them once `keep_others` has looked.
    pub fn accounted(&self, target: &Target) -> Result<Vec<String>> {
        self.read(|connection| {
            let sql = "SELECT batch_id FROM others WHERE kind = ?1 AND target = ?2
                       UNION ALL SELECT batch_id FROM batches
                       WHERE kind = ?1 AND target = ?2 AND batch_id IS NOT NULL";
            let mut select = connection.prepare_cached(sql)?;
            let found = select.query_map([target.kind.name(), &target.id], |row| row.get(0))?;
            found.collect()
        })
    }

    /// The batches of a target that the service must know.
    pub fn witnesses(&self, target: &Target) -> Result<Witnesses> {
        self.read(|connection| {
            let sql = "SELECT batch_id, state FROM batches WHERE kind = ? AND target = ?
                       AND state IN ('uploaded', 'finished') AND batch_id IS NOT NULL";
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query([target.kind.name(), &target.id])?;
            let mut found = Witnesses::default();
            while let Some(row) = rows.next()? {
                match state(&row.get::<_, String>(1)?)? {
                    State::Finished => found.finished.push(row.get(0)?),
                    _ => found.running.push(row.get(0)?),
                }
            }
            Ok(found)
        })
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

    /// The results of a batch: the vendor's bytes.
    pub fn results(&self, row: Row) -> Result<Option<Vec<u8>>> {
        self.read(|connection| {
            let sql = "SELECT results FROM batches WHERE id = ?";
            let found = connection.prepare_cached(sql)?.query_row([row], |row| row.get(0));
            found.optional().map(Option::flatten)
        })
    }

    /// The finished batches behind `after`, at most `limit`, in the order of their rows.
    pub fn finished_after(&self, after: Row, limit: u32) -> Result<Vec<(Row, BatchKey)>> {
        self.read(|connection| {
            let sql = "WHERE state = 'finished' AND id > ? ORDER BY id LIMIT ?";
            let found = intents(connection, sql, params![after, limit])?;
            Ok(found.into_iter().filter_map(|intent| Some((intent.row, intent.key?))).collect())
        })
    }

    /// The documents behind `after`, at most `limit`, in the order in which they came.
    pub fn documents_after(&self, after: i64, limit: u32) -> Result<Vec<Document>> {
        self.read(|connection| {
            let sql = "SELECT d.id, d.name, d.sha256, d.size, d.path, d.kind, d.target,
                       b.state, b.batch_id, coalesce(d.error, b.note)
                       FROM documents d LEFT JOIN batches b ON b.id = d.batch
                       WHERE d.id > ? ORDER BY d.id LIMIT ?";
            let mut select = connection.prepare_cached(sql)?;
            let found = select.query_map(params![after, limit], |row| {
                Ok(Document {
                    id: row.get(0)?,
                    document: document(row)?,
                    target: Target { kind: kind(row, 5)?, id: row.get(6)? },
                    state: row.get::<_, Option<String>>(7)?.map(|name| state(&name)).transpose()?,
                    batch_id: row.get(8)?,
                    note: row.get(9)?,
                })
            })?;
            found.collect()
        })
    }

    /// How many documents there are in each state.
    pub fn counts(&self) -> Result<Counts> {
        self.read(|connection| {
            let sql = "SELECT b.state, d.error IS NOT NULL, count(*) FROM documents d
                       LEFT JOIN batches b ON b.id = d.batch GROUP BY 1, 2";
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query([])?;
            let mut counts = Counts::default();
            while let Some(row) = rows.next()? {
                let state =
                    row.get::<_, Option<String>>(0)?.map(|name| state(&name)).transpose()?;
                let count = match state {
                    None if row.get(1)? => &mut counts.refused,
                    None | Some(State::Released) => &mut counts.planned,
                    Some(State::Uploading | State::Lost) => &mut counts.uploading,
                    Some(State::Unknown) => &mut counts.unknown,
                    Some(State::Uploaded) => &mut counts.uploaded,
                    Some(State::Finished) => &mut counts.finished,
                };
                *count += row.get::<_, i64>(2)?.unsigned_abs();
            }
            Ok(counts)
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

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A transaction that was not committed was rolled back when it was dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        work(&self.connection()).map_err(|error| translated(&self.path, &error))
    }

    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let write = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        write().map_err(|error| translated(&self.path, &error))
    }
}

/// Why a file must not be opened: what is shorter than `SQLite`'s smallest page would pass for a new
/// file and be overwritten. No journal was ever so short, not even while it was made.
fn stub(path: &Path) -> Option<String> {
    const SMALLEST: u64 = 512;
    const HEADER: &[u8] = b"SQLite format 3\0";
    let size = |path: &Path| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    let main = size(path)?.len();
    if main >= SMALLEST {
        return None;
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = size(Path::new(&log)).is_some_and(|log| log.len() > 0);
    let begins = std::fs::read(path).ok()?;
    if has_log || (main > 0 && begins.starts_with(HEADER)) {
        return Some(damaged("it was cut short"));
    }
    (main > 0).then(|| NO_DATABASE.to_owned())
}

enum Prepared {
    Ready(Connection),
    Refused(String),
}

fn prepare(mut connection: Connection) -> rusqlite::Result<Prepared> {
    connection.busy_timeout(PATIENCE)?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |r| r.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (application != 0 || tables != 0) {
        let text = "an SQLite file, but no journal of extracta_rs: name another file";
        return Ok(Prepared::Refused(text.to_owned()));
    }
    let mode = write_ahead(&connection)?;
    if mode != "wal" {
        let text = format!(
            "SQLite cannot keep a write-ahead log here (it says {mode:?}): put the \
                            journal on a local disk"
        );
        return Ok(Prepared::Refused(text));
    }
    // A commit is on the disk before anything is sent that costs money.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = transaction
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?
        .try_into()
        .unwrap_or(usize::MAX);
    if version > STEPS.len() {
        let text = format!("made by a newer release (version {version}): upgrade extracta_rs");
        return Ok(Prepared::Refused(text));
    }
    if version < STEPS.len() {
        for step in &STEPS[version..] {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", STEPS.len().cast_signed())?;
    }
    transaction.commit()?;
    Ok(Prepared::Ready(connection))
}

/// Two processes that open a new file at once: `SQLite` does not wait for this change by itself.
fn write_ahead(connection: &Connection) -> rusqlite::Result<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let changed =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
        match changed {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            changed => return changed,
        }
    }
}

fn free(transaction: &Transaction<'_>, row: Row, error: Option<&str>) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE documents SET batch = NULL, place = NULL, error = ? WHERE batch = ?",
        params![error, row],
    )?;
    let sql = "UPDATE batches SET state = 'released', owner = NULL, note = ? WHERE id = ?";
    transaction.execute(sql, params![error, row]).map(drop)
}

fn intents(
    connection: &Connection,
    condition: &str,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<Intent>> {
    let sql = format!(
        "SELECT id, state, owner, batch_id, lost_at, kind, target FROM batches {condition}"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map(values, |row| {
        let batch_id: Option<String> = row.get(3)?;
        let target = Target { kind: kind(row, 5)?, id: row.get(6)? };
        Ok(Intent {
            row: row.get(0)?,
            state: state(&row.get::<_, String>(1)?)?,
            owner: row.get(2)?,
            key: batch_id.map(|batch_id| BatchKey { target, batch_id }),
            lost_at: row.get(4)?,
        })
    })?;
    found.collect()
}

/// Columns 1 to 4.
fn document(row: &SqlRow<'_>) -> rusqlite::Result<NewDocument> {
    Ok(NewDocument {
        name: row.get(1)?,
        sha256: row.get(2)?,
        size: row.get::<_, i64>(3)?.unsigned_abs(),
        path: row.get(4)?,
    })
}

fn state(name: &str) -> rusqlite::Result<State> {
    let found = State::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or_else(|| unreadable("state"))
}

fn kind(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Kind> {
    let name: String = row.get(column)?;
    let found = [Kind::Extraction, Kind::Classification].into_iter().find(|k| k.name() == name);
    found.ok_or_else(|| unreadable("kind"))
}

fn unreadable(what: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnName(what.to_owned())
}

/// Sizes are far within what `SQLite`'s integers hold.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The wall clock, which a restart of the machine does not reset.
fn now() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)
}

fn failed(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Journal { path: path.to_owned(), reason: reason.to_string() }
}

fn damaged(told: &str) -> String {
    format!("the file is damaged ({told}): keep it, and go on with a copy that is not")
}

fn translated(path: &Path, error: &rusqlite::Error) -> Error {
    let text = error.to_string();
    let reason = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => damaged(&text),
        Some(ErrorCode::NotADatabase) => NO_DATABASE.to_owned(),
        Some(ErrorCode::DiskFull) => {
            "the disk is full; the last step was not written, and nothing by halves. Make room, \
             then go on with the same journal"
                .to_owned()
        }
        Some(ErrorCode::SystemIoFailure) => format!(
            "the disk is full or fails ({text}); the last step was not written, and nothing by \
             halves. Make room (a quota or limit may be reached, too), then go on with the same \
             journal"
        ),
        Some(ErrorCode::DatabaseBusy) => {
            format!("another process has been writing for {} s", PATIENCE.as_secs())
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            format!("it cannot be written ({text}): a journal and its folder must be writable")
        }
        Some(ErrorCode::CannotOpen) => {
            format!("it cannot be opened ({text}): is the folder there?")
        }
        _ => text,
    };
    failed(path, &reason)
}
