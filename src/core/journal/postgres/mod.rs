//! The journal in `PostgreSQL`: the only folder that names its driver. Here what is written.
//!
//! Several machines share it. The clock is the server's. A run is alive as long as its row in
//! `extracta_runs` is there; it is deleted by whoever finds that its lease ran out (`lease`).

mod address;
mod labels;
mod lease;
mod link;
mod opening;
mod pace;
mod passfile;
mod reading;
mod rows;
mod runs;
mod schema;
mod tls;
mod trouble;

use std::path::Path;
use std::sync::Arc;

use ::postgres::Transaction;
use fastrand::alphanumeric;

use self::address::Address;
pub(super) use self::lease::Lease;
use self::link::{Open, Tries};
use self::rows::{NOW, plain, signed, unsigned};
use self::trouble::{Trouble, done};
use super::owner::Owner;
use super::record::{Admitted, Claim, Hash, NewDocument, Row};
use crate::core::error::Result;
use crate::core::model::Target;

/// An open journal; clones share it.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Open>);

impl Journal {
    /// Connects; makes the tables where they are not there and `create` is set.
    pub fn open(url: &str, create: bool) -> Result<Self> {
        let journal = Self(Arc::new(Open::new(Arc::new(Address::parse(url)?))));
        journal.0.step(Tries::Few, |transaction, _| opening::prepare(transaction, create))?;
        Ok(journal)
    }

    pub fn reopen(&self) -> Result<Self> {
        let journal = Self(Arc::new(Open::new(self.0.address().clone())));
        journal.0.step(Tries::Few, |transaction, _| opening::prepare(transaction, false))?;
        Ok(journal)
    }

    pub fn path(&self) -> &Path {
        self.0.address().shown()
    }

    pub fn keep_hashes(&self, hashes: &[Hash]) -> Result<()> {
        self.step(|transaction| {
            let sql = "INSERT INTO extracta_hashes (machine, path, size, modified, sha256)
                       VALUES ($1, $2, $3, $4, $5) ON CONFLICT (machine, path) DO UPDATE
                       SET size = excluded.size, modified = excluded.modified,
                       sha256 = excluded.sha256";
            let insert = transaction.prepare(sql)?;
            for (path, size, modified, sha256) in hashes {
                let path = path.as_os_str().as_encoded_bytes();
                let machine = rows::machine();
                let values: rows::Values = &[&machine, &path, &signed(*size), modified, sha256];
                transaction.execute(&insert, values)?;
            }
            Ok(())
        })
    }

    pub fn keep_template(&self, digest: &str, extraction_id: &str) -> Result<String> {
        self.step(|transaction| {
            let sql = "INSERT INTO extracta_templates (digest, target) VALUES ($1, $2)
                       ON CONFLICT DO NOTHING";
            transaction.execute(sql, &[&digest, &extraction_id])?;
            let sql = "SELECT target FROM extracta_templates WHERE digest = $1";
            Ok(transaction.query_one(sql, &[&digest])?.try_get(0)?)
        })
    }

    pub fn admit(&self, target: &Target, documents: &[NewDocument]) -> Result<Vec<Admitted>> {
        let names: Vec<_> = documents.iter().map(|document| &document.name).collect();
        let hashes: Vec<_> = documents.iter().map(|document| &document.sha256).collect();
        let sizes: Vec<_> = documents.iter().map(|document| signed(document.size)).collect();
        let paths: Vec<_> = documents.iter().map(|document| document.path.as_deref()).collect();
        let kind = target.kind.name();
        self.step(|transaction| {
            let sql = "INSERT INTO extracta_documents (kind, target, name, sha256, size, path)
                       SELECT $1, $2, name, sha256, size, path
                       FROM unnest($3::text[], $4::text[], $5::int8[], $6::text[]) WITH ORDINALITY
                       AS given (name, sha256, size, path, place) ORDER BY place
                       ON CONFLICT DO NOTHING";
            transaction.execute(sql, &[&kind, &target.id, &names, &hashes, &sizes, &paths])?;
            // Not as a part of the insertion: rows that need no change are not locked, and whoever
            // claims them need not pass them by.
            let sql = "UPDATE extracta_documents d SET path = given.path
                       FROM unnest($3::text[], $4::text[], $5::text[]) AS given (name, sha256, path)
                       WHERE d.kind = $1 AND d.target = $2 AND d.name = given.name
                       AND d.sha256 = given.sha256 AND given.path <> coalesce(d.path, '')";
            transaction.execute(sql, &[&kind, &target.id, &names, &hashes, &paths])?;
            let sql = "SELECT d.id, d.batch FROM unnest($3::text[], $4::text[]) WITH ORDINALITY
                       AS given (name, sha256, place) JOIN extracta_documents d
                       ON d.kind = $1 AND d.target = $2 AND d.name = given.name
                       AND d.sha256 = given.sha256 ORDER BY given.place";
            let found = transaction.query(sql, &[&kind, &target.id, &names, &hashes])?;
            let admitted = |row: &rows::SqlRow| {
                Ok(Admitted { document: row.try_get(0)?, batch: row.try_get(1)? })
            };
            found.iter().map(admitted).collect()
        })
    }

    pub fn claim(&self, owner: &Owner, target: &Target, documents: &[i64]) -> Result<Claim> {
        let mark = mark();
        self.0.step(Tries::Many, |transaction, perhaps_done| {
            if perhaps_done && let Some(claim) = claimed(transaction, owner, &mark, documents)? {
                return Ok(claim);
            }
            claim(transaction, owner, target, &mark, documents)
        })
    }

    pub fn uploaded(&self, row: Row, batch_id: &str, answer: Option<&[u8]>) -> Result<()> {
        self.step(|transaction| {
            let sql = format!(
                "UPDATE extracta_batches SET state = 'uploaded', batch_id = $2, answer = $3,
                 uploaded_at = {NOW}, owner = NULL, note = NULL
                 WHERE id = $1 AND state <> 'finished'"
            );
            done(transaction.execute(&sql, &[&row, &batch_id, &answer]))
        })
    }

    pub fn lost(&self, row: Row, note: &str) -> Result<()> {
        self.step(|transaction| {
            let sql = format!(
                "UPDATE extracta_batches SET state = 'lost', lost_at = {NOW}, note = $2
                 WHERE id = $1 AND state IN ('uploading', 'lost')"
            );
            done(transaction.execute(&sql, &[&row, &plain(note)]))
        })
    }

    pub fn unknown(&self, row: Row, note: &str) -> Result<()> {
        self.step(|transaction| {
            let sql = "UPDATE extracta_batches SET state = 'unknown', owner = NULL, note = $2
                       WHERE id = $1 AND state IN ('uploading', 'lost')";
            done(transaction.execute(sql, &[&row, &plain(note)]))
        })
    }

    pub fn release(&self, row: Row, error: Option<&str>) -> Result<()> {
        self.step(|transaction| free(transaction, row, error).map(drop))
    }

    pub fn refuse(&self, document: i64, error: &str) -> Result<()> {
        self.step(|transaction| {
            let sql = "UPDATE extracta_documents SET error = $2 WHERE id = $1 AND batch IS NULL";
            done(transaction.execute(sql, &[&document, &plain(error)]))
        })
    }

    pub fn finished(&self, row: Row, results: &[u8]) -> Result<()> {
        self.step(|transaction| {
            let sql = format!(
                "UPDATE extracta_batches SET state = 'finished', results = $2, finished_at = {NOW}
                 WHERE id = $1 AND results IS NULL"
            );
            done(transaction.execute(&sql, &[&row, &results]))
        })
    }

    pub fn keep_others(&self, target: &Target, batch_ids: &[String]) -> Result<bool> {
        let kind = target.kind.name();
        let kept: Vec<_> = batch_ids.iter().map(String::as_str).chain([""]).collect();
        self.step(|transaction| {
            let sql = "SELECT EXISTS (SELECT 1 FROM extracta_batches WHERE kind = $1
                       AND target = $2 AND state IN ('uploading', 'lost', 'unknown'))";
            if transaction.query_one(sql, &[&kind, &target.id])?.try_get(0)? {
                return Ok(false);
            }
            let sql = "INSERT INTO extracta_others (kind, target, batch_id)
                       SELECT $1, $2, given.id FROM unnest($3::text[]) AS given (id)
                       WHERE NOT EXISTS (SELECT 1 FROM extracta_batches b
                       WHERE b.kind = $1 AND b.target = $2 AND b.batch_id = given.id)
                       ORDER BY given.id ON CONFLICT DO NOTHING";
            transaction.execute(sql, &[&kind, &target.id, &kept])?;
            Ok(true)
        })
    }

    pub fn retry_unknown(&self) -> Result<u64> {
        self.0.step(Tries::ManyOnce, |transaction, _| {
            let sql = "SELECT id FROM extracta_batches WHERE state = 'unknown' ORDER BY id
                       FOR UPDATE";
            let mut freed = 0;
            for row in transaction.query(sql, &[])? {
                freed += free(transaction, row.try_get(0)?, None)?;
            }
            Ok(freed)
        })
    }

    pub fn retry_document(&self, document: i64, batch_id: &str) -> Result<bool> {
        self.0.step(Tries::ManyOnce, |transaction, _| {
            let sql = "UPDATE extracta_documents SET batch = NULL, place = NULL, error = NULL
                       WHERE id = $1 AND batch IN (SELECT id FROM extracta_batches
                       WHERE state = 'finished' AND batch_id = $2)";
            Ok(transaction.execute(sql, &[&document, &batch_id])? > 0)
        })
    }

    /// A step that may be done twice, where it is not known whether it was done.
    fn step<T>(
        &self,
        work: impl Fn(&mut Transaction<'_>) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        self.0.step(Tries::Many, |transaction, _| work(transaction))
    }
}

/// Tells one step from another.
fn mark() -> String {
    std::iter::repeat_with(alphanumeric).take(16).collect()
}

/// What an earlier try of the same step has claimed.
fn claimed(
    transaction: &mut Transaction<'_>,
    owner: &Owner,
    mark: &str,
    documents: &[i64],
) -> std::result::Result<Option<Claim>, Trouble> {
    let sql = "SELECT id FROM extracta_batches WHERE owner = $1 AND mark = $2";
    let Some(found) = transaction.query_opt(sql, &[&owner.name(), &mark])? else { return Ok(None) };
    let row: Row = found.try_get(0)?;
    let mut claim = Claim { row: Some(row), ..Claim::default() };
    let sql = "SELECT d.id, d.batch FROM unnest($1::int8[]) WITH ORDINALITY AS given (id, place)
               JOIN extracta_documents d ON d.id = given.id ORDER BY given.place";
    for standing in transaction.query(sql, &[&documents])? {
        let document = standing.try_get(0)?;
        match standing.try_get(1)? {
            Some(batch) if batch == row => claim.documents.push(document),
            Some(batch) => claim.taken.push((document, batch)),
            None => claim.busy.push(document),
        }
    }
    Ok(Some(claim))
}

fn claim(
    transaction: &mut Transaction<'_>,
    owner: &Owner,
    target: &Target,
    mark: &str,
    documents: &[i64],
) -> std::result::Result<Claim, Trouble> {
    let sql = "SELECT id, batch FROM extracta_documents WHERE id = ANY($1) ORDER BY id
               FOR UPDATE SKIP LOCKED";
    let mut standing = std::collections::HashMap::new();
    for row in transaction.query(sql, &[&documents])? {
        standing.insert(row.try_get::<_, i64>(0)?, row.try_get::<_, Option<Row>>(1)?);
    }
    let mut claim = Claim::default();
    for &document in documents {
        match standing.get(&document) {
            Some(Some(row)) => claim.taken.push((document, *row)),
            Some(None) => claim.documents.push(document),
            None => claim.busy.push(document),
        }
    }
    if claim.documents.is_empty() {
        return Ok(claim);
    }
    let sql = format!(
        "INSERT INTO extracta_batches (kind, target, state, owner, mark, intended_at)
         VALUES ($1, $2, 'uploading', $3, $4, {NOW}) RETURNING id"
    );
    let values: rows::Values = &[&target.kind.name(), &target.id, &owner.name(), &mark];
    let row: Row = transaction.query_one(&sql, values)?.try_get(0)?;
    let sql = "UPDATE extracta_documents d SET batch = $1, place = given.place - 1, error = NULL
               FROM unnest($2::int8[]) WITH ORDINALITY AS given (id, place) WHERE d.id = given.id";
    transaction.execute(sql, &[&row, &claim.documents])?;
    claim.row = Some(row);
    Ok(claim)
}

/// Only what may have been carried out, as far as is known; returns how many documents it frees.
fn free(
    transaction: &mut Transaction<'_>,
    row: Row,
    error: Option<&str>,
) -> std::result::Result<u64, Trouble> {
    let error = error.map(plain);
    let sql = "UPDATE extracta_batches SET state = 'released', owner = NULL, note = $2
               WHERE id = $1 AND state IN ('uploading', 'lost', 'unknown')";
    if transaction.execute(sql, &[&row, &error])? == 0 {
        return Ok(0);
    }
    let sql = "UPDATE extracta_documents SET batch = NULL, place = NULL, error = $2
               WHERE batch = $1";
    Ok(unsigned(i64::try_from(transaction.execute(sql, &[&row, &error])?).unwrap_or(i64::MAX)))
}
