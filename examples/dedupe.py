"""Receives Extracta.ai's webhooks, drops replays, and does the work after the answer.

    export EXTRACTA_WEBHOOK_SECRET=... WEBHOOK_DATABASE=webhooks.db
    flask --app dedupe run     # receives
    flask --app dedupe work    # does what was received and is not done yet; run it again and again

What was received and what is to be done are stored in one transaction: a crash leaves both or
neither. See docs/webhook-security.md.
"""

import json
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Any

from flask import Flask, request

from extracta_rs import (
    SIGNATURE_HEADER,
    SignatureVerificationError,
    WebhookEvent,
    WebhookPayloadError,
    unwrap,
)

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 10 * 1024 * 1024  # bytes; 413 beyond
secret = os.environ["EXTRACTA_WEBHOOK_SECRET"]
database = os.environ.get("WEBHOOK_DATABASE", "webhooks.db")
# Events that are worked on even where the file is as it was: usually none, or
# "extraction.confirmed". The word is not signed.
separate = frozenset(os.environ.get("WEBHOOK_SEPARATE_EVENTS", "").split())

SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (
    key TEXT NOT NULL,
    event TEXT NOT NULL,
    first_seen TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (key, event)
);
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    event TEXT NOT NULL,
    file TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS bookings (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    event TEXT NOT NULL,
    file TEXT NOT NULL
);
"""


@contextmanager
def transaction() -> Generator[sqlite3.Connection, None, None]:
    """Open the database for one transaction; unless it comes to its end, nothing is kept."""
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")


def store(event: WebhookEvent) -> int:
    """Store the files that were never seen as they are now; return how many these are."""
    word = event.event if event.event in separate else ""
    new = 0
    with transaction() as db:
        for key, file in zip(event.dedupe_keys, event.files, strict=True):
            seen = "INSERT INTO seen (key, event) VALUES (?, ?) ON CONFLICT DO NOTHING"
            # The primary key decides, also between two deliveries at the same time.
            if db.execute(seen, (key, word)).rowcount == 1:
                work = "INSERT INTO outbox (key, event, file) VALUES (?, ?, ?)"
                db.execute(work, (key, word, json.dumps(file.to_dict())))
                new += 1
    return new


@app.post("/webhooks/extracta")
def receive() -> tuple[str, int]:
    try:
        event = unwrap(request.get_data(), request.headers.get(SIGNATURE_HEADER), secret)
    except SignatureVerificationError as error:
        app.logger.warning("refused a delivery: %s", error.reason)
        return "", 401
    except WebhookPayloadError as error:
        app.logger.error("signed, but not understood: %s", error)
        return "", 400
    new = store(event)
    # Anyone can write the event: %r keeps line breaks out of the log.
    app.logger.info("%r: %d of %d files are new", event.event, new, len(event.files))
    return "", 204


def act(db: sqlite3.Connection, key: str, event: str, file: dict[str, Any]) -> None:
    """Do the work on one file. Replace this.

    What is written to `db` happens once. What happens elsewhere (a mail, a call) can happen twice:
    a crash may come between it and the end of the transaction. Send `key` and `event` along, so
    that the other side can notice.
    """
    booking = "INSERT INTO bookings (key, event, file) VALUES (?, ?, ?)"
    db.execute(booking, (key, event, json.dumps(file)))


def work_off() -> bool:
    """Do the oldest work; return False where there is none."""
    with transaction() as db:
        oldest = "SELECT id, key, event, file FROM outbox ORDER BY id LIMIT 1"
        row = db.execute(oldest).fetchone()
        if row is not None:
            place, key, event, file = row
            act(db, key, event, json.loads(file))
            db.execute("DELETE FROM outbox WHERE id = ?", (place,))
    return row is not None


@app.cli.command("work")
def work() -> None:
    """Do what was received and is not done yet."""
    while work_off():
        pass


with closing(sqlite3.connect(database, timeout=30)) as connection:
    connection.executescript(SCHEMA)
