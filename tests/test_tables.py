"""Results as tables: one row a file, whatever is in it; files that are whole or not there."""

from __future__ import annotations

import csv
import inspect
import io
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extracta_rs import BatchResults, Client, FileResult, Journal, _core, sign, tables, unwrap
from extracta_rs.tables import _files
from extracta_rs.testing import Emulator

LEADING = ["file_id", "file_name", "status", "error", "batch_id", "extraction_id"]
HALF = json.loads('"\\ud83d"')
ITEMS = [{"name": "bolt", "price": 1}, {"name": "nut", "price": 2.5}]


def file(name: str, **result: Any) -> dict[str, Any]:
    return {"fileId": f"-{name}", "fileName": name, "status": "processed", "result": result}


def batch(*files: dict[str, Any], batch_id: str = "-b") -> BatchResults:
    return BatchResults._load({"files": list(files)}, True, "-e", None, batch_id)


def fields(source: Any, **options: Any) -> list[dict[str, Any]]:
    """Return the records without the leading columns."""
    records = tables.to_records(source, **options)
    for record in records:
        assert list(record)[:6] == LEADING
    return [{key: record[key] for key in list(record)[6:]} for record in records]


def column(source: Any, name: str = "x", **options: Any) -> tuple[str, list[Any]]:
    """Return a column's type and values; Polars, pandas and Parquet have to say the same."""
    arrow = tables.to_arrow(source, **options)
    arrow.validate(full=True)
    values = arrow.column(name).to_pylist()
    polars = tables.to_polars(source, **options)
    assert polars[name].to_list() == values
    buffer = io.BytesIO()
    assert tables.to_parquet(source, buffer, **options) == len(values)
    written = pq.read_table(buffer)
    assert written.schema.equals(arrow.schema)
    assert written.column(name).to_pylist() == values
    frame = tables.to_pandas(source, **options)
    assert list(frame.columns) == arrow.column_names
    if not pa.types.is_nested(arrow.schema.field(name).type):
        plain = [None if pd.isna(value) else value for value in frame[name].tolist()]
        assert plain == values
        assert [type(value) for value in plain] == [type(value) for value in values]
    return str(arrow.schema.field(name).type), values


def xs(*values: Any) -> BatchResults:
    return batch(*(file(f"{number}.pdf", x=value) for number, value in enumerate(values)))


def test_one_row_a_file_with_the_files_own_columns_first() -> None:
    failed = {"fileId": "-2", "fileName": "b", "status": "failed", "error": "unreadable"}
    results = batch(file("a", total="1", seller={"name": "S", "address": {"city": "C"}}), failed)
    assert results.to_records() == [
        {
            "file_id": "-a", "file_name": "a", "status": "processed", "error": None,
            "batch_id": "-b", "extraction_id": "-e",
            "total": "1", "seller.name": "S", "seller.address.city": "C",
        },
        {
            "file_id": "-2", "file_name": "b", "status": "failed", "error": "unreadable",
            "batch_id": "-b", "extraction_id": "-e",
            "total": None, "seller.name": None, "seller.address.city": None,
        },
    ]  # fmt: skip


def test_objects_stay_whole_on_request() -> None:
    results = batch(file("a", seller={"name": "S"}), file("b", seller={"city": "C"}))
    assert fields(results, flatten=False) == [{"seller": {"name": "S"}}, {"seller": {"city": "C"}}]
    kind, values = column(results, "seller", flatten=False)
    assert kind == "struct<name: string, city: string>"
    assert values == [{"name": "S", "city": None}, {"name": None, "city": "C"}]


def test_columns_stand_as_first_met_and_asked_ones_before() -> None:
    results = batch(file("a", c=1, a=2), file("b", a=1, b=2, c=3))
    assert list(fields(results)[0]) == ["c", "a", "b"]
    asked = fields(results, columns=["b", "never", "file_id"])
    assert list(asked[0]) == ["b", "never", "c", "a"]
    assert asked[1] == {"b": 2, "never": None, "c": 3, "a": 1}
    with pytest.raises(TypeError, match="list of names"):
        tables.to_records(results, columns="b")


def test_null_keeps_a_fields_place_unless_it_is_an_object_elsewhere() -> None:
    results = batch(file("a", a=None, seller=None, b=1), file("b", a=2, seller={"name": "S"}))
    expected = [{"a": None, "b": 1, "seller.name": None}, {"a": 2, "b": None, "seller.name": "S"}]
    assert fields(results) == expected
    assert list(fields(results)[0]) == ["a", "b", "seller.name"]
    assert rows_of_csv(results)[0][6:] == ["a", "b", "seller.name"]
    assert column(results, "seller.name") == ("string", [None, "S"])
    kept = fields(results, columns=["seller"])
    assert list(kept[0]) == ["seller", "a", "b", "seller.name"]


def test_an_object_in_one_file_and_text_in_another_are_two_columns() -> None:
    results = batch(file("a", seller={"name": "S"}), file("b", seller="S, C"))
    assert fields(results) == [
        {"seller.name": "S", "seller": None},
        {"seller.name": None, "seller": "S, C"},
    ]


def test_names_that_clash_never_share_a_column() -> None:
    results = batch(
        file("a", **{"status": "paid", "a": {"b": 1}, "a.b": 2, "result.status": 3}),
        file("b", **{"a.b": 4, "a": {"b": 5}, "result": {"status": 6}}),
    )
    assert fields(results) == [
        {"result.status": "paid", "a.b": 1, "a.b_2": 2, "result.status_2": 3}
        | {"result.status_3": None},
        {"result.status": None, "a.b": 5, "a.b_2": 4, "result.status_2": None}
        | {"result.status_3": 6},
    ]
    assert tables.to_records(results)[0]["status"] == "processed"
    assert fields(batch(file("a", **{"": 1}))) == [{"result.": 1}]
    tables.to_arrow(results).validate(full=True)


def test_an_array_becomes_rows_on_request() -> None:
    results = batch(
        file("a", no=1, items=ITEMS),
        file("b", no=2, items=[]),
        file("c", no=3),
        file("d", no=4, items=None),
        file("e", no=5, items={"name": "alone"}),
        file("f", no=6, items=["text", [1]]),
    )
    assert [list(row.values()) for row in fields(results, explode="items")] == [
        [1, "bolt", 1, None],
        [1, "nut", 2.5, None],
        [2, None, None, None],
        [3, None, None, None],
        [4, None, None, None],
        [5, "alone", None, None],
        [6, None, None, "text"],
        [6, None, None, [1]],
    ]
    assert list(fields(results, explode="items")[0]) == ["no", "items.name", "items.price", "items"]
    names = [row["file_name"] for row in tables.to_records(results, explode="items")]
    assert names == ["a", "a", "b", "c", "d", "e", "f", "f"]
    assert [row["items"] for row in fields(batch(file("a", items=ITEMS)), explode="items",
                                           flatten=False)] == ITEMS  # fmt: skip


def test_arrays_within_objects_and_keys_with_dots_explode_too() -> None:
    nested = batch(file("a", order={"no": 1, "lines": [{"n": 1}, {"n": 2}]}))
    assert fields(nested, explode="order.lines") == [
        {"order.no": 1, "order.lines.n": 1},
        {"order.no": 1, "order.lines.n": 2},
    ]
    both = batch(file("a", **{"o.l": [1, 2], "o": {"l": [3]}}))
    assert fields(both, explode="o.l") == [{"o.l": [3], "o.l_2": 1}, {"o.l": [3], "o.l_2": 2}]
    assert fields(nested, explode="nothing") == fields(nested)


def deep(levels: int, kind: str) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if kind == "list" else {"k": value}
    return value


KINDS = {
    "whole": ([1, None, 2**53], "int64", [1, None, 2**53]),
    "mixed": ([1, 2.5], "double", [1.0, 2.5]),
    "int64": ([1, 2**63 - 1, -(2**63)], "int64", [1, 2**63 - 1, -(2**63)]),
    "beyond int64": ([1, 2**63], "string", ["1", "9223372036854775808"]),
    "huge": ([10**400, None], "string", ["1" + "0" * 400, None]),
    "inexact as double": ([2**53 + 1, 0.5], "string", ["9007199254740993", "0.5"]),
    "infinite": ([1.5, math.inf], "double", [1.5, math.inf]),
    "booleans": ([True, None, False], "bool", [True, None, False]),
    "boolean and number": ([True, 1, 0.0], "string", ["true", "1", "0.0"]),
    "number and text": ([1234.5, "1.234,50", None, ""], "string", ["1234.5", "1.234,50", None, ""]),
    "text and infinite": (["a", -math.inf], "string", ["a", "null"]),
    "nothing": ([None, None], "string", [None, None]),
    "half a pair": ([f"a{HALF}b"], "string", ["a\ufffdb"]),
    "lists": ([["a"], [], None], "list<item: string>", [["a"], [], None]),
    "empty lists": ([[], [None]], "list<item: string>", [[], [None]]),
    "mixed lists": ([["a", 1], [None, True]], "list<item: string>", [["a", "1"], [None, "true"]]),
    "halves in lists": ([[HALF]], "list<item: string>", [["\ufffd"]]),
    "list and text": ([["a", 1.5], "b"], "string", ['["a",1.5]', "b"]),
    "list and object": ([[{}], None], "list<item: string>", [["{}"], None]),
    "lists of lists": ([[[1]], [[2.5], []]], "list<item: list<item: double>>",
                       [[[1.0]], [[2.5], []]]),
    "objects": ([[{"a": 1}], [{"b": "c"}, None]], "list<item: struct<a: int64, b: string>>",
                [[{"a": 1, "b": None}], [{"a": None, "b": "c"}, None]]),
    "mixed in objects": ([[{"a": 1}], [{"a": "n/a"}, {"a": {"b": [HALF]}}]],
                         "list<item: struct<a: string>>",
                         [[{"a": "1"}], [{"a": "n/a"}, {"a": '{"b":["\ufffd"]}'}]]),
    "deep beside others": ([[1, deep(60, "list")], ["a"]], "string",
                           [f"[1,{'[' * 60}1{']' * 60}]", '["a"]']),
    "half keys": ([[{HALF: 1}]], "list<item: string>", [['{"\ufffd":1}']]),
    "nul and empty key": ([[{"": "\0"}]], "list<item: struct<: string>>", [[{"": "\0"}]]),
}  # fmt: skip


@pytest.mark.parametrize("portion", [1, 5000])
@pytest.mark.parametrize("case", KINDS)
def test_a_column_has_one_kind(case: str, portion: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_files, "PORTION", portion)
    values, kind, expected = KINDS[case]
    assert column(xs(*values)) == (kind, expected)


@pytest.mark.parametrize("kind", ["list", "dict"])
@pytest.mark.parametrize("levels", [40, 5000])
@pytest.mark.parametrize("flatten", [True, False])
def test_depth_costs_no_stack(kind: str, levels: int, flatten: bool, tmp_path: Path) -> None:
    results = batch(file("a", x=deep(levels, kind), y=[deep(levels, kind)]), file("b", x="c"))
    for name in tables.to_arrow(results, flatten=flatten).column_names[6:]:
        type_, values = column(results, name, flatten=flatten)
        if (flatten, kind, levels, name[0]) == (True, "dict", 40, "x"):
            assert type_.count("struct") == 8 or values == [None, "c"]
            continue
        assert type_ == "string"
        assert max(len(value or "") for value in values) > levels or values == [None, "c"]
    results.to_csv(tmp_path / "a.csv", flatten=flatten)
    results.to_jsonl(tmp_path / "a.jsonl", flatten=flatten)
    text = (tmp_path / "a.jsonl").read_text("utf-8")
    assert text.count("[" if kind == "list" else "{") >= levels


def test_objects_with_too_many_keys_are_text() -> None:
    many = [{f"k{number}": number} for number in range(1500)]
    type_, values = column(xs(many))
    assert type_ == "list<item: string>"
    assert values[0][1499] == '{"k1499":1499}'
    # ... also where no portion alone has too many.
    assert column(xs(many[:800], many[800:]))[0] == "list<item: string>"


def test_a_result_that_is_no_object_is_a_column() -> None:
    odd = {"fileId": 5, "fileName": None, "status": "new", "error": {"code": 1}, "result": ["a"]}
    results = batch(odd, file("b", total=1), {"result": "text"}, {"result": None}, {})
    assert [row["result"] for row in tables.to_records(results)] == [
        ["a"],
        None,
        "text",
        None,
        None,
    ]
    assert tables.to_records(results)[0]["file_id"] is None


def random_value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(12 if depth < 4 else 9)
    if kind == 9:
        return [random_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind >= 10:
        keys = chance.sample(["a", "b", "a.b", "status", "", HALF, "x", "a_2", "file_id"], 3)
        return {key: random_value(chance, depth + 1) for key in keys}
    plain = [None, True, 1, 2**60, 2**70, 0.5, math.inf, "", "1,5", HALF, "=1", '"\r\n']
    return chance.choice(plain)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_in_files_makes_a_table(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(_files, "PORTION", chance.choice([1, 2, 7]))
    files = [
        {"fileName": f"{number}", "result": random_value(chance)}
        for number in range(chance.randrange(20))
    ]
    explode = chance.choice([None, "a", "x", "a.b"])
    options: dict[str, Any] = {"flatten": chance.random() < 0.7, "explode": explode}
    records = tables.to_records(batch(*files), **options)
    arrow = tables.to_arrow(batch(*files), **options)
    assert arrow.num_rows == len(records) >= len(files)
    for name in arrow.column_names:
        _, values = column(batch(*files), name, **options)
        assert [value is None for value in values] == [row[name] is None for row in records]
    header, *rows = rows_of_csv(batch(*files), **options)
    assert header == arrow.column_names
    assert [[cell == "" for cell in row] for row in rows] == [
        [value is None or value == "" for value in row.values()] for row in records
    ]
    lines = io.BytesIO()
    tables.to_jsonl(batch(*files), lines, **options)
    for line, row in zip(lines.getvalue().splitlines(), records, strict=True):
        written = json.loads(line)
        assert [written[key] for key in written if key not in row and written[key]] == []
        assert [key for key in row if row[key] is not None and key not in written] == []


def rows_of_csv(source: Any, **options: Any) -> list[list[str]]:
    out = io.BytesIO()
    count = tables.to_csv(source, out, **options)
    rows = list(csv.reader(io.StringIO(out.getvalue().decode(), newline="")))
    assert len(rows) == count + 1
    assert {len(row) for row in rows} == {len(rows[0])}
    return rows


def test_csv_quotes_and_pads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_files, "PORTION", 1)
    results = batch(
        file("a", x='say "hi",\r\nü', y=None), file("b", y=["a", 1.5, None], z=True, n=1e21),
        file("c", x="x" * 200_000),
    )  # fmt: skip
    csv.field_size_limit(131072)
    out = io.BytesIO()
    results.to_csv(out)
    text = out.getvalue().decode()
    assert text.startswith(",".join([*LEADING, "x,y,z,n\r\n"]))
    assert '"say ""hi"",\r\nü",,,\r\n' in text
    assert ',,"[""a"",1.5,null]",true,1e+21\r\n' in text
    assert text.endswith("x,,,\r\n")


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"), ("\t=1", "'\t=1"), ("\r=1", "'\r=1"), ("＝1", "'＝1"), ("-", "-"),
        ("-12,50", "-12,50"), ("+49 30 1234", "+49 30 1234"), ("-5 %", "-5 %"), ("a=1", "a=1"),
    ],
)  # fmt: skip
def test_a_spreadsheet_runs_nothing(cell: str, written: str) -> None:
    results = batch(file("=name", **{"=key": cell}))
    [header, row] = rows_of_csv(results, excel=True)
    assert header[0] == "\ufefffile_id"
    assert (header[6], row[1], row[6]) == ("'=key", "'=name", written)
    assert rows_of_csv(results)[1][6] == cell


def test_json_lines_keep_halves_of_pairs_and_go_out_as_they_come() -> None:
    out = io.BytesIO()

    def results() -> Iterator[BatchResults]:
        yield batch(file("a", x=HALF, y={"z": [math.inf]}))
        assert out.getvalue().count(b"\n") == 1
        yield batch(file("b", y=None))

    assert tables.to_jsonl(results(), out, flatten=False) == 2
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["x"], first["y"]) == (HALF, {"z": [None]})
    assert list(second) == [*LEADING, "y"]


WRITERS: list[Callable[..., int]] = [tables.to_csv, tables.to_jsonl, tables.to_parquet]
writers = pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)


@writers
def test_a_failure_leaves_what_was_there(write: Callable[..., int], tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("before")
    target.chmod(0o640)

    def results() -> Iterator[BatchResults]:
        yield xs(1)
        [beside] = [path for path in tmp_path.iterdir() if path != target]
        assert beside.name.startswith(".out.")
        raise TimeoutError

    with pytest.raises(TimeoutError):
        write(results(), target)
    assert (target.read_text(), list(tmp_path.iterdir())) == ("before", [target])
    assert write([xs(1), xs(2)], str(target)) == 2
    assert list(tmp_path.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o640
    assert target.read_bytes() != b"before"


@writers
def test_a_killed_process_leaves_no_half_file(write: Callable[..., int], tmp_path: Path) -> None:
    program = f"""
import os, signal
from extracta_rs import tables
from extracta_rs.models import BatchResults
def results():
    for number in range(20_000):
        files = [{{"result": {{"x": "y" * 99}}}}]
        yield BatchResults._load({{"files": files}}, True, "e", None, "b")
    os.kill(os.getpid(), signal.SIGKILL)
tables.{write.__name__}(results(), "out")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    assert done.returncode == -9
    assert not (tmp_path / "out").exists()


@writers
def test_links_stay_links(write: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    write(xs(1), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").stat().st_size > 0


@writers
def test_a_place_that_cannot_be_written_is_known_before_anything_is_read(
    write: Callable[..., int], tmp_path: Path
) -> None:
    def results() -> Iterator[BatchResults]:
        raise AssertionError
        yield

    with pytest.raises(OSError, match="No such file"):
        write(results(), tmp_path / "no" / "out")
    with pytest.raises(OSError, match="directory"):
        write(results(), tmp_path)


@writers
def test_standard_output_and_pipes(write: Callable[..., int], tmp_path: Path) -> None:
    program = f"""
import sys
from extracta_rs import tables
from extracta_rs.models import BatchResults
results = BatchResults._load({{"files": [{{"result": {{"x": "ü"}}}}]}}, True, "-e", None, "-b")
tables.{write.__name__}(results, sys.argv[1])
"""
    expected = io.BytesIO()
    write(batch({"result": {"x": "ü"}}), expected)
    for target in ("-", "/dev/stdout"):
        done = subprocess.run(
            [sys.executable, "-c", program, target], capture_output=True, check=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )  # fmt: skip
        assert done.stdout == expected.getvalue()


def test_text_files_take_text_and_no_parquet() -> None:
    text = io.StringIO(newline="")
    xs("ü").to_csv(text)
    assert text.getvalue().splitlines()[1].endswith(",ü")
    xs("ü").to_jsonl(text)
    assert text.getvalue().splitlines()[2].endswith('"x":"ü"}')
    with pytest.raises(TypeError, match="'wb'"):
        xs("ü").to_parquet(text)


def test_nothing_is_an_empty_table(tmp_path: Path) -> None:
    assert tables.to_records([]) == []
    assert tables.to_arrow([]).column_names == LEADING
    assert list(tables.to_pandas([]).columns) == LEADING
    assert tables.to_parquet([], tmp_path / "a") == 0
    assert pl.read_parquet(tmp_path / "a").columns == LEADING
    assert rows_of_csv([], columns=["total"]) == [[*LEADING, "total"]]


def test_what_is_no_result_is_told() -> None:
    with pytest.raises(TypeError, match="neither results nor a file: str"):
        tables.to_records("out.csv")  # type: ignore[arg-type]


def test_arrow_goes_to_others_through_the_c_data_interface() -> None:
    results = xs(1, 2)
    frame: pl.DataFrame = pl.DataFrame(results)
    assert frame["x"].to_list() == [1, 2]
    assert pa.table(results).equals(results.to_arrow())
    made = _core.Table(results, True, None, ()).arrow()
    assert pa.schema(made) == results.to_arrow().schema
    asked = pa.schema(made).set(6, pa.field("x", pa.float64()))
    assert pa.table(results, schema=asked).schema == asked
    reader = pa.RecordBatchReader.from_stream(made)
    del made, results
    assert [batch["x"].to_pylist() for batch in reader] == [[1, 2]]


def test_edited_results_are_tables_too() -> None:
    results = xs(1, "a")
    results.files[0].result["x"] = ("b", {"c": 2**70})
    results.files[0].result["y\0"] = True
    assert column(results) == ("string", ['["b",{"c":1180591620717411303424}]', "a"])
    assert column(results, "y\ufffd") == ("bool", [True, None])
    assert column(xs([{"\0": 1}])) == ("list<item: string>", [['{"\\u0000":1}']])


class Whole(int):
    pass


@pytest.mark.parametrize(
    ("value", "error", "told"),
    [
        (object(), TypeError, "value that is not JSON: object"),
        ({1: 2}, TypeError, "key that is no string: int"),
        ([{1: 2}], TypeError, "key that is no string: int"),
        (deep(20_000, "list"), ValueError, "deeper than 10000 levels"),
    ],
)
def test_what_is_not_json_is_told(value: Any, error: type[Exception], told: str) -> None:
    for make in (
        tables.to_arrow,
        tables.to_pandas,
        lambda source: tables.to_csv(source, os.devnull),
    ):
        with pytest.raises(error, match=told):
            make(xs(value))
    assert column(xs(Whole(3)))[0] == "int64"


def test_pandas_keeps_whole_numbers_and_the_lists_themselves() -> None:
    results = batch(file("a", n=2**60 + 1, items=ITEMS), file("b"))
    frame = results.to_pandas()
    assert {name: str(frame.dtypes[name]) for name in ("file_id", "n", "items")} == {
        "file_id": "string", "n": "Int64", "items": "object",
    }  # fmt: skip
    assert frame["n"].tolist() == [2**60 + 1, pd.NA]
    assert frame["items"][0] is ITEMS
    assert frame["items"][1] is None


def test_the_files_of_a_webhook_are_a_table_too() -> None:
    delivered = {**file("a", total=1), "batchId": "-w", "extractionId": "-x"}
    body = json.dumps({"event": "extraction.processed", "result": [delivered]})
    event = unwrap(body, sign(body, "E_AI_K_s"), "E_AI_K_s")
    [row] = tables.to_records(event.files)
    assert (row["batch_id"], row["extraction_id"], row["total"]) == ("-w", "-x", 1)
    assert tables.to_records([FileResult(delivered), batch(delivered)])[1]["batch_id"] == "-b"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    answers = {f"{number}.pdf": {"total": number, "items": ITEMS} for number in range(7)}
    answers["6.pdf"] = {"total": "none", "more": {"x": 1}}
    with Emulator(results=answers, fail_files=["3.pdf"]) as emulator:
        yield emulator


def test_many_batches_of_a_real_run_make_one_file(emulator: Emulator, tmp_path: Path) -> None:
    with Client(emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0) as client:
        extraction = client.extractions.create("n", fields=[{"key": "total", "description": "d"}])
        batches = [
            client.extractions.upload(extraction.extraction_id, (f"{number}.pdf", b"%PDF"))
            for number in range(4)
        ]
        waited = client.extractions.wait_many(batches)
        assert tables.to_csv(waited, tmp_path / "waited.csv", explode="items") == 7
        documents = [(f"{number}.pdf", b"%PDF" + bytes([number])) for number in range(7)]
        with Journal(tmp_path / "journal") as journal:
            run = client.extractions.run_many(extraction.extraction_id, documents, journal=journal)
            assert tables.to_jsonl(run, tmp_path / "run.jsonl") == 7
            assert tables.to_parquet(journal.results(), tmp_path / "run.parquet") == 7
            asked = tables.to_polars(journal.results()).sort("file_name")
    frame = pl.read_parquet(tmp_path / "run.parquet").sort("file_name")
    assert frame.equals(asked)
    assert frame["total"].to_list() == ["0", "1", "2", None, "4", "5", "none"]
    assert frame["more.x"].to_list() == [None] * 6 + [1]
    assert frame["error"].is_null().to_list() == [True] * 3 + [False] + [True] * 3
    assert len(pl.read_csv(tmp_path / "waited.csv")) == 7
    assert len((tmp_path / "run.jsonl").read_text("utf-8").splitlines()) == 7


@pytest.mark.parametrize(
    ("call", "module", "extra"),
    [
        ("to_pandas", "pandas", "pandas"), ("to_polars", "polars", "polars"),
        ("to_arrow", "pyarrow", "arrow"), ("to_parquet", "pyarrow", "arrow"),
    ],
)  # fmt: skip
def test_a_missing_extra_is_told_before_anything_is_read(
    call: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def results() -> Iterator[BatchResults]:
        raise AssertionError
        yield

    monkeypatch.setitem(sys.modules, module, None)
    arguments = [tmp_path / "out"] if call == "to_parquet" else []
    with pytest.raises(ImportError, match=rf'needs {module}: pip install "extracta_rs\[{extra}\]"'):
        getattr(tables, call)(results(), *arguments)
    assert list(tmp_path.iterdir()) == []


def test_polars_and_pandas_need_no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, name, None)
    results = xs([{"a": 1.5}], None)
    assert results.to_polars()["x"].to_list() == [[{"a": 1.5}], None]
    frame: pl.DataFrame = pl.DataFrame(results)
    assert frame.equals(results.to_polars())
    assert results.to_pandas()["x"].tolist() == [[{"a": 1.5}], None]


def test_csv_and_json_lines_need_no_extra() -> None:
    program = """
import sys
for name in ("pandas", "polars", "pyarrow", "numpy"):
    sys.modules[name] = None
from extracta_rs import BatchResults
from extracta_rs.tables import to_csv, to_jsonl
results = BatchResults._load({"files": [{"result": {"x": 1}}]}, True, "e", None, "b")
results.to_csv("-"); results.to_jsonl("-"); print(results.to_records()[0]["x"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == b"1"


def test_methods_and_functions_have_the_same_options() -> None:
    for name in tables.__all__:
        _, *function = inspect.signature(getattr(tables, name)).parameters.values()
        _, *method = inspect.signature(getattr(BatchResults, name)).parameters.values()
        assert function == method, name
