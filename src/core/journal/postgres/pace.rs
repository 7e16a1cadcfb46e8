//! The line of requests for results, for all processes that share the journal.

use std::time::Duration;

use ::postgres::Transaction;

use super::Journal;
use super::link::Tries;
use super::rows::{NOW, Values};
use super::trouble::Trouble;
use crate::core::error::Result;
use crate::core::line::{Line, Step, Told};

impl Journal {
    pub fn pace(&self, line: &str, least: Duration, step: Step) -> Result<Told> {
        // A step that is made twice costs one spacing; no request waits long for a server.
        self.0.step(Tries::Few, |transaction, _| stepped(transaction, line, least, step))
    }
}

fn stepped(
    transaction: &mut Transaction<'_>,
    name: &str,
    least: Duration,
    step: Step,
) -> std::result::Result<Told, Trouble> {
    // A place in line need not outlive the server; its disk is not waited for.
    transaction.batch_execute("SET LOCAL synchronous_commit = off")?;
    let sql = "INSERT INTO extracta_pace (line) VALUES ($1) ON CONFLICT DO NOTHING";
    transaction.execute(sql, &[&name])?;
    let sql = "SELECT reached, held, refused, spacing, first FROM extracta_pace
               WHERE line = $1 FOR UPDATE";
    let row = transaction.query_one(sql, &[&name])?;
    let kept = Line {
        reached: row.try_get(0)?,
        held: row.try_get(1)?,
        refused: row.try_get(2)?,
        spacing: row.try_get(3)?,
        first: row.try_get(4)?,
    };
    // Read while nobody else can write: moments follow each other as the steps do.
    let now = transaction.query_one(&format!("SELECT {NOW}"), &[])?.try_get(0)?;
    let mut line = kept;
    let told = line.step(now, least, step);
    if kept != line {
        let Line { reached, held, refused, spacing, first } = line;
        let sql = "UPDATE extracta_pace SET reached = $2, held = $3, refused = $4, spacing = $5,
                   first = $6 WHERE line = $1";
        let values: Values = &[&name, &reached, &held, &refused, &spacing, &first];
        transaction.execute(sql, values)?;
    }
    Ok(told)
}
