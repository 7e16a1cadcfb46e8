"""What notebooks show of results, files, batches and templates.

All text comes from documents and from the service: it is escaped, and there is never more of it
than a page bears. No scripts, no style sheets, nothing to load; the theme's own colours, and three
for statuses that are read on white as on black. URLs are left out: who has one can fetch the
document, and notebooks are passed on.
"""

from __future__ import annotations

import itertools
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._core import FileResult
    from .models import BatchRef, BatchResults, Classification, Extraction

MOST_ROWS = 20
MOST_COLUMNS = 8
MOST_FIELDS = 40
MOST_TEXT = 120
MOST_DEPTH = 4

_COLOURS = {"processed": "#1f8a4c", "failed": "#d64545"}
_PENDING = "#a86b00"
_EDGE = "1px solid rgba(128,128,128,.35)"
_CELL = (
    f'style="text-align:left;vertical-align:top;border:0;border-bottom:{_EDGE};padding:.2em .7em"'
)
_SMALL = 'style="opacity:.75;margin:.3em 0"'


def results(results: BatchResults) -> str:
    """Return the files of a batch as a table, with the first keys of their results."""
    files = list(itertools.islice(results.files, MOST_ROWS))
    keys = _columns(files)
    head = ["file", "status", *keys]
    rows = []
    for file in files:
        found = file.result
        cells = [_text(file.file_name or file.file_id or ""), _status(file)]
        cells += [_value(found[key]) if key in found else "" for key in keys]
        rows.append(cells)
    counts = Counter(file.status or "no status" for file in results.files)
    told = ", ".join(f"{count} {name}" for name, count in counts.most_common(5))
    size = _count(len(results.files), "file")
    title = f"{size}: {told}" if told else f"{size}, {results.status or 'no status'}"
    more = _more(len(results.files) - len(files), "file")
    return _block(f"{_kind_of(results.batch)}: {title}", _table(head, rows), more)


def file(file: FileResult) -> str:
    """Return the result of a file as a table of its fields."""
    found = file.result
    shown = list(itertools.islice(found.items(), MOST_FIELDS))
    rows = [[f"<b>{_text(key)}</b>", _value(value, nested=True)] for key, value in shown]
    title = f"{file.file_name or file.file_id or 'A file'}: {file.status or 'no status'}"
    if file.error:
        title += f", {file.error}"
    return _block(title, _table([], rows), _more(len(found) - len(shown), "field"))


def batch(batch: BatchRef) -> str:
    """Return what is known of a batch: its ids, and the files that were uploaded."""
    files = list(getattr(batch, "files", ()))
    rows = [
        [_text(file.file_name or ""), f"<code>{_text(file.file_id or '')}</code>"]
        for file in files[:MOST_ROWS]
    ]
    title = _kind_of(batch)
    if files:
        title += f": {_count(len(files), 'file')}"
    return _block(title, _table(["file", "id"], rows), _more(len(files) - len(rows), "file"))


def extraction(extraction: Extraction) -> str:
    """Return a template with its fields."""
    details = [extraction.language or ""]
    options = extraction.options or {}
    details += [f"{key}={_plain(value)}" for key, value in options.items() if value is not False]
    return _template(
        f"Extraction {extraction.name or ''}",
        extraction.extraction_id,
        [extraction.description or "", ", ".join(filter(None, details))],
        list(_flat_fields(extraction.fields or [], "", 0)),
        ["key", "type", "description", "example"],
    )


def classification(classification: Classification) -> str:
    """Return a template with its document types."""
    rows = [
        [kind.get("name"), kind.get("description"), kind.get("uniqueWords"),
         kind.get("extractionId")]
        for kind in classification.document_types or []
    ]  # fmt: skip
    return _template(
        f"Classification {classification.name or ''}",
        classification.classification_id,
        [classification.description or ""],
        rows,
        ["document type", "description", "words", "extraction"],
    )


def _template(
    title: str, template_id: str, notes: list[str], rows: list[list[Any]], head: list[str]
) -> str:
    cells = [[_value(cell) for cell in row] for row in rows[:MOST_FIELDS]]
    told = "".join(f"<div {_SMALL}>{_text(note)}</div>" for note in notes if note)
    return _block(
        f"{title.strip()} ({template_id})",
        told + _table(head, cells),
        _more(len(rows) - len(cells), "row"),
    )


def _flat_fields(fields: Sequence[Any], above: str, depth: int) -> Iterable[list[Any]]:
    for field in fields:
        if not isinstance(field, dict):
            continue
        key = f"{above}{_plain(field.get('key', ''))}"
        kind = field.get("type", "string")
        yield [key, kind, field.get("description"), field.get("example")]
        items = field.get("items")
        inner = items.get("properties") if isinstance(items, dict) else field.get("properties")
        if isinstance(inner, list) and depth < MOST_DEPTH:
            mark = "[]." if kind == "array" else "."
            yield from _flat_fields(inner, f"{key}{mark}", depth + 1)


def _kind_of(batch: BatchRef) -> str:
    owner = f" of extraction {batch.extraction_id}" if batch.extraction_id else ""
    owner = f" of classification {batch.classification_id}" if batch.classification_id else owner
    return f"Batch {batch.batch_id}{owner}"


def _columns(files: Iterable[FileResult]) -> list[str]:
    keys = (key for file in files for key in itertools.islice(file.result, MOST_FIELDS))
    return list(itertools.islice(dict.fromkeys(keys), MOST_COLUMNS))


def _status(file: FileResult) -> str:
    status = file.status or "no status"
    colour = _COLOURS.get(status, _PENDING)
    error = f' <span style="opacity:.75">{_text(file.error)}</span>' if file.error else ""
    return f'<b style="color:{colour}">{_text(status)}</b>{error}'


def _value(value: Any, *, nested: bool = False) -> str:
    if nested and isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
        rows = value[:MOST_ROWS]
        keys = list(itertools.islice(dict.fromkeys(k for row in rows for k in row), MOST_COLUMNS))
        cells = [[_value(row[key]) if key in row else "" for key in keys] for row in rows]
        return _table([str(key) for key in keys], cells) + _more(len(value) - len(rows), "row")
    if nested and isinstance(value, dict) and value:
        pairs = list(itertools.islice(value.items(), MOST_ROWS))
        cells = [[f"<b>{_text(str(key))}</b>", _value(inner)] for key, inner in pairs]
        return _table([], cells) + _more(len(value) - len(pairs), "field")
    return _text(_plain(value))


def _plain(value: Any) -> str:
    """Write a value in a line that is never much longer than what is shown of it."""
    return "".join(itertools.islice(_pieces(value, 0), MOST_TEXT))


def _pieces(value: Any, depth: int) -> Iterable[str]:
    if value is None:
        return
    if isinstance(value, bool):
        yield "yes" if value else "no"
    elif isinstance(value, dict) and depth < MOST_DEPTH:
        for number, (key, inner) in enumerate(value.items()):
            yield f"{'; ' if number else ''}{_cut(str(key))}: "
            yield from _pieces(inner, depth + 1)
    elif isinstance(value, list) and depth < MOST_DEPTH:
        for number, inner in enumerate(value):
            yield (" | " if isinstance(inner, dict) else ", ") if number else ""
            yield from _pieces(inner, depth + 1)
    elif isinstance(value, dict | list) or (isinstance(value, int) and value.bit_length() > 999):
        yield "…"
    else:
        yield _cut(value if isinstance(value, str) else repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…"


def _text(text: str) -> str:
    # A notebook is UTF-8: half of a surrogate pair could not be saved.
    whole = _cut(text).encode("utf-8", "replace").decode()
    return escape("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in whole))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    titles = "".join(f"<th {_CELL}>{_text(name)}</th>" for name in head)
    lines = ["<tr>" + "".join(f'<td dir="auto" {_CELL}>{cell}</td>' for cell in row) + "</tr>"
             for row in rows]  # fmt: skip
    top = f"<thead><tr>{titles}</tr></thead>" if head else ""
    style = "border-collapse:collapse;margin:.2em 0;background:none;color:inherit"
    return f'<table style="{style}">{top}<tbody>{"".join(lines)}</tbody></table>'


def _block(title: str, table: str, more: str) -> str:
    return f'<div><div dir="auto"><b>{_text(title)}</b></div>{table}{more}</div>'


def _more(count: int, what: str) -> str:
    return f"<div {_SMALL}>and {_count(count, f'more {what}')}</div>" if count > 0 else ""


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
