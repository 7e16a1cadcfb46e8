//! Uploads with a label: the names of their documents begin with its mark.

use ::postgres::Transaction;

use super::link::Tries;
use super::rows::{INTENT, intent};
use super::runs::{bury, take};
use super::trouble::Trouble;
use super::{Journal, claim, claimed, mark};
use crate::core::error::Result;
use crate::core::journal::owner::Owner;
use crate::core::journal::record::{Intent, Row, State};
use crate::core::model::Target;

impl Journal {
    pub fn labelled(&self, target: &Target, label: &str) -> Result<Option<Intent>> {
        self.step(|transaction| standing(transaction, target, label))
    }

    pub fn claim_labelled(
        &self,
        owner: &Owner,
        target: &Target,
        label: &str,
        documents: &[i64],
    ) -> Result<Option<Row>> {
        let mark = mark();
        self.0.step(Tries::Many, |transaction, perhaps_done| {
            if perhaps_done && let Some(claim) = claimed(transaction, owner, &mark, documents)? {
                return Ok(claim.row);
            }
            // Two may submit other contents under one label: no row that both lock.
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            let key = format!("extracta {} {} {label}", target.kind.name(), target.id);
            transaction.execute(sql, &[&key])?;
            match standing(transaction, target, label)? {
                Some(_) => Ok(None),
                None => Ok(claim(transaction, owner, target, &mark, documents)?.row),
            }
        })
    }

    pub fn take_over_labelled(
        &self,
        owner: &Owner,
        target: &Target,
        label: &str,
    ) -> Result<Option<Intent>> {
        self.step(|transaction| {
            let open = |intent: &Intent| {
                matches!(intent.state, State::Uploading | State::Lost | State::Unknown)
            };
            let Some(found) = standing(transaction, target, label)?.filter(open) else {
                return Ok(None);
            };
            bury(transaction)?;
            let states = "('uploading', 'lost', 'unknown')";
            let condition = format!("b.id = $2 AND b.state IN {states}");
            Ok(take(transaction, owner, &condition, &[&found.row])?.pop())
        })
    }
}

fn standing(
    transaction: &mut Transaction<'_>,
    target: &Target,
    label: &str,
) -> std::result::Result<Option<Intent>, Trouble> {
    // The names that begin with the mark, by the index: its last character and the one behind it.
    let behind = format!("{}.", label.strip_suffix('-').unwrap_or(label));
    let sql = format!(
        "SELECT {INTENT} FROM extracta_batches b WHERE b.state <> 'released' AND b.id IN (
         SELECT batch FROM extracta_documents
         WHERE kind = $1 AND target = $2 AND name >= $3 AND name < $4) ORDER BY b.id DESC LIMIT 1"
    );
    let values: super::rows::Values = &[&target.kind.name(), &target.id, &label, &behind];
    transaction.query_opt(&sql, values)?.map(|row| intent(&row)).transpose()
}
