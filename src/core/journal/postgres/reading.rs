//! What stands in a journal: statements that change nothing.

use std::path::Path;

use super::Journal;
use super::rows::{INTENT, Values, document, intent, kind, machine, signed, state, unsigned};
use super::trouble::Trouble;
use crate::core::error::Result;
use crate::core::journal::record::{
    Counts, Document, Intent, NewDocument, Row, Witnesses, add_name,
};
use crate::core::model::{BatchKey, Target};

/// So many batches are read at once where all are looked through.
const PORTION: i64 = 100;

impl Journal {
    pub fn hash(&self, path: &Path, size: u64, modified: i64) -> Result<Option<String>> {
        let path = path.as_os_str().as_encoded_bytes();
        self.step(|transaction| {
            let sql = "SELECT sha256 FROM extracta_hashes
                       WHERE machine = $1 AND path = $2 AND size = $3 AND modified = $4";
            let values: Values = &[&machine(), &path, &signed(size), &modified];
            Ok(transaction.query_opt(sql, values)?.map(|row| row.try_get(0)).transpose()?)
        })
    }

    pub fn open_uploads(&self, target: &Target) -> Result<Vec<(Row, Vec<String>)>> {
        self.step(|transaction| {
            let sql = "SELECT b.id, d.name FROM extracta_batches b
                       JOIN extracta_documents d ON d.batch = b.id
                       WHERE b.kind = $1 AND b.target = $2
                       AND b.state IN ('uploading', 'lost', 'unknown') ORDER BY b.id, d.place";
            let mut found = Vec::new();
            for row in transaction.query(sql, &[&target.kind.name(), &target.id])? {
                add_name(&mut found, row.try_get(0)?, row.try_get(1)?);
            }
            Ok(found)
        })
    }

    pub fn intent(&self, row: Row) -> Result<Option<Intent>> {
        self.step(|transaction| {
            let sql = format!("SELECT {INTENT} FROM extracta_batches b WHERE b.id = $1");
            transaction.query_opt(&sql, &[&row])?.map(|row| intent(&row)).transpose()
        })
    }

    pub fn documents_of(&self, row: Row) -> Result<Vec<(i64, NewDocument)>> {
        self.step(|transaction| {
            let sql = "SELECT id, name, sha256, size, path FROM extracta_documents
                       WHERE batch = $1 ORDER BY place";
            let found = transaction.query(sql, &[&row])?;
            found.iter().map(|row| Ok((row.try_get(0)?, document(row)?))).collect()
        })
    }

    pub fn accounted(&self, target: &Target) -> Result<Vec<String>> {
        self.step(|transaction| {
            let sql = "SELECT batch_id FROM extracta_others WHERE kind = $1 AND target = $2
                       UNION ALL SELECT batch_id FROM extracta_batches
                       WHERE kind = $1 AND target = $2 AND batch_id IS NOT NULL";
            let found = transaction.query(sql, &[&target.kind.name(), &target.id])?;
            found.iter().map(|row| Ok(row.try_get(0)?)).collect()
        })
    }

    pub fn witnesses(&self, target: &Target) -> Result<Witnesses> {
        self.step(|transaction| {
            let sql = "SELECT batch_id, state FROM extracta_batches WHERE kind = $1 AND target = $2
                       AND state IN ('uploaded', 'finished') AND batch_id IS NOT NULL";
            let mut found = Witnesses::default();
            for row in transaction.query(sql, &[&target.kind.name(), &target.id])? {
                found.add(state(row.try_get(1)?)?, row.try_get(0)?);
            }
            Ok(found)
        })
    }

    pub fn template(&self, digest: &str) -> Result<Option<String>> {
        self.step(|transaction| {
            let sql = "SELECT target FROM extracta_templates WHERE digest = $1";
            Ok(transaction.query_opt(sql, &[&digest])?.map(|row| row.try_get(0)).transpose()?)
        })
    }

    pub fn results(&self, row: Row) -> Result<Option<Vec<u8>>> {
        self.step(|transaction| {
            let sql = "SELECT results FROM extracta_batches WHERE id = $1";
            let found = transaction.query_opt(sql, &[&row])?;
            Ok(found.map(|row| row.try_get(0)).transpose()?.flatten())
        })
    }

    pub fn finished_after(&self, after: Row, limit: u32) -> Result<Vec<(Row, BatchKey)>> {
        self.step(|transaction| {
            let sql = format!(
                "SELECT {INTENT} FROM extracta_batches b WHERE b.state = 'finished' AND b.id > $1
                 ORDER BY b.id LIMIT $2"
            );
            let mut found = Vec::new();
            for row in transaction.query(&sql, &[&after, &i64::from(limit)])? {
                let intent = intent(&row)?;
                found.extend(intent.key.map(|key| (intent.row, key)));
            }
            Ok(found)
        })
    }

    pub fn documents_after(&self, after: i64, limit: u32) -> Result<Vec<Document>> {
        self.step(|transaction| {
            let sql = "SELECT d.id, d.name, d.sha256, d.size, d.path, d.kind, d.target,
                       b.state, b.batch_id, coalesce(d.error, b.note)
                       FROM extracta_documents d LEFT JOIN extracta_batches b ON b.id = d.batch
                       WHERE d.id > $1 ORDER BY d.id LIMIT $2";
            let found = transaction.query(sql, &[&after, &i64::from(limit)])?;
            let whole = |row: &super::rows::SqlRow| {
                Ok(Document {
                    id: row.try_get(0)?,
                    document: document(row)?,
                    target: Target { kind: kind(row.try_get(5)?)?, id: row.try_get(6)? },
                    state: row.try_get::<_, Option<&str>>(7)?.map(state).transpose()?,
                    batch_id: row.try_get(8)?,
                    note: row.try_get(9)?,
                })
            };
            found.iter().map(whole).collect()
        })
    }

    pub fn counts(&self) -> Result<Counts> {
        self.step(|transaction| {
            let sql = "SELECT b.state, d.error IS NOT NULL, count(*) FROM extracta_documents d
                       LEFT JOIN extracta_batches b ON b.id = d.batch GROUP BY 1, 2";
            let mut counts = Counts::default();
            for row in transaction.query(sql, &[])? {
                let state = row.try_get::<_, Option<&str>>(0)?.map(state).transpose()?;
                counts.add(state, row.try_get(1)?, unsigned(row.try_get(2)?));
            }
            Ok(counts)
        })
    }

    /// Reads all of it, and what must fit together does.
    pub fn check(&self) -> Result<()> {
        self.step(|transaction| {
            let sql = "SELECT (SELECT count(*) FROM extracta_documents d
                       JOIN extracta_batches b ON b.id = d.batch WHERE b.state = 'released')
                       + (SELECT count(*) FROM extracta_batches WHERE
                       (state = 'finished') <> (results IS NOT NULL) AND state <> 'uploaded'
                       OR state IN ('uploaded', 'finished') AND batch_id IS NULL)";
            let odd: i64 = transaction.query_one(sql, &[])?.try_get(0)?;
            if odd > 0 {
                let text = format!("{odd} of its rows do not fit together: restore a backup");
                return Err(Trouble::Refused(text));
            }
            Ok(())
        })?;
        let mut last = 0;
        loop {
            let read: Option<Row> = self.step(|transaction| {
                let sql = "SELECT max(id), sum(length(sha256(coalesce(results, ''))))
                           FROM (SELECT id, results FROM extracta_batches WHERE id > $1
                           ORDER BY id LIMIT $2) AS portion";
                Ok(transaction.query_one(sql, &[&last, &PORTION])?.try_get(0)?)
            })?;
            match read {
                Some(read) => last = read,
                None => return Ok(()),
            }
        }
    }
}
