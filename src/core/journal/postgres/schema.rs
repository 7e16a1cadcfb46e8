//! The tables in a database, and how older ones become newer ones. See `journal::schema` for what
//! the states of a batch mean; a released step is never edited.

/// Keeps two processes from making the tables at once: "Extr" in ASCII.
pub(super) const LOCK: i64 = 0x4578_7472;

pub(super) const STEPS: &[&str] = &["
    CREATE TABLE extracta_runs (
        name text PRIMARY KEY,
        begun timestamptz NOT NULL DEFAULT clock_timestamp(),
        until timestamptz NOT NULL
    );

    CREATE TABLE extracta_batches (
        id bigserial PRIMARY KEY,
        kind text NOT NULL,
        target text NOT NULL,
        state text NOT NULL CHECK (
            state IN ('uploading', 'lost', 'unknown', 'uploaded', 'finished', 'released')),
        owner text,
        mark text,
        batch_id text,
        intended_at int8 NOT NULL,
        lost_at int8,
        uploaded_at int8,
        finished_at int8,
        note text,
        answer bytea,
        results bytea
    );
    CREATE UNIQUE INDEX extracta_batches_by_id ON extracta_batches (kind, target, batch_id)
        WHERE batch_id IS NOT NULL;
    CREATE INDEX extracta_batches_by_state ON extracta_batches (state, kind, target);

    CREATE TABLE extracta_documents (
        id bigserial PRIMARY KEY,
        kind text NOT NULL,
        target text NOT NULL,
        name text COLLATE \"C\" NOT NULL,
        sha256 text COLLATE \"C\" NOT NULL,
        size int8 NOT NULL,
        path text,
        batch int8 REFERENCES extracta_batches (id),
        place int8,
        error text,
        UNIQUE (kind, target, name, sha256)
    );
    CREATE INDEX extracta_documents_by_batch ON extracta_documents (batch, place);

    CREATE TABLE extracta_others (
        kind text NOT NULL,
        target text NOT NULL,
        batch_id text NOT NULL,
        PRIMARY KEY (kind, target, batch_id)
    );

    CREATE TABLE extracta_hashes (
        machine text NOT NULL,
        path bytea NOT NULL,
        size int8 NOT NULL,
        modified int8 NOT NULL,
        sha256 text NOT NULL,
        PRIMARY KEY (machine, path)
    );

    CREATE TABLE extracta_templates (
        digest text PRIMARY KEY,
        target text NOT NULL
    );

    CREATE TABLE extracta_pace (
        line text PRIMARY KEY,
        reached int8 NOT NULL DEFAULT 0,
        held int8 NOT NULL DEFAULT 0,
        refused int8 NOT NULL DEFAULT 0,
        spacing int8 NOT NULL DEFAULT 0,
        first int8 NOT NULL DEFAULT 0
    );
"];
