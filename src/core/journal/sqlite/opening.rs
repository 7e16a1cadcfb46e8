//! Whether a file is a journal, and of which release; a new one is made here.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::trouble::{NO_DATABASE, PATIENCE, damaged};
use crate::core::journal::schema::{APPLICATION_ID, STEPS};

/// Why a file must not be opened: what is shorter than `SQLite`'s smallest page would pass for a new
/// file and be overwritten. No journal was ever so short, not even while it was made.
pub(super) fn stub(path: &Path) -> Option<String> {
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

pub(super) enum Prepared {
    Ready(Connection),
    Refused(String),
}

pub(super) fn prepare(mut connection: Connection) -> rusqlite::Result<Prepared> {
    connection.busy_timeout(PATIENCE)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    // After the tables: another process may make the file a journal between the two.
    let application: i64 = connection.pragma_query_value(None, "application_id", |r| r.get(0))?;
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
