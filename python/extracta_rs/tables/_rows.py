"""Files become rows: nested objects get names with dots, an array becomes rows on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..models import BatchResults, FileResult

    Source: TypeAlias = BatchResults | Iterable[BatchResults | FileResult]

LEADING = ("file_id", "file_name", "status", "error", "batch_id", "extraction_id")
"""The columns that every table begins with.

A field of such a name, or with an empty name, becomes `result.<name>`.
"""

PORTION = 5000
"""So many rows are made before they become columns; a row group of a Parquet file."""

DEEPEST = 32
"""Objects that are nested deeper are not flattened further."""

Row: TypeAlias = dict[str, Any]


def without_halves(text: str) -> str:
    """Return the text with U+FFFD for each half of a surrogate pair, which UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


@dataclass(slots=True)
class _Object:
    """What is known of the objects at one place.

    Attributes:
        columns: key to column, where a value was met.
        nulls: key to column, where null was met.
        objects: key to what is known of the objects there.
    """

    path: str
    depth: int
    columns: dict[str, str] = field(default_factory=dict)
    nulls: dict[str, str] = field(default_factory=dict)
    objects: dict[str, _Object] = field(default_factory=dict)

    def superfluous(self) -> Iterator[str]:
        """Yield the columns for what is an object wherever it is not null."""
        for key, inner in self.objects.items():
            if key in self.nulls and key not in self.columns:
                yield self.nulls[key]
            yield from inner.superfluous()


_Exploded: TypeAlias = list[tuple[_Object, str, Any]]


class Rows:
    """Makes rows, and knows the columns that were met.

    Two places whose names are the same (a key with a dot in it, beside an object) never share a
    column: the later one gets `_2` at its end.
    """

    def __init__(self, flatten: bool, explode: str | None, columns: Sequence[str]) -> None:
        if isinstance(columns, str):
            raise TypeError("columns is a list of names, not one string")
        self._flatten = flatten
        self._explode = explode
        self._root = _Object("", 0)
        asked = [without_halves(name) for name in columns]
        self._asked = set(asked)
        self._promised = self._asked - set(LEADING)
        self._columns = dict.fromkeys([*LEADING, *asked])

    def of(self, source: Source) -> Iterator[Row]:
        """Yield the rows of a batch, of many batches, or of files."""
        items = [source] if hasattr(source, "files") else source
        for item in cast("Iterable[BatchResults | FileResult]", items):
            if not hasattr(item, "batch_id"):
                raise TypeError(f"neither results nor a file: {type(item).__name__}")
            batch_id, extraction_id = item.batch_id, item.extraction_id
            files: list[FileResult] = getattr(item, "files", [item])
            for file in files:
                yield from self._file(file, batch_id, extraction_id)

    def _file(
        self, file: FileResult, batch_id: str | None, extraction_id: str | None
    ) -> Iterable[Row]:
        row: Row = {
            "file_id": file.file_id,
            "file_name": file.file_name,
            "status": file.status,
            "error": file.error,
            "batch_id": batch_id,
            "extraction_id": extraction_id,
        }
        result = file.result
        if not result:
            # Not what the vendor documents, yet nothing is to be lost.
            odd = file.to_dict().get("result")
            result = {} if isinstance(odd, dict) or odd is None else {"result": odd}
        exploded: _Exploded = []
        self._put(self._root, result, row, None if self._explode is None else exploded)
        if not exploded:
            return (row,)
        parent, key, value = exploded[0]
        elements = value if isinstance(value, list) else [value]
        return [self._element(parent, key, element, row) for element in elements] or (row,)

    def _element(self, parent: _Object, key: str, element: object, row: Row) -> Row:
        copy = row.copy()
        self._put(parent, {key: element}, copy, None)
        return copy

    def _put(
        self,
        place: _Object,
        values: dict[str, Any],
        row: Row,
        exploded: _Exploded | None,
    ) -> None:
        """Put the values of an object into a row; set aside what is to be exploded."""
        columns = place.columns
        for key, value in values.items():
            if value is None:
                row[columns.get(key) or self._null(place, key)] = None
            elif exploded is not None and not exploded and place.path + key == self._explode:
                exploded.append((place, key, value))
            elif type(value) is dict and self._flatten and place.depth < DEEPEST:
                inner = place.objects.get(key)
                if inner is None:
                    inner = _Object(f"{place.path}{key}.", place.depth + 1)
                    place.objects[key] = inner
                self._put(inner, value, row, exploded)
            else:
                row[columns.get(key) or self._column(place, key)] = value

    def _null(self, place: _Object, key: str) -> str:
        if key not in place.nulls:
            place.nulls[key] = self._new(place.path + key)
        return place.nulls[key]

    def _column(self, place: _Object, key: str) -> str:
        place.columns[key] = name = place.nulls.get(key) or self._new(place.path + key)
        return name

    def _new(self, path: str) -> str:
        """Return the name of a new column."""
        name = without_halves(path)
        if name in self._promised:
            self._promised.remove(name)
            return name
        if name in LEADING or not name:
            name = f"result.{name}"
        plain, count = name, 1
        while name in self._columns:
            count += 1
            name = f"{plain}_{count}"
        self._columns[name] = None
        return name

    def columns(self) -> list[str]:
        """Return the names of the columns so far, in the order in which they came."""
        without = set(self._root.superfluous()) - self._asked
        return [name for name in self._columns if name not in without]

    def reserved(self) -> list[str]:
        """Return all names that were given, of which `columns` may leave out some.

        What has a place here keeps it.
        """
        return list(self._columns)


def portions(made: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows in lists of a bearable size."""
    made = iter(made)
    while portion := list(islice(made, PORTION)):
        yield portion
