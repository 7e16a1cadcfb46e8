"""Results as tables: records, Arrow, pandas, Polars, CSV, JSON Lines, Parquet.

Each function takes the results of one batch or an iterable of them, as `wait_many`, `run_many` and
`Journal.results()` give; `BatchResults` has the same as methods. The files of a webhook
(`event.files`) will do, too. One row is one file; `docs/tables.md` has the rules in full:

- The columns `file_id`, `file_name`, `status`, `error`, `batch_id` and `extraction_id` come first;
  a field of such a name becomes `result.<name>`. The others stand as they are first met.
- Nested objects become columns with dots in their names, arrays stay lists.
- What is missing is null. A column whose values do not go together (a number here, text there) is
  text, in the vendor's spelling; nothing that a file contains is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from .._core import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import polars  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]

    from ..models import BatchResults, FileResult
    from ._files import Target

    Source: TypeAlias = BatchResults | Iterable[BatchResults | FileResult]

__all__ = ["to_arrow", "to_csv", "to_jsonl", "to_pandas", "to_parquet", "to_polars", "to_records"]


def to_records(
    source: Source,
    *,
    flatten: bool = True,
    explode: str | None = None,
    columns: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return one dict a row, each with all columns, the values as the vendor sent them.

    Args:
        source: the results of a batch, an iterable of them, or an iterable of files.
        flatten: whether nested objects become columns with dots (`supplier.name`) or stay dicts.
        explode: an array, by the name of its column (`items`, `order.lines`): one row for each
            element, the other columns repeated. A file without elements keeps one row; a value
            that is no array counts as its only element. With `flatten=False`, a field at the top.
        columns: names that come first, in this order, also where no file has them; the others
            follow as they are met.
    """
    return Table(source, flatten, explode, columns).records()


def to_arrow(
    source: Source,
    *,
    flatten: bool = True,
    explode: str | None = None,
    columns: Sequence[str] = (),
) -> pyarrow.Table:
    """Return an Arrow table. Needs the extra `arrow`.

    What speaks Arrow's C data interface (Polars, DuckDB, pandas, ...) takes it without a copy.

    Args:
        source: the results of a batch, an iterable of them, or an iterable of files.
        flatten: as in `to_records`; objects that stay are structs.
        explode: as in `to_records`.
        columns: as in `to_records`.

    Raises:
        ImportError: pyarrow is not installed.
    """
    from ._frames import needed

    pa = needed("pyarrow", "arrow")
    made: pyarrow.Table = pa.table(Table(source, flatten, explode, columns).arrow())
    return made


def to_pandas(
    source: Source,
    *,
    flatten: bool = True,
    explode: str | None = None,
    columns: Sequence[str] = (),
) -> pandas.DataFrame:
    """Return a pandas frame. Needs the extra `pandas`, but no pyarrow.

    Its types are the nullable ones (`string`, `Int64`, `Float64`, `boolean`): whole numbers stay
    whole where some are missing. Arrays and objects are Python's lists and dicts, those of the
    results themselves.

    Args:
        source: the results of a batch, an iterable of them, or an iterable of files.
        flatten: as in `to_records`.
        explode: as in `to_records`.
        columns: as in `to_records`.

    Raises:
        ImportError: pandas is not installed.
    """
    from ._frames import needed, pandas_frame

    needed("pandas", "pandas")
    return pandas_frame(Table(source, flatten, explode, columns))


def to_polars(
    source: Source,
    *,
    flatten: bool = True,
    explode: str | None = None,
    columns: Sequence[str] = (),
) -> polars.DataFrame:
    """Return a Polars frame. Needs the extra `polars`, but no pyarrow.

    Args:
        source: the results of a batch, an iterable of them, or an iterable of files.
        flatten: as in `to_records`; objects that stay are structs.
        explode: as in `to_records`.
        columns: as in `to_records`.

    Raises:
        ImportError: Polars is not installed.
    """
    from ._frames import needed

    pl = needed("polars", "polars")
    made: polars.DataFrame = pl.DataFrame(Table(source, flatten, explode, columns).arrow())
    return made


def to_csv(
    source: Source,
    target: Target,
    *,
    flatten: bool = True,
    explode: str | None = None,
    columns: Sequence[str] = (),
    excel: bool = False,
) -> int:
    """Write a CSV file (RFC 4180, UTF-8) and return the number of rows, the header not counted.

    The file appears when it is whole. Numbers, booleans, arrays and objects stand there as JSON;
    what is null is empty. Rows wait in a temporary file, not in memory.

    Args:
        source: the results of a batch, an iterable of them, or an iterable of files.
        target: a path, `-` for standard output, or a file object, which stays open.
        flatten: as in `to_records`.
        explode: as in `to_records`.
        columns: as in `to_records`.
        excel: for a person with a spreadsheet program: a byte order mark, by which Excel knows
            UTF-8, and `'` in front of what such programs would run as a formula. The text comes
            from documents that strangers sent.

    Raises:
        OSError: the file cannot be written.
    """
    from ._files import write_csv

    return write_csv(Table(source, flatten, explode, columns), target, excel)


def to_jsonl(
    source: Source,
    target: Target,
    *,
    flatten: bool = True,
    explode: str | None = None,
) -> int:
    """Write JSON Lines and return the number of rows; each has the columns that its file has.

    A path appears when the file is whole; into a file object rows go as they come.

    Args:
        source: the results of a batch, an iterable of them, or an iterable of files.
        target: a path, `-` for standard output, or a file object, which stays open.
        flatten: as in `to_records`.
        explode: as in `to_records`.

    Raises:
        OSError: the file cannot be written.
    """
    from ._files import write_jsonl

    return write_jsonl(Table(source, flatten, explode, ()), target)


def to_parquet(
    source: Source,
    target: Target,
    *,
    flatten: bool = True,
    explode: str | None = None,
    columns: Sequence[str] = (),
) -> int:
    """Write a Parquet file and return the number of rows. Needs the extra `arrow`.

    The file appears when it is whole. Rows wait in a temporary file, not in memory, until the
    type of each column is known.

    Args:
        source: the results of a batch, an iterable of them, or an iterable of files.
        target: a path, `-` for standard output, or a binary file object, which stays open.
        flatten: as in `to_records`; objects that stay are structs.
        explode: as in `to_records`.
        columns: as in `to_records`.

    Raises:
        ImportError: pyarrow is not installed.
        OSError: the file cannot be written.
    """
    from ._files import write_parquet

    return write_parquet(Table(source, flatten, explode, columns), target)
