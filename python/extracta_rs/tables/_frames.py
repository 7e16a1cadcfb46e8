"""What tables become where other packages are there."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]

    from .._core import Table


def needed(module: str, extra: str) -> Any:
    """Import an optional package, or tell how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f'this needs {module.partition(".")[0]}: pip install "extracta_rs[{extra}]" ({error})',
            name=module,
        ) from error


_DTYPES = {
    "bool": "boolean",
    "int": "Int64",
    "float": "Float64",
    "text": "string",
    "nested": "object",
}


def pandas_frame(table: Table) -> pandas.DataFrame:
    """Return a pandas frame with nullable types; lists stay Python's."""
    pd = needed("pandas", "pandas")
    frame: pandas.DataFrame = pd.DataFrame(
        {name: pd.Series(values, dtype=_DTYPES[kind]) for name, kind, values in table.columns()}
    )
    return frame
