//! What stands in a journal: statements that change nothing.

use rusqlite::{OptionalExtension as _, params};

use super::Journal;
use super::rows::{document, intents, kind, state};
use crate::core::error::Result;
use crate::core::journal::record::{
    Counts, Document, Intent, NewDocument, Row, Witnesses, add_name,
};
use crate::core::model::{BatchKey, Target};

impl Journal {
    /// The names of the documents of each upload of a target that may have been carried out.
    pub fn open_uploads(&self, target: &Target) -> Result<Vec<(Row, Vec<String>)>> {
        self.read(|connection| {
            let sql = "SELECT b.id, d.name FROM batches b JOIN documents d ON d.batch = b.id
                       WHERE b.kind = ? AND b.target = ?
                       AND b.state IN ('uploading', 'lost', 'unknown') ORDER BY b.id, d.place";
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query([target.kind.name(), &target.id])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                add_name(&mut found, row.get(0)?, row.get(1)?);
            }
            Ok(found)
        })
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
                found.add(state(&row.get::<_, String>(1)?)?, row.get(0)?);
            }
            Ok(found)
        })
    }

    /// The extraction that was made of a template.
    pub fn template(&self, digest: &str) -> Result<Option<String>> {
        self.read(|connection| {
            let sql = "SELECT target FROM templates WHERE digest = ?";
            connection.prepare_cached(sql)?.query_row([digest], |row| row.get(0)).optional()
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
                counts.add(state, row.get(1)?, row.get::<_, i64>(2)?.unsigned_abs());
            }
            Ok(counts)
        })
    }
}
