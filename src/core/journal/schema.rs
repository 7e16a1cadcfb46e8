//! The tables of a journal, and how an older file becomes a newer one.
//!
//! Each step runs once, within one transaction with the others; `user_version` counts the steps.
//! A released step is never edited: add another.

/// "Extr" in ASCII: tells a journal from other `SQLite` files.
pub(super) const APPLICATION_ID: i64 = 0x4578_7472;

/// A batch's row is its intent: it stands there before anything is sent.
///
/// `batches.state`
/// - `uploading`: the run `owner` is sending it, or died while it did.
/// - `lost`: it may have been carried out; `owner` looks for it. `lost_at`: the last moment at
///   which it may have been sent.
/// - `unknown`: it was looked for, and could not be decided.
/// - `uploaded`: the service gave `batch_id`.
/// - `finished`: `results` holds the vendor's bytes.
/// - `released`: surely not carried out, or given up by `retry`: its documents are free again.
///
/// A document without a batch is to be uploaded; `error` tells why the last try was refused.
/// Times are milliseconds since 1970.
pub(super) const STEPS: &[&str] = &[
    "
    CREATE TABLE batches (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        state TEXT NOT NULL CHECK (
            state IN ('uploading', 'lost', 'unknown', 'uploaded', 'finished', 'released')),
        owner TEXT,
        batch_id TEXT,
        intended_at INTEGER NOT NULL,
        lost_at INTEGER,
        uploaded_at INTEGER,
        finished_at INTEGER,
        note TEXT,
        answer BLOB,
        results BLOB
    );
    CREATE UNIQUE INDEX batches_by_id ON batches (kind, target, batch_id)
        WHERE batch_id IS NOT NULL;
    CREATE INDEX batches_by_state ON batches (state, kind, target);

    CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        name TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,
        path TEXT,
        batch INTEGER REFERENCES batches (id),
        place INTEGER,
        error TEXT,
        UNIQUE (kind, target, name, sha256)
    );
    CREATE INDEX documents_by_batch ON documents (batch, place);

    -- Batches that the extraction had before this journal's first upload to it.
    CREATE TABLE others (
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        batch_id TEXT NOT NULL,
        PRIMARY KEY (kind, target, batch_id)
    ) WITHOUT ROWID;

    -- What a file's content hashed to, so that a large folder is not read again.
    CREATE TABLE hashes (
        path BLOB PRIMARY KEY,
        size INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        sha256 TEXT NOT NULL
    ) WITHOUT ROWID;
",
    "
    -- The extraction that was made of a template, so that the next run takes the same one.
    CREATE TABLE templates (
        digest TEXT PRIMARY KEY,
        target TEXT NOT NULL
    ) WITHOUT ROWID;
",
    "
    -- Who goes next of those with one key, see `core::line`. `line` is a digest of the key and the
    -- address, never the key.
    CREATE TABLE pace (
        line TEXT PRIMARY KEY,
        reached INTEGER NOT NULL,
        held INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        spacing INTEGER NOT NULL,
        first INTEGER NOT NULL
    ) WITHOUT ROWID;
",
];
