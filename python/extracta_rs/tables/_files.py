"""Tables as files: written beside and renamed, so that a crash leaves no half file.

The columns are known only when the last file has come. Until then the rows wait in a temporary
file; memory holds one portion of them.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import secrets
import shutil
import stat
import struct
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from ._frames import arrow_column, arrow_type, columns_of, needed
from ._kinds import NONE, Kind, conformed, kind_of, merged, text_of
from ._rows import portions, without_halves

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._rows import Row, Rows

Target: TypeAlias = str | os.PathLike[str] | IO[bytes] | IO[str]


@contextmanager
def opened(target: Target) -> Iterator[IO[bytes]]:
    """Open what a table is written to, in bytes; a path comes into being at the end, whole."""
    if target == "-":
        target = getattr(sys.stdout, "buffer", sys.stdout)
    if not isinstance(target, str | os.PathLike):
        yield _binary(target)
        target.flush()
        return
    path = Path(target)
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        with path.open("wb") as there:  # a pipe, a terminal: nothing to rename; a folder fails
            yield there
        return
    path = Path(os.path.realpath(path))
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _binary(file: Any) -> Any:
    return _Encoded(file) if isinstance(file, io.TextIOBase) else file


class _Encoded:
    """Writes UTF-8 to a text file, whole characters at a time."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text

    def write(self, data: bytes) -> int:
        self._text.write(data.decode())
        return len(data)

    def flush(self) -> None:
        self._text.flush()


class _Spool:
    """Portions of a table, in a temporary file."""

    _HEAD = struct.Struct("<Q")

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, portion: list[list[Any]]) -> None:
        data = json.dumps(portion, separators=(",", ":")).encode()
        self._file.write(self._HEAD.pack(len(data)))
        self._file.write(data)

    def __iter__(self) -> Iterator[list[list[Any]]]:
        self._file.seek(0)
        while head := self._file.read(self._HEAD.size):
            yield json.loads(self._file.read(*self._HEAD.unpack(head)))


# What spreadsheet programs take for a formula; `-12,50` and `+49 30 1234` are none.
_FORMULA = re.compile(r"[=@\t\r\n\uff1d\uff0b\uff0d\uff20]|[+-](?![\d., \u00a0]*%?\Z)")


def _cell(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else text_of(value)


def _harmless(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def write_csv(rows: Rows, made: Iterable[Row], target: Target, excel: bool) -> int:
    """Write CSV as RFC 4180 has it, in UTF-8; return how many rows."""
    count = 0
    with opened(target) as out, tempfile.TemporaryFile() as waiting:
        spool = _Spool(waiting)
        for portion in portions(made):
            names = rows.reserved()
            spool.add([[_cell(row.get(name)) for name in names] for row in portion])
            count += len(portion)
        names, places = _final(rows)
        out.write(_csv([names], excel, bom=excel))
        for cells in spool:
            wide = [place for place in places if place < len(cells[0])]
            narrow = [""] * (len(places) - len(wide))
            out.write(_csv([[row[place] for place in wide] + narrow for row in cells], excel))
    return count


def _final(rows: Rows) -> tuple[list[str], list[int]]:
    """Return the names of the columns, and the places at which they wait in the spool."""
    place = {name: place for place, name in enumerate(rows.reserved())}
    names = rows.columns()
    return names, [place[name] for name in names]


def _csv(rows: list[list[str]], excel: bool, bom: bool = False) -> bytes:
    text = io.StringIO(newline="")
    if excel:
        rows = [[_harmless(cell) for cell in row] for row in rows]
    csv.writer(text).writerows(rows)
    return without_halves(text.getvalue()).encode("utf-8-sig" if bom else "utf-8")


def write_jsonl(made: Iterable[Row], target: Target) -> int:
    """Write one JSON object a line, as the rows come; return how many."""
    count = 0
    with opened(target) as out:
        for row in made:
            # Half a surrogate pair can only stand in a string, where its escape is JSON.
            out.write((text_of(row) + "\n").encode("utf-8", "backslashreplace"))
            count += 1
    return count


def write_parquet(rows: Rows, made: Iterable[Row], target: Target) -> int:
    """Write Parquet with one schema for all portions; return how many rows."""
    pa, parquet = needed("pyarrow", "arrow"), needed("pyarrow.parquet", "arrow")
    if isinstance(target, io.TextIOBase):
        raise TypeError("Parquet is binary: open the file with 'wb'")
    count, kinds = 0, dict[str, Kind]()
    with opened(target) as out, tempfile.TemporaryFile() as waiting:
        spool = _Spool(waiting)
        for portion in portions(made):
            columns = columns_of(portion, rows.reserved())
            found = {name: kind_of(values) for name, values in columns.items()}
            kinds |= {name: merged(kinds.get(name, NONE), kind) for name, kind in found.items()}
            # Text stays text whatever follows; of other columns only all portions tell the kind.
            spool.add(
                [
                    conformed(values, found[name]) if found[name].name == "text" else values
                    for name, values in columns.items()
                ]
            )
            count += len(portion)
        names, places = _final(rows)
        final = [kinds.get(name, NONE) for name in names]
        schema = pa.schema(
            [(name, arrow_type(kind)) for name, kind in zip(names, final, strict=True)]
        )
        with parquet.ParquetWriter(out, schema) as writer:
            for columns_ in spool:
                height = len(columns_[0])
                arrays = [
                    arrow_column(
                        columns_[place] if place < len(columns_) else [None] * height, kind
                    )
                    for place, kind in zip(places, final, strict=True)
                ]
                writer.write_table(pa.table(arrays, schema=schema))
    return count
