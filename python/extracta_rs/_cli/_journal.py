"""What `extracta-rs journal` does: reads a journal, also while a run is at work with it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..journal import Journal
from ._again import shown
from ._outcome import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ..journal import JournalDocument

ADVICE = {
    "refused": "surely not uploaded: the next run tries again",
    "unknown": "perhaps uploaded, and paid: the next run looks again; if the vendor's dashboard"
    " does not show it, `extracta-rs journal retry --unknown` frees it",
}


def resource_of(document: JournalDocument) -> str:
    """Return the id that a document is processed with."""
    return document.extraction_id or document.classification_id or ""


def status(path: str, as_json: bool) -> None:
    """Print how many documents are in each state, and which need somebody."""
    by_resource: dict[str, dict[str, int]] = {}
    troubled: list[JournalDocument] = []
    with Journal(path, create=False) as journal:
        total: dict[str, int] = {str(state): n for state, n in journal.status().items()}
        for document in journal.documents():
            counts = by_resource.setdefault(resource_of(document), dict.fromkeys(total, 0))
            counts[document.state] += 1
            if document.state in ADVICE:
                troubled.append(document)
    if as_json:
        told = [
            {
                "path": document.path, "name": document.name, "sha256": document.sha256,
                "state": document.state, "note": document.note, "advice": ADVICE[document.state],
            }
            for document in troubled
        ]  # fmt: skip
        report = {"total": total, "by_resource": by_resource, "troubled": told}
        click.echo(json.dumps(report, ensure_ascii=False))
        return
    click.echo(counted(total))
    if len(by_resource) > 1:
        for resource, counts in by_resource.items():
            click.echo(f"  {resource}: {counted(counts)}")
    for document in troubled:
        where = shown(document.path or document.name)
        click.echo(f"{document.state}: {where}: {shown(document.note or 'no reason is noted')}")
    for state in dict.fromkeys(document.state for document in troubled):
        click.echo(f"{state} means {ADVICE[state]}.")


def counted(counts: dict[str, int]) -> str:
    """Put counts into a line; the empty states are left out."""
    found = [f"{count} {state}" for state, count in counts.items() if count]
    return ", ".join(found) or "no documents"


def finished(journal: Journal) -> Iterator[tuple[JournalDocument | None, Any, Any]]:
    """Yield each file of the results with its document and its batch's results."""
    documents: dict[tuple[str, str, str], JournalDocument] = {}
    for document in journal.documents("finished"):
        documents[document.batch_id or "", document.name, document.sha256] = document
    for results in journal.results():
        for file in results:
            source = results.document_of(file)
            key = (results.batch_id, source.name, source.sha256) if source else None
            yield documents.get(key) if key else None, file, results


def results(path: str, as_json: bool) -> None:
    """Print one line for each file that has results."""
    with Journal(path, create=False) as journal:
        for document, file, batch in finished(journal):
            name = (document and document.path) or file.file_name
            line = {
                "path": document.path if document else None, "name": file.file_name,
                "status": file.status, "batchId": batch.batch_id, "error": file.error,
            }  # fmt: skip
            if as_json:
                click.echo(json.dumps(line, ensure_ascii=False))
            else:
                error = f": {shown(file.error)}" if file.error else ""
                click.echo(f"{shown(name or '?')}  {file.status}  {batch.batch_id}{error}")


def export(path: str, out: str, as_json: bool) -> None:
    """Write every file's results as a line of JSON, the vendor's bytes among it untouched."""
    with Journal(path, create=False) as journal:
        if out == "-":
            write(journal, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        target = Path(out).absolute()
        handle, beside = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                count = write(journal, stream)
                stream.flush()
                os.fsync(stream.fileno())
            Path(beside).replace(target)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    told = {"files": count, "out": str(target)}
    click.echo(json.dumps(told) if as_json else f"{count} files written to {target}")


def write(journal: Journal, stream: BinaryIO) -> int:
    """Write the lines; return how many."""
    count = 0
    pieces: tuple[str, list[bytes]] = ("", [])
    documents = finished(journal)
    rows = {
        (resource, batch): row
        for row, _kind, resource, batch in _rows(journal)
    }  # fmt: skip
    for document, file, batch in documents:
        resource = batch.batch.extraction_id or batch.batch.classification_id or ""
        if pieces[0] != f"{resource}/{batch.batch_id}":
            raw = journal._raw.raw_results(rows[resource, batch.batch_id])
            pieces = (f"{resource}/{batch.batch_id}", split(raw or b""))
        place = next(n for n, own in enumerate(batch.files) if own is file)
        head = {
            "path": document.path if document else None,
            "name": file.file_name,
            "sha256": document.sha256 if document else None,
            "size": document.size if document else None,
            "extractionId": batch.batch.extraction_id,
            "classificationId": batch.batch.classification_id,
            "batchId": batch.batch_id,
        }
        if batch.batch.classification_id is None:
            del head["classificationId"]
        else:
            del head["extractionId"]
        text = json.dumps(head, ensure_ascii=True)[:-1].encode()
        # No JSON text needs a line break: between tokens they are blanks, within strings escapes.
        own = pieces[1][place].replace(b"\r", b" ").replace(b"\n", b" ")
        stream.write(text + b', "file": ' + own + b"}\n")
        count += 1
    return count


def _rows(journal: Journal) -> Iterator[tuple[int, str, str, str]]:
    last = 0
    while portion := journal._raw.finished(last, 500):
        for row in portion:
            last = row[0]
            yield row


def split(raw: bytes) -> list[bytes]:
    """Cut the vendor's JSON into the texts of its files, each as it was sent."""
    text = raw.decode("utf-8", "surrogateescape")
    decode = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode

    def blank(at: int) -> int:
        while text[at] in " \t\r\n":
            at += 1
        return at

    found: list[bytes] = []
    at = blank(blank(0) + 1)
    while text[at] != "}":
        key, at = decode(text, at)
        at = blank(blank(at) + 1)
        if key == "files" and text[at] == "[":
            found, inner = [], blank(at + 1)
            while text[inner] != "]":
                _, end = decode(text, inner)
                found.append(text[inner:end].encode("utf-8", "surrogateescape"))
                inner = blank(end)
                inner = blank(inner + 1) if text[inner] == "," else inner
        _, at = decode(text, at)
        at = blank(at)
        at = blank(at + 1) if text[at] == "," else at
    return found


def retry(path: str, *, unknown: bool, failed: bool, yes: bool, as_json: bool) -> None:
    """Free documents for the next run, after a question: they are paid anew."""
    if not (unknown or failed):
        raise click.UsageError("say what to retry: --unknown, --failed, or both")
    with Journal(path, create=False) as journal:
        if not yes:
            if not sys.stdin.isatty():
                raise CommandError("this is paid anew: confirm it with --yes", USAGE)
            click.confirm("The next run uploads them again, which is paid. Go on?", abort=True)
        freed = journal.retry(unknown=unknown, failed=failed)
    click.echo(json.dumps({"freed": freed}) if as_json else f"{freed} documents freed")
