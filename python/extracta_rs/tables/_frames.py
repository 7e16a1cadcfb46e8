"""Columns become tables of Arrow, pandas and Polars."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._kinds import conformed, kind_of
from ._rows import portions

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import polars  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]

    from ._kinds import Kind, Values
    from ._rows import Row, Rows


def needed(module: str, extra: str) -> Any:
    """Import an optional package, or tell how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f'this needs {module.partition(".")[0]}: pip install "extracta_rs[{extra}]" ({error})',
            name=module,
        ) from error


def columns_of(rows: list[Row], names: Iterable[str]) -> dict[str, Values]:
    """Turn rows into columns, with None where a row has no value."""
    return {name: [row.get(name) for row in rows] for name in names}


def gathered(rows: Rows, made: Iterable[Row]) -> dict[str, Values]:
    """Turn rows into columns, portion by portion.

    Keeping all rows until the end would have Python's collector of cycles look through them.
    """
    height, found = 0, dict[str, "Values"]()
    for portion in portions(made):
        for name, values in columns_of(portion, rows.reserved()).items():
            if name not in found:
                found[name] = [None] * height
            found[name] += values
        height += len(portion)
    return {name: found.get(name) or [None] * height for name in rows.columns()}


def arrow_type(kind: Kind) -> pyarrow.DataType:
    """Return Arrow's type for a kind."""
    pa = needed("pyarrow", "arrow")
    if kind.name == "list" and kind.item:
        return pa.list_(arrow_type(kind.item))
    if kind.name == "struct":
        return pa.struct([(key, arrow_type(inner)) for key, inner in kind.fields.items()])
    return {
        "bool": pa.bool_,
        "int": pa.int64,
        "long": pa.int64,
        "float": pa.float64,
    }.get(kind.name, pa.string)()


def arrow_column(values: Values, kind: Kind) -> Any:
    """Return the values as an Arrow array; pyarrow copies them without Python's help."""
    return needed("pyarrow", "arrow").array(conformed(values, kind), type=arrow_type(kind))


def arrow(columns: dict[str, Values]) -> pyarrow.Table:
    """Return an Arrow table."""
    return needed("pyarrow", "arrow").table(
        {name: arrow_column(values, kind_of(values)) for name, values in columns.items()}
    )


def polars_frame(columns: dict[str, Values]) -> polars.DataFrame:
    """Return a Polars frame, which takes over Arrow's memory."""
    frame: polars.DataFrame = needed("polars", "polars").DataFrame(arrow(columns))
    return frame


_NULLABLE = {"bool": "boolean", "int": "Int64", "long": "Int64", "float": "Float64"}


def pandas_frame(columns: dict[str, Values]) -> pandas.DataFrame:
    """Return a pandas frame with nullable types; lists stay Python's."""
    pd = needed("pandas", "pandas")
    series = {}
    for name, values in columns.items():
        kind = kind_of(values)
        nested = kind.name in ("list", "struct")
        dtype = "object" if nested else _NULLABLE.get(kind.name, "string")
        series[name] = pd.Series(conformed(values, kind), dtype=dtype)
    frame: pandas.DataFrame = pd.DataFrame(series)
    return frame
