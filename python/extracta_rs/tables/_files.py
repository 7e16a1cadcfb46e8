"""Tables as files: written beside and renamed, so that a crash leaves no half file.

The columns are known only when the last file has come. Until then the rows wait in a temporary
file; memory holds one portion of them.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import stat
import struct
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from ._frames import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._core import Table

Target: TypeAlias = str | os.PathLike[str] | IO[bytes] | IO[str]

PORTION = 5000
"""So many rows are made before they are written; a row group of a Parquet file."""


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

    def __init__(self, file: IO[bytes], table: Table) -> None:
        self._file = file
        while data := table.portion(PORTION):
            file.write(self._HEAD.pack(len(data)))
            file.write(data)

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while head := self._file.read(self._HEAD.size):
            yield self._file.read(*self._HEAD.unpack(head))


def write_csv(table: Table, target: Target, excel: bool) -> int:
    """Write CSV as RFC 4180 has it, in UTF-8; return how many rows."""
    with opened(target) as out, tempfile.TemporaryFile() as waiting:
        portions = _Spool(waiting, table)
        out.write(table.csv(None, excel))
        for portion in portions:
            out.write(table.csv(portion, excel))
    return table.height


def write_jsonl(table: Table, target: Target) -> int:
    """Write one JSON object a line, as the rows come; return how many."""
    with opened(target) as out:
        while lines := table.json_lines(PORTION):
            out.write(lines)
    return table.height


def write_parquet(table: Table, target: Target) -> int:
    """Write Parquet with one schema for all portions; return how many rows."""
    pa, parquet = needed("pyarrow", "arrow"), needed("pyarrow.parquet", "arrow")
    if isinstance(target, io.TextIOBase):
        raise TypeError("Parquet is binary: open the file with 'wb'")
    with opened(target) as out, tempfile.TemporaryFile() as waiting:
        portions = _Spool(waiting, table)
        schema = pa.table(table.batch(None)).schema
        with parquet.ParquetWriter(out, schema) as writer:
            for portion in portions:
                writer.write_table(pa.table(table.batch(portion)))
    return table.height
