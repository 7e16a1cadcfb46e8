//! Whether a database has a journal, and of which release; a new one is made here.

use ::postgres::Transaction;

use super::schema::{LOCK, STEPS};
use super::trouble::Trouble;

pub(super) fn prepare(transaction: &mut Transaction<'_>, create: bool) -> Result<(), Trouble> {
    let standing = version(transaction)?;
    if standing == Some(STEPS.len()) {
        return Ok(());
    }
    if standing.is_none() && !create {
        let text = "there is no journal in this database: a run makes one";
        return Err(Trouble::Refused(text.to_owned()));
    }
    // Then again: another process may be doing the same. What was looked up before the lock was
    // there is remembered; this statement looks anew.
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])?;
    let sql = "CREATE TABLE IF NOT EXISTS extracta_journal (version int8 NOT NULL)";
    transaction.batch_execute(sql)?;
    let version = kept(transaction)?;
    if version > STEPS.len() {
        let text = format!("made by a newer release (version {version}): upgrade extracta_rs");
        return Err(Trouble::Refused(text));
    }
    for step in &STEPS[version..] {
        transaction.batch_execute(step)?;
    }
    if version == 0 {
        transaction.batch_execute("INSERT INTO extracta_journal VALUES (0)")?;
    }
    let newest = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    transaction.execute("UPDATE extracta_journal SET version = $1", &[&newest])?;
    Ok(())
}

fn version(transaction: &mut Transaction<'_>) -> Result<Option<usize>, Trouble> {
    let sql = "SELECT to_regclass('extracta_journal') IS NOT NULL";
    if !transaction.query_one(sql, &[])?.try_get(0)? {
        return Ok(None);
    }
    kept(transaction).map(Some)
}

fn kept(transaction: &mut Transaction<'_>) -> Result<usize, Trouble> {
    let found = transaction.query_opt("SELECT version FROM extracta_journal", &[])?;
    let version: Option<i64> = found.map(|row| row.try_get(0)).transpose()?;
    Ok(usize::try_from(version.unwrap_or(0)).unwrap_or(usize::MAX))
}
