//! From rows to records and back.

use std::sync::OnceLock;

use ::postgres::types::ToSql;

use super::trouble::Trouble;
use crate::core::journal::record::{Intent, NewDocument, State};
use crate::core::model::{BatchKey, Kind, Target};

pub(super) use ::postgres::Row as SqlRow;

pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The server's clock, in milliseconds since 1970.
pub(super) const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::int8";

/// The columns of an intent.
pub(super) const INTENT: &str = "b.id, b.state, b.owner, b.batch_id, b.lost_at, b.kind, b.target";

pub(super) fn intent(row: &SqlRow) -> Result<Intent, Trouble> {
    let batch_id: Option<String> = row.try_get(3)?;
    let target = Target { kind: kind(row.try_get(5)?)?, id: row.try_get(6)? };
    Ok(Intent {
        row: row.try_get(0)?,
        state: state(row.try_get(1)?)?,
        owner: row.try_get(2)?,
        key: batch_id.map(|batch_id| BatchKey { target, batch_id }),
        lost_at: row.try_get(4)?,
    })
}

/// Columns 1 to 4.
pub(super) fn document(row: &SqlRow) -> Result<NewDocument, Trouble> {
    Ok(NewDocument {
        name: row.try_get(1)?,
        sha256: row.try_get(2)?,
        size: unsigned(row.try_get(3)?),
        path: row.try_get(4)?,
    })
}

pub(super) fn state(name: &str) -> Result<State, Trouble> {
    let found = State::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or(Trouble::Unreadable("state"))
}

pub(super) fn kind(name: &str) -> Result<Kind, Trouble> {
    let found = [Kind::Extraction, Kind::Classification].into_iter().find(|k| k.name() == name);
    found.ok_or(Trouble::Unreadable("kind"))
}

/// What `PostgreSQL` takes for text: anything but NUL.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Sizes are far within what 64 bits hold.
pub(super) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(size: i64) -> u64 {
    size.unsigned_abs()
}

/// The same path may be another file on another machine. Where a machine has no name of its own
/// its files are still told apart by the moment of their last change.
pub(super) fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let id = std::fs::read_to_string("/etc/machine-id").ok();
        let id = id.or_else(|| std::env::var("COMPUTERNAME").ok()).unwrap_or_default();
        plain(id.trim())
    })
}
