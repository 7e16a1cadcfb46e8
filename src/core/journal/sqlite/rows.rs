//! From rows to records and back.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Row as SqlRow};

use crate::core::journal::record::{Intent, NewDocument, State};
use crate::core::model::{BatchKey, Kind, Target};

pub(super) fn intents(
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
pub(super) fn document(row: &SqlRow<'_>) -> rusqlite::Result<NewDocument> {
    Ok(NewDocument {
        name: row.get(1)?,
        sha256: row.get(2)?,
        size: row.get::<_, i64>(3)?.unsigned_abs(),
        path: row.get(4)?,
    })
}

pub(super) fn state(name: &str) -> rusqlite::Result<State> {
    let found = State::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or_else(|| unreadable("state"))
}

pub(super) fn kind(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Kind> {
    let name: String = row.get(column)?;
    let found = [Kind::Extraction, Kind::Classification].into_iter().find(|k| k.name() == name);
    found.ok_or_else(|| unreadable("kind"))
}

pub(super) fn unreadable(what: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnName(what.to_owned())
}

/// Sizes are far within what `SQLite`'s integers hold.
pub(super) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The wall clock, which a restart of the machine does not reset.
pub(super) fn now() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)
}
