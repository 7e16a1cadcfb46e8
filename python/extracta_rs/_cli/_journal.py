"""`extracta-rs journal`: what a run has done, its results, and what is to be tried again."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..journal import Journal, JournalDocument

if TYPE_CHECKING:
    from ..journal import DocumentState
    from ..models import FileResult, RunDocument, RunResults

SHOWN = 20
ADVICE: dict[DocumentState, str] = {
    "refused": "surely not uploaded; the next run with this journal tries again",
    "unknown": "may have been uploaded, and paid: look in the vendor's dashboard; if they are not"
    " there, `extracta-rs journal retry --unknown` frees them",
}


def open_journal(path: str) -> Journal:
    """Open a journal that is there."""
    return Journal(path, create=False)


def run_status(path: str, as_json: bool) -> None:
    """Print how many documents are in each state, and what to do about those that are stuck."""
    with open_journal(path) as journal:
        counts = journal.status()
        stuck = {
            state: [_document(document) for document in journal.documents(state)]
            for state in ADVICE
        }
    if as_json:
        click.echo(json.dumps({"documents": counts, **stuck}))
        return
    for state, count in counts.items():
        if count:
            click.echo(f"{state:<10}{count:>9,}")
    if not any(counts.values()):
        click.echo("no documents")
    for state, documents in stuck.items():
        if documents:
            click.echo(f"\n{state}: {ADVICE[state]}")
        for document in documents[:SHOWN]:
            click.echo(f"  {document['path'] or document['name']}: {document['note']}")
        if len(documents) > SHOWN:
            click.echo(f"  and {len(documents) - SHOWN:,} more (--json has all)")


def run_results(path: str, as_json: bool) -> None:
    """Print one line for each file that has results."""
    with open_journal(path) as journal:
        for results, file, source in _files(journal):
            where = (source and source.path) or file.file_name
            if as_json:
                click.echo(json.dumps(_exported(results, file, source)))
            else:
                error = f": {file.error}" if file.error else ""
                click.echo(f"{where}\t{file.status or '-'}\t{results.batch_id}{error}")


def run_export(path: str, out: str) -> None:
    """Write one JSON object a line for each file that has results."""
    with open_journal(path) as journal:
        lines = (
            json.dumps(_exported(results, file, source), ensure_ascii=False)
            for results, file, source in _files(journal)
        )
        if out == "-":
            for line in lines:
                click.echo(line)
            return
        count = _write_whole(Path(out), lines)
    click.echo(f"{count:,} files written to {out}", err=True)


def run_retry(path: str, unknown: bool, failed: bool, yes: bool, as_json: bool) -> None:
    """Free documents so that the next run uploads them anew."""
    if not (unknown or failed):
        raise click.UsageError("say what to retry: --unknown, --failed, or both")
    with open_journal(path) as journal:
        if not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("what is freed is uploaded, and paid, anew: pass --yes")
            click.confirm("What is freed is uploaded, and paid, anew. Free it?", abort=True)
        freed = journal.retry(unknown=unknown, failed=failed)
    if as_json:
        click.echo(json.dumps({"freed": freed}))
    else:
        click.echo(f"{freed:,} documents freed; the next run with this journal uploads them")


def _document(document: JournalDocument) -> dict[str, Any]:
    return {
        "name": document.name,
        "path": document.path,
        "sha256": document.sha256,
        "size": document.size,
        "batchId": document.batch_id,
        "note": document.note,
    }


def _files(journal: Journal) -> Iterator[tuple[RunResults, FileResult, RunDocument | None]]:
    for results in journal.results():
        for file in results:
            yield results, file, results.document_of(file)


def _exported(
    results: RunResults, file: FileResult, source: RunDocument | None
) -> dict[str, object]:
    return {
        "path": source and source.path,
        "name": source.name if source else file.file_name,
        "sha256": source and source.sha256,
        "size": source and source.size,
        "extractionId": results.extraction_id,
        "classificationId": results.classification_id,
        "batchId": results.batch_id,
        "file": file.to_dict(),
    }


def _write_whole(path: Path, lines: Iterator[str]) -> int:
    """Write a file beside its place and put it there when it is complete."""
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    count = 0
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        # As `open` would have made it.
        mask = os.umask(0)
        os.umask(mask)
        Path(beside).chmod(0o666 & ~mask)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return count
