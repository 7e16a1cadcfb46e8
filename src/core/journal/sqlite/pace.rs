//! The line of requests for results, for all processes that share the journal.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::Journal;
use super::rows::now;
use crate::core::error::Result;
use crate::core::line::{Line, Step, Told};

impl Journal {
    /// Makes a step in the line of this name, by one whose spacing is never below `least`.
    pub fn pace(&self, line: &str, least: std::time::Duration, step: Step) -> Result<Told> {
        let done = self.connection.step(|connection| {
            // A place in line need not outlive the machine; the disk is not waited for.
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            let told = stepped(connection, line, least, step);
            connection.pragma_update(None, "synchronous", "FULL")?;
            told
        });
        self.outcome(done)
    }
}

fn stepped(
    connection: &mut Connection,
    name: &str,
    least: std::time::Duration,
    step: Step,
) -> rusqlite::Result<Told> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = "SELECT reached, held, refused, spacing, first FROM pace WHERE line = ?";
    let kept = transaction.prepare_cached(sql)?.query_row([name], |row| {
        Ok(Line {
            reached: row.get(0)?,
            held: row.get(1)?,
            refused: row.get(2)?,
            spacing: row.get(3)?,
            first: row.get(4)?,
        })
    });
    let kept = kept.optional()?;
    let mut line = kept.unwrap_or_default();
    // Read while nobody else can write: moments follow each other as the steps do.
    let told = line.step(now(), least, step);
    if kept != Some(line) {
        let sql = "INSERT OR REPLACE INTO pace VALUES (?, ?, ?, ?, ?, ?)";
        let Line { reached, held, refused, spacing, first } = line;
        let values = params![name, reached, held, refused, spacing, first];
        transaction.prepare_cached(sql)?.execute(values)?;
    }
    transaction.commit()?;
    Ok(told)
}
