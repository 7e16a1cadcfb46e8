"""Where results go: a table in a file, JSON, or lines for a person."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import tables
from ._listen_view import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .. import BatchResults, FileResult
    from ..tables import Source

WRITERS: dict[str, Callable[..., int]] = {
    ".csv": tables.to_csv,
    ".jsonl": tables.to_jsonl,
    ".parquet": tables.to_parquet,
}
OWN = frozenset({"file_id", "file_name", "status", "error", "batch_id", "extraction_id"})


def check_out(out: str | None, as_json: bool) -> None:
    """Refuse, before anything is paid, a table that could not be written.

    Raises:
        UsageError: it says what to do.
    """
    if out is None:
        return
    if out == "-" and as_json:
        raise click.UsageError("--out - and --json both print: name a file, or leave one out")
    if suffix(out) not in WRITERS:
        kinds = ", ".join(WRITERS)
        raise click.UsageError(f"--out {out}: it must be -, or end with one of {kinds}")
    if suffix(out) == ".parquet" and find_spec("pyarrow") is None:
        raise click.UsageError('--out: Parquet needs pyarrow: pip install "extracta_rs[arrow]"')
    if not Path(out).absolute().parent.is_dir():
        raise click.UsageError(f"--out {out}: there is no folder {Path(out).parent}")


def suffix(out: str) -> str:
    """Return the kind of table, as the suffix of its files."""
    return ".jsonl" if out == "-" else Path(out).suffix.lower()


def write(source: Source, out: str, explode: str | None) -> int:
    """Write a table; return how many rows."""
    return WRITERS[suffix(out)](source, out, explode=explode)


def file_json(file: FileResult) -> dict[str, Any]:
    """Return a file as `--json` prints it."""
    return {
        "file_id": file.file_id,
        "file_name": file.file_name,
        "status": file.status,
        "error": file.error,
        "result": file.result,
    }


def batch_json(results: BatchResults) -> dict[str, Any]:
    """Return a batch as `--json` prints it."""
    kind = "extraction" if results.classification_id is None else "classification"
    return {
        f"{kind}_id": results.extraction_id or results.classification_id,
        "batch_id": results.batch_id,
        "status": results.status,
        "finished": results.finished,
        "files": [file_json(file) for file in results],
    }


def print_json(value: object) -> None:
    """Print a value; half of an emoji, which no encoding has, as its escape."""
    click.echo(json.dumps(value, ensure_ascii=True))


def lines(files: Iterable[FileResult], name: Callable[[FileResult], str | None]) -> str:
    """Show files with what was extracted from them.

    Args:
        files: the files.
        name: what to call one.
    """
    shown = []
    for file in files:
        error = f": {plain(file.error)}" if file.error else ""
        title = plain(name(file) or file.file_id or "?")
        shown.append(f"{title}  {plain(file.status or '?')}{error}")
        (record,) = tables.to_records([file])
        fields = {plain(key): value for key, value in record.items() if key not in OWN}
        width = max(map(len, fields), default=0)
        shown += [f"  {key:<{width}}  {told(value)}".rstrip() for key, value in fields.items()]
    return "\n".join(shown)


def told(value: object) -> str:
    """Return a value on one line: text as it is, all else as JSON."""
    return plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
