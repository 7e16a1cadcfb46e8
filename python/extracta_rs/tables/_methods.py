"""The tables of one batch as methods, each of which says what the function of its name says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .._core import Table
from . import to_arrow, to_csv, to_jsonl, to_pandas, to_parquet, to_polars, to_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import polars  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]

    from ..models import BatchResults
    from ._files import Target


class Tabular:
    """What `BatchResults` has of tables: one row a file."""

    __slots__ = ()

    def to_records(
        self, *, flatten: bool = True, explode: str | None = None, columns: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Return one dict a file, each with all columns, the values as the vendor sent them.

        The columns `file_id`, `file_name`, `status`, `error`, `batch_id` and `extraction_id` come
        first, then the fields of `result`; a field of such a name becomes `result.<name>`. For
        many batches in one table see the functions of `extracta_rs.tables`.

        Args:
            flatten: whether nested objects become columns with dots (`supplier.name`) or stay
                dicts.
            explode: an array, by the name of its column (`items`, `order.lines`): one row for
                each element, the other columns repeated; a file without elements keeps one row.
            columns: names that come first, in this order, also where no file has them.
        """
        return to_records(self._source(), flatten=flatten, explode=explode, columns=columns)

    def to_arrow(
        self, *, flatten: bool = True, explode: str | None = None, columns: Sequence[str] = ()
    ) -> pyarrow.Table:
        """Return an Arrow table (extra `arrow`); for the arguments see `BatchResults.to_records`.

        Raises:
            ImportError: pyarrow is not installed.
        """
        return to_arrow(self._source(), flatten=flatten, explode=explode, columns=columns)

    def to_pandas(
        self, *, flatten: bool = True, explode: str | None = None, columns: Sequence[str] = ()
    ) -> pandas.DataFrame:
        """Return a pandas frame (extra `pandas`); for the arguments see `BatchResults.to_records`.

        Its types are the nullable ones; arrays are the lists of the results themselves.

        Raises:
            ImportError: pandas is not installed.
        """
        return to_pandas(self._source(), flatten=flatten, explode=explode, columns=columns)

    def to_polars(
        self, *, flatten: bool = True, explode: str | None = None, columns: Sequence[str] = ()
    ) -> polars.DataFrame:
        """Return a Polars frame (extra `polars`); for the arguments see `BatchResults.to_records`.

        Raises:
            ImportError: Polars is not installed.
        """
        return to_polars(self._source(), flatten=flatten, explode=explode, columns=columns)

    def to_csv(
        self,
        target: Target,
        *,
        flatten: bool = True,
        explode: str | None = None,
        columns: Sequence[str] = (),
        excel: bool = False,
    ) -> int:
        """Write a CSV file and return the number of rows.

        The file appears when it is whole.

        Args:
            target: a path, `-` for standard output, or a file object, which stays open.
            flatten: see `to_records`.
            explode: see `to_records`.
            columns: see `to_records`.
            excel: a byte order mark, by which Excel knows UTF-8, and `'` in front of what
                spreadsheet programs would run as a formula: the text comes from documents that
                strangers sent.

        Raises:
            OSError: the file cannot be written.
        """
        return to_csv(
            self._source(), target, flatten=flatten, explode=explode, columns=columns, excel=excel
        )

    def to_jsonl(self, target: Target, *, flatten: bool = True, explode: str | None = None) -> int:
        """Write JSON Lines and return the number of rows.

        The target is as in `to_csv`; for the other arguments see `BatchResults.to_records`.

        Raises:
            OSError: the file cannot be written.
        """
        return to_jsonl(self._source(), target, flatten=flatten, explode=explode)

    def to_parquet(
        self,
        target: Target,
        *,
        flatten: bool = True,
        explode: str | None = None,
        columns: Sequence[str] = (),
    ) -> int:
        """Write a Parquet file (extra `arrow`) and return the number of rows.

        The target is as in `to_csv`; for the other arguments see `BatchResults.to_records`.

        Raises:
            ImportError: pyarrow is not installed.
            OSError: the file cannot be written.
        """
        return to_parquet(self._source(), target, flatten=flatten, explode=explode, columns=columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the table to what speaks Arrow's C data interface: `polars.DataFrame(results)`."""
        return Table(self._source(), True, None, ()).arrow().__arrow_c_stream__(requested_schema)

    def _source(self) -> BatchResults:
        return cast("BatchResults", self)
