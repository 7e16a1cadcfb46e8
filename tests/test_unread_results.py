"""Results are bytes until somebody asks for them; nobody can tell from the objects."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from extracta_rs import BatchRef, BatchResults, Client, FileResult
from extracta_rs.testing import Emulator

POLL = "getBatchResults"
FIELDS = {
    "fileId": "-OAf\u00e9",
    "fileName": 'a "b".pdf',
    "status": "processed",
    "result": {"total": 1.5, "items": [{"n": 1}, {"n": None}]},
    "url": "https://example.com/a",
    "error": "none",
    "extractionId": "-OAx",
    "classificationId": "-OAc",
    "batchId": "-OAb",
    "extraction": {"extractionId": "-OAe", "batchId": "-OAl", "fileId": "-OAf"},
    "confidence": {"total": 0.9},
}
DATA: dict[str, Any] = {
    "extractionId": "-OAx",
    "files": [FIELDS, {}, {"status": "failed", "error": "blurred", "result": None}],
    "status": "processed",
    "extra": [1, {"two": 2}],
}
NAMES = [
    "file_id", "file_name", "status", "result", "url", "error", "extraction", "extraction_id",
    "classification_id", "batch_id",
]  # fmt: skip

Ask = Callable[..., BatchResults]


@pytest.fixture
def ask(face: Any, extracta_emulator: Emulator) -> Ask:
    """Answer a request for results, and return what the client makes of it."""

    def ask(answer: object = DATA) -> BatchResults:
        body = answer if isinstance(answer, str) else json.dumps(answer)
        extracta_emulator.faults.add(POLL, status=200, body=body)
        found = face("extractions.results", "-x", "-b")
        assert isinstance(found, BatchResults)
        return found

    return ask


def whole(results: BatchResults) -> BatchResults:
    """Return the same with objects that were made before."""
    data = copy.deepcopy(results.to_dict())
    return BatchResults._load(data, results.finished, "-x", None, "-b")


@pytest.mark.parametrize("name", NAMES)
def test_a_field_is_the_same_before_and_after_all_is_read(name: str, ask: Ask) -> None:
    results = ask()
    before = [getattr(file, name) for file in results]
    assert before == [getattr(FileResult(file), name) for file in DATA["files"]]
    results.to_dict()
    assert [getattr(file, name) for file in results] == before


def test_what_is_made_is_made_once(ask: Ask) -> None:
    results = ask()
    result = results.files[0].result
    assert result == FIELDS["result"]
    assert results.files[0].result is result
    file = results.files[0].to_dict()
    assert file["result"] is result
    data = results.to_dict()
    assert results.to_dict() is data
    assert [made is own.to_dict() for made, own in zip(data["files"], results, strict=True)] == [
        True
    ] * 3
    assert data == DATA
    assert list(data) == list(DATA)
    assert list(file) == list(FIELDS)


def test_what_is_changed_stays_changed(ask: Ask) -> None:
    results = ask()
    results.files[0].result["total"] = 2
    assert results.to_dict()["files"][0]["result"]["total"] == 2
    results.to_dict()["files"][0]["fileId"] = "other"
    assert results.files[0].file_id == "other"
    del results.files[0].to_dict()["result"]
    assert results.files[0].result == {}
    results.files.clear()
    assert len(results.to_dict()["files"]) == 3
    with pytest.raises(FrozenInstanceError):
        results.status = "waiting"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        ask().files[0].status = "waiting"  # type: ignore[misc]


def test_equal_whether_read_or_not(ask: Ask) -> None:
    unread, other, read = ask(), ask(), ask()
    spaced = ask(json.dumps(DATA, indent=1))
    assert read == whole(read)
    assert ask() == read
    assert unread == other
    assert unread.files == other.files
    assert unread == read == spaced
    assert ask().files[0] == read.files[0] == FileResult(FIELDS)
    assert ask() != ask({**DATA, "extra": 1})
    assert ask() != ask({**DATA, "files": [{**FIELDS, "url": ""}, *DATA["files"][1:]]})
    assert ask({"status": "waiting"}) != ask({"status": "waiting", "files": []})
    assert ask({"status": "waiting"}) == ask({"status": "waiting"})
    changed = ask()
    changed.files[0].result["total"] = 3
    assert changed != ask()
    with pytest.raises(TypeError, match="unhashable"):
        hash(ask())
    with pytest.raises(TypeError, match="unhashable"):
        hash(ask().files[0])


def test_shown_as_if_it_was_read(ask: Ask) -> None:
    results = ask()
    assert repr(results) == repr(whole(results))
    assert repr(results.files[0]) == repr(FileResult(FIELDS))
    assert "_answer" not in repr(results)


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda results: pickle.loads(pickle.dumps(results)), replace],
    ids=["copy", "deepcopy", "pickle", "replace"],
)
def test_copies(again: Callable[[Any], Any], read: bool, ask: Ask) -> None:
    results = ask()
    if read:
        results.to_dict()
    other = again(results)
    assert other == results
    assert other.to_dict() == DATA
    assert other.files[0].to_dict() is other.to_dict()["files"][0]
    if again is not replace:
        assert again(results.files[0]) == results.files[0]
    assert (other.to_dict() is results.to_dict()) is (again in (copy.copy, replace))


def test_a_dataclass_as_before(ask: Ask) -> None:
    results = ask()
    shown = [field.name for field in fields(results) if field.repr]
    assert shown == ["batch", "status", "finished", "files"]
    assert results.batch == BatchRef(extraction_id="-x", batch_id="-b")
    match results:
        case BatchResults(status="processed", files=[FileResult(result={"total": total}), *_]):
            assert total == 1.5
        case _:
            pytest.fail("the attributes cannot be matched")


@pytest.mark.parametrize("first", ["result", "to_dict"])
def test_all_threads_get_the_same(first: str, ask: Ask) -> None:
    rows = [{"n": number, "text": "x" * 20} for number in range(20_000)]  # read in many steps
    results = ask({"files": [{"status": "processed", "result": {"rows": rows}}]})
    start = threading.Barrier(8)

    def read(_: int) -> Any:
        start.wait()
        if first == "to_dict":
            return results.to_dict()["files"][0]["result"]
        return results.files[0].result

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(read, range(8)))
    assert all(one is found[0] for one in found)
    assert found[0] == {"rows": rows}
    assert results.to_dict()["files"][0]["result"] is results.files[0].result is found[0]


def test_nothing_is_made_of_what_nobody_reads(
    extracta_client: Client, extracta_emulator: Emulator
) -> None:
    # Blocking: asyncio, where it looks for bugs, shows the results of steps that took long.
    rows = [{"number": number, "text": f"row {number}"} for number in range(10_000)]
    files = [{"fileId": str(place), "status": "processed", "result": {"rows": rows}}
             for place in range(2)]  # fmt: skip
    body = json.dumps({"files": files})
    extracta_emulator.faults.add(POLL, status=200, body=body)
    tracemalloc.start()
    try:
        results = extracta_client.extractions.results("-x", "-b")
        assert tracemalloc.get_traced_memory()[0] < 200_000
        assert [(file.file_id, file.status) for file in results] == [
            ("0", "processed"), ("1", "processed"),
        ]  # fmt: skip
        assert len(results.processed) == 2
        before = tracemalloc.get_traced_memory()[0]
        assert results.files[0].result == files[0]["result"]
        one = tracemalloc.get_traced_memory()[0] - before
        assert one > 1_000_000
        assert results.files[1].to_dict() == files[1]
        assert tracemalloc.get_traced_memory()[0] - before > 1.9 * one
    finally:
        tracemalloc.stop()


def test_cycles_are_collected(ask: Ask) -> None:
    class Mark:
        pass

    marks = []
    puts: list[Callable[[BatchResults, Mark], object]] = [
        lambda results, mark: results.files[0].result.update(own=results.files[0], mark=mark),
        lambda results, mark: results.to_dict().update(own=results, mark=mark),
    ]
    for put in puts:
        mark = Mark()
        marks.append(weakref.ref(mark))
        put(ask(), mark)
    del mark
    gc.collect()
    assert [mark() for mark in marks] == [None, None]


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        (r'{"fileId": "a", "fileId": "b"}', "file_id", "b"),
        (r'{"fileId": "a", "fileId": 5}', "file_id", None),
        (r'{"file\u0049d": "b"}', "file_id", "b"),
        (r'{"url": "\ud83d\n"}', "url", "\ud83d\n"),
        (r'{"\ud83d": 1, "url": "u"}', "url", "u"),
        (r'{"extraction": {"batchId": "a", "batchId": ""}}', "extraction", None),
        (r'{"extraction": {"batchId": "b"}}', "extraction", BatchRef(batch_id="b")),
        (r'{"result": "text"}', "result", {}),
        (r'{"result": [{}]}', "result", {}),
        (r'{"r\u0065sult": {"a": 1, "a": 2}}', "result", {"a": 2}),
    ],
)
def test_odd_files(file: str, name: str, value: object, ask: Ask) -> None:
    results = ask(f' {{"status" : "waiting","f\\u0069les":\n[ {file} ] }} ')
    (found,) = results
    assert getattr(found, name) == value
    assert results.to_dict() == {"status": "waiting", "files": [json.loads(file)]}
    assert getattr(found, name) == value
