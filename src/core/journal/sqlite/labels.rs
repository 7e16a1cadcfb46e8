//! Uploads with a label: the names of their documents begin with its mark.

use rusqlite::params;

use super::rows::intents;
use super::{Journal, claim};
use crate::core::error::Result;
use crate::core::journal::owner::Owner;
use crate::core::journal::record::{Intent, Row, State};
use crate::core::model::Target;

impl Journal {
    /// The upload of a label, whatever became of it; none that was released.
    pub fn labelled(&self, target: &Target, mark: &str) -> Result<Option<Intent>> {
        self.read(|connection| standing(connection, target, mark))
    }

    /// Writes the intent to upload documents under a label; `None` where another did so first.
    pub fn claim_labelled(
        &self,
        owner: &Owner,
        target: &Target,
        mark: &str,
        documents: &[i64],
    ) -> Result<Option<Row>> {
        self.write(|transaction| match standing(transaction, target, mark)? {
            Some(_) => Ok(None),
            None => Ok(claim(transaction, owner, target, documents)?.row),
        })
    }

    /// Makes the upload of a label this owner's to look for, where it may have been carried out
    /// and no living run sends or seeks it.
    pub fn take_over_labelled(
        &self,
        owner: &Owner,
        target: &Target,
        mark: &str,
    ) -> Result<Option<Intent>> {
        self.write(|transaction| {
            let open = |intent: &Intent| {
                matches!(intent.state, State::Uploading | State::Lost | State::Unknown)
            };
            let found = standing(transaction, target, mark)?.filter(open);
            found.and_then(|intent| self.take(transaction, owner, intent)).transpose()
        })
    }
}

fn standing(
    connection: &rusqlite::Connection,
    target: &Target,
    mark: &str,
) -> rusqlite::Result<Option<Intent>> {
    // The names that begin with the mark, by the index: its last character and the one behind it.
    let behind = format!("{}.", mark.strip_suffix('-').unwrap_or(mark));
    let condition = "WHERE state != 'released' AND id IN (SELECT batch FROM documents
                     WHERE kind = ? AND target = ? AND name >= ? AND name < ?)
                     ORDER BY id DESC LIMIT 1";
    let values = params![target.kind.name(), target.id, mark, behind];
    intents(connection, condition, values).map(|mut found| found.pop())
}
