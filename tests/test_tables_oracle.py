"""Tables of whatever JSON there is are those that a few slow lines of Python make."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from itertools import chain
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from extracta_rs import BatchResults, tables

LEADING = ["file_id", "file_name", "status", "error", "batch_id", "extraction_id"]
Path = tuple[str, ...]

texts = st.text(st.characters(exclude_categories=()), max_size=4)  # with halves of pairs, and NUL
numbers = st.integers(-3, 3) | st.integers() | st.floats(allow_nan=False)
leaves = st.none() | st.booleans() | numbers | texts | st.sampled_from(["=1", '"', "a,b", "-5"])
keys = st.sampled_from(["a", "b", "a.b", "b.a", "a_2", "", "status", "result.status"]) | texts
objects = st.dictionaries(keys, st.deferred(lambda: values), max_size=4)
values: st.SearchStrategy[Any] = (
    leaves | st.lists(st.deferred(lambda: values), max_size=3) | objects
)
# Columns of more than one value: the same keys again and again.
alike = st.fixed_dictionaries(
    {"x": values}, optional={"y": numbers | st.none(), "z": st.lists(objects | leaves, max_size=3)}
)
sources = st.lists(alike, max_size=6) | st.lists(values, max_size=6)


def lossy(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [finite(item) for item in value]
    return {k: finite(v) for k, v in value.items()} if isinstance(value, dict) else value


def spelt(value: Any) -> str:
    if isinstance(value, str):
        return lossy(value)
    return lossy(json.dumps(finite(value), ensure_ascii=False, separators=(",", ":")))


def rows_of(
    results: list[Any], flatten: bool, explode: str | None
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of the columns and the rows."""
    names: dict[Path, str] = {}
    whole, objects = set[Path](), set[Path]()
    rows = []

    def put(path: Path, value: Any, row: dict[str, Any], aside: list[Any] | None) -> None:
        if value is not None and aside == [] and ".".join(path) == explode:
            aside += [path, value]
            return
        if flatten and isinstance(value, dict):
            objects.add(path)
            for key, inner in value.items():
                put((*path, key), inner, row, aside)
            return
        if value is not None:
            whole.add(path)
        if path not in names:
            plain = lossy(".".join(path)).replace("\0", "\ufffd")
            plain = f"result.{plain}" if plain in ["", *LEADING] else plain
            numbered = [plain, *(f"{plain}_{count}" for count in range(2, 99))]
            names[path] = next(name for name in numbered if name not in names.values())
        row[names[path]] = value

    for result in results:
        row: dict[str, Any] = {}
        aside: list[Any] | None = [] if explode is not None else None
        for key, value in (result if isinstance(result, dict) else {"result": result}).items():
            if isinstance(result, dict) or result is not None:
                put((key,), value, row, aside)
        if not aside:
            rows.append(row)
            continue
        path, value = aside
        for element in (value if isinstance(value, list) else [value]) or [...]:
            copy = dict(row)
            if element is not ...:
                put(path, element, copy, None)
            rows.append(copy)
    kept = [name for path, name in names.items() if path in whole or path not in objects]
    return kept, [{name: row.get(name) for name in kept} for row in rows]


def kind_of(values: Iterable[Any]) -> pa.DataType:
    """Return the type of a column; text where its values do not go together."""
    values = [value for value in values if value is not None]
    types = {type(value) for value in values}
    whole = [value for value in values if type(value) is int]
    if types == {bool}:
        return pa.bool_()
    if types == {int} and all(-(2**63) <= value < 2**63 for value in whole):
        return pa.int64()
    if types in ({float}, {int, float}) and all(abs(value) <= 2**53 for value in whole):
        return pa.float64()
    if types == {list}:
        return pa.list_(kind_of(chain.from_iterable(values)))
    keys = list(dict.fromkeys(chain.from_iterable(values))) if types == {dict} else []
    if keys and all(lossy(key) == key and "\0" not in key for key in keys):
        return pa.struct([(k, kind_of(v[k] for v in values if k in v)) for k in keys])
    return pa.string()


def conformed(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_string(kind):
        return spelt(value)
    if pa.types.is_list(kind):
        return [conformed(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind):
        return {field.name: conformed(value.get(field.name), field.type) for field in kind}
    return float(value) if pa.types.is_floating(kind) else value


@settings(max_examples=300, deadline=None)
@given(sources, st.booleans(), st.sampled_from([None, "x", "z", "x.a", "a.b", "a", ""]))
def test_tables_are_what_the_rules_say(
    results: list[Any], flatten: bool, explode: str | None
) -> None:
    batch = BatchResults._load({"files": [{"result": r} for r in results]}, True, "e", None, "b")
    names, rows = rows_of(results, flatten, explode)
    options: dict[str, Any] = {"flatten": flatten, "explode": explode}

    records = tables.to_records(batch, **options)
    assert all(list(record) == [*LEADING, *names] for record in records)
    assert [{name: record[name] for name in names} for record in records] == rows

    table = tables.to_arrow(batch, **options)
    table.validate(full=True)
    assert (table.num_rows, table.column_names) == (len(rows), [*LEADING, *names])
    for name in names:
        column = [row[name] for row in rows]
        kind = kind_of(column)
        assert table.schema.field(name).type == kind
        assert table.column(name).to_pylist() == [conformed(value, kind) for value in column]

    out = io.BytesIO()
    tables.to_csv(batch, out, **options)
    expected = io.StringIO(newline="")
    writer = csv.writer(expected)
    writer.writerow([*LEADING, *names])
    for row in rows:
        cells = ["" if value is None else spelt(value) for value in row.values()]
        writer.writerow(["", "", "", "", "b", "e", *cells])
    assert out.getvalue().decode() == expected.getvalue()

    out = io.BytesIO()
    tables.to_jsonl(batch, out, **options)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [{name: line.get(name) for name in names} for line in lines] == finite(rows)
    tables.to_pandas(batch, **options)
