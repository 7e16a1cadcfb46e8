"""Many batches, the whole run, tokens, files that failed, and what a classification links to."""

from __future__ import annotations

import copy
import json
import math
import pickle
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from extracta_rs import (
    AsyncClient,
    BatchFailedError,
    BatchRef,
    BatchResults,
    Client,
    ExtractaError,
    FileResult,
    NotFoundError,
    WaitTimeoutError,
)
from extracta_rs.testing import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

POLL = "getBatchResults"
WAITING = '{"status": "waiting"}'
quick: dict[str, Any] = {"poll_interval": 0.05, "backoff": 1}


def upload(client: Client, extraction_id: str, names: str) -> list[str]:
    """Upload a batch for each name."""
    files = [(name, b"%PDF") for name in names]
    return [client.extractions.upload(extraction_id, file).batch_id for file in files]


@pytest.mark.parametrize("given_as", ["Batch", "BatchRef", "token"])
def test_wait_many_yields_each_batch_as_it_finishes(
    given_as: str,
    face: Any,
    extraction_id: str,
    extracta_client: Client,
    extracta_emulator: Emulator,
) -> None:
    ids = upload(extracta_client, extraction_id, "abc")
    for batch_id, polls in zip(ids, (None, None, 1), strict=True):
        extracta_emulator.faults.add(POLL, batch_id=batch_id, body=WAITING, times=polls)
    batches: list[Any] = [BatchRef(extraction_id=extraction_id, batch_id=id_) for id_ in ids]
    if given_as == "Batch":
        batches = [face.client.resume(batch) for batch in batches]
    if given_as == "token":
        batches = [batch.token() for batch in batches]
    steps = each(face, iter([*batches, batches[1]]), **quick)
    found = [next(steps)]
    assert found[0].batch_id == ids[2]
    extracta_emulator.faults.clear()
    found += steps
    assert len(found) == 3
    assert {batch.files[0].file_name: batch.batch_id for batch in found} == dict(
        zip("abc", ids, strict=True)
    )
    assert all(batch.finished and batch.extraction_id == extraction_id for batch in found)


def each(face: Any, *args: Any, **options: Any) -> Iterator[Any]:
    """Iterate over `wait_many`; what is raised on the way counts as an item."""
    steps = face.client.extractions.wait_many(*args, **options)
    step = steps.__next__ if isinstance(face.client, Client) else steps.__anext__
    while True:
        try:
            yield face.run(step)
        except (StopIteration, StopAsyncIteration):
            return
        except ExtractaError as error:
            yield error


def test_a_batch_that_fails_leaves_the_others(
    face: Any, extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    first, broken, last = upload(extracta_client, extraction_id, "abc")
    extracta_emulator.faults.add(POLL, batch_id=broken, status=404)
    extracta_emulator.faults.add(POLL, batch_id=last, body=WAITING, times=None)
    batches = [BatchRef(extraction_id=extraction_id, batch_id=b) for b in (broken, last, first)]
    steps = each(face, batches, **quick)
    found = [next(steps), next(steps)]
    assert {type(item) for item in found} == {NotFoundError, BatchResults}
    extracta_emulator.faults.clear()
    found += steps
    assert [r.batch_id for r in found if isinstance(r, BatchResults)] == [first, last]


@pytest.mark.extracta_emulator(processing_time=3600)
def test_wait_many_has_one_deadline(face: Any, extraction_id: str, extracta_client: Client) -> None:
    ids = upload(extracta_client, extraction_id, "abc")
    batches = [BatchRef(extraction_id=extraction_id, batch_id=batch_id) for batch_id in ids]
    before = time.monotonic()
    found = list(each(face, batches, timeout=0.3, **quick))
    assert 0.3 <= time.monotonic() - before <= 5
    assert all(isinstance(item, WaitTimeoutError) for item in found)
    tokens = {item.token for item in found if isinstance(item, WaitTimeoutError)}
    assert {face.client.resume(token).batch_id for token in tokens} == set(ids)


def test_wait_many_of_none_and_of_the_wrong_kind(face: Any, extracta_emulator: Emulator) -> None:
    assert face("extractions.wait_many", []) == []
    wrong = BatchRef(classification_id="-c", batch_id="-b")
    with pytest.raises(ValueError, match=r"belongs to a classification: .*client\.classifications"):
        face("extractions.wait_many", [BatchRef(extraction_id="-x", batch_id="-a"), wrong])
    with pytest.raises(ValueError, match="not the token of a batch"):
        face("extractions.wait_many", ["-OAbatch"])
    assert extracta_emulator.requests() == []


@pytest.mark.parametrize("resource", ["extractions", "classifications"])
def test_run_uploads_and_waits(resource: str, face: Any, extracta_emulator: Emulator) -> None:
    template: dict[str, Any] = {"fields": [{"key": "total", "example": "1"}]}
    if resource == "classifications":
        template = {"document_types": [{"name": "invoice"}]}
    made = face(f"{resource}.create", "Template", **template)
    told: list[BatchResults] = []
    results = face(
        f"{resource}.run",
        getattr(made, f"{resource[:-1]}_id"),
        [("a.pdf", b"%PDF"), ("b.pdf", b"%PDF")],
        timeout=timedelta(seconds=20),
        poll_interval=timedelta(milliseconds=10),
        on_progress=told.append,
    )
    assert results.finished
    assert [file.file_name for file in results] == ["a.pdf", "b.pdf"]
    assert told[-1] == results
    _, sent, *polls = extracta_emulator.requests()
    assert (sent.endpoint or "").endswith("uploadFiles")
    assert {request.batch_id for request in [sent, *polls]} == {results.batch_id}


@pytest.mark.extracta_emulator(processing_time=3600)
def test_a_run_that_takes_too_long_leads_to_its_batch(
    face: Any, extraction_id: str, extracta_emulator: Emulator
) -> None:
    with pytest.raises(WaitTimeoutError) as raised:
        face("extractions.run", extraction_id, ("a", b"a"), timeout=0.1, poll_interval=0)
    batch = face.client.resume(raised.value.token)
    assert batch.batch_id == extracta_emulator.requests()[-1].batch_id
    assert face.run(batch.results).status == "waiting"


def test_tokens(kind: str) -> None:
    face_class: Any = Client if kind == "blocking" else AsyncClient
    client = face_class("secret-key-123", base_url="http://localhost:1", webhook_secret="hush")
    for ids in ({"extraction_id": '-OA\n"ä'}, {"classification_id": "-OAc"}):
        batch = client.resume(BatchRef(**ids, batch_id="-OAb"))
        token = batch.token()
        assert set(json.loads(token)) == {"v", "kind", "id", "batchId"}
        assert batch == client.resume(token) == copy.copy(batch)
        assert (batch.extraction_id, batch.classification_id) == (
            ids.get("extraction_id"),
            ids.get("classification_id"),
        )
        assert batch.files == []
        assert BatchRef(**ids, batch_id="-OAb").token() == token
    client.close()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "-OAbatch",
        "{}",
        "[]",
        "null",
        '{"v":1,"kind":"extraction","id":"x"}',
        '{"v":1,"kind":"extraction","id":"","batchId":"b"}',
        '{"v":1,"kind":"webhook","id":"x","batchId":"b"}',
        '{"v":2,"kind":"extraction","id":"x","batchId":"b"}',
        '{"v":1,"kind":"extraction","id":5,"batchId":"b"}',
    ],
)
def test_what_is_no_token(token: str, face: Any) -> None:
    with pytest.raises(ValueError, match=r"token|empty"):
        face.client.resume(token)
    with pytest.raises(ValueError, match="empty"):
        face.client.resume(BatchRef(batch_id="-b"))


@pytest.mark.extracta_emulator(fail_files=["bad.pdf", "worse.pdf"])
def test_files_that_failed(face: Any, extraction_id: str) -> None:
    names = ["good.pdf", "bad.pdf", "worse.pdf"]
    results = face("extractions.run", extraction_id, [(n, b"x") for n in names], poll_interval=0)
    assert results.finished
    assert [file.file_name for file in results.processed] == names[:1]
    assert [file.file_name for file in results.failed] == names[1:]
    for file in results.failed:
        assert file.error
        assert file.result == {}
    with pytest.raises(BatchFailedError, match=r"2 of 3 files of batch .*bad\.pdf: ") as raised:
        results.raise_for_failures()
    assert raised.value.results is results
    assert pickle.loads(pickle.dumps(raised.value)).results == results
    good = face("extractions.run", extraction_id, ("good.pdf", b"x"), poll_interval=0)
    assert good.raise_for_failures() is good


@pytest.mark.extracta_emulator(fail_files=[f"{number}.pdf" for number in range(9)])
def test_many_failures_make_a_short_message(face: Any, extraction_id: str) -> None:
    files = [(f"{number}.pdf", b"x") for number in range(9)]
    results = face("extractions.run", extraction_id, files, poll_interval=0)
    with pytest.raises(BatchFailedError, match=r"9 of 9 .*; and 4 more$"):
        results.raise_for_failures()


def test_only_final_states_count(face: Any, extracta_emulator: Emulator) -> None:
    statuses = ["processed", "failed", "reviewing", "waiting", None]
    files = [{"fileName": str(status), "status": status} for status in statuses]
    extracta_emulator.faults.add(POLL, status=200, body=json.dumps({"files": files}))
    results = face("extractions.results", "-x", "-b")
    assert [file.file_name for file in results.processed] == ["processed"]
    assert [file.file_name for file in results.failed] == ["failed"]


@pytest.mark.parametrize(
    ("answer", "finished"),
    [
        ('{"status": "waiting", "files": [{"status": "processed"}]}', False),
        ('{"status": "processed", "files": [{"status": "processing"}]}', False),
        ('{"status": "processed", "files": [{"status": "processed"}, {"status": "failed"}]}', True),
        ('{"files": [{"status": "processed"}, {"status": "waiting"}]}', False),
        ('{"files": [{"result": {"a": 1}}, {"error": "blank page"}]}', True),
        ('{"files": [{"fileId": "f"}]}', False),
        ('{"status": "finished", "files": [{"fileId": "f"}]}', True),
        ('{"status": null, "files": [{"status": null, "result": null}]}', False),
        ('{"files": []}', False),
        ('{"status": "processed", "files": []}', True),
        ('{"status": "failed"}', True),
        ('{"status": "Processed"}', False),
    ],
)
def test_when_a_batch_is_finished(
    answer: str, finished: bool, face: Any, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add(POLL, status=200, body=answer)
    assert face("extractions.results", "-x", "-b").finished is finished


def test_a_classification_leads_to_its_extraction(face: Any, extraction_id: str) -> None:
    types = [
        {"name": "invoice", "uniqueWords": ["total due"], "extractionId": extraction_id},
        {"name": "letter", "uniqueWords": ["dear sir"]},
    ]
    inbox = face("classifications.create", "Inbox", document_types=types).classification_id
    files = [("a.txt", b"total due: 5"), ("b.txt", b"dear sir")]
    results = face("classifications.run", inbox, files, poll_interval=0)
    assert (results.classification_id, results.extraction_id) == (inbox, None)
    invoice, letter = results
    assert isinstance(invoice, FileResult)
    assert [file.result["documentType"] for file in results] == ["invoice", "letter"]
    assert letter.extraction is None
    assert isinstance(invoice.extraction, BatchRef)
    assert invoice.extraction.extraction_id == extraction_id
    batch = face.client.resume(invoice.extraction)
    extracted = face.run(batch.wait, poll_interval=0)
    assert extracted.extraction_id == extraction_id
    assert [file.file_id for file in extracted] == [invoice.extraction.file_id]
    assert extracted.files[0].result == {"total": "12.50"}


BAD = [
    ({"timeout": -1}, ValueError, "timeout"),
    ({"timeout": math.nan}, ValueError, "timeout"),
    ({"timeout": timedelta(seconds=-1)}, ValueError, "timeout"),
    ({"poll_interval": -0.1}, ValueError, "poll_interval"),
    ({"max_poll_interval": math.inf}, ValueError, "max_poll_interval"),
    ({"poll_interval": 20}, ValueError, "max_poll_interval"),
    ({"poll_interval": 2, "max_poll_interval": 1}, ValueError, "shorter than poll_interval"),
    ({"backoff": 0.99}, ValueError, "backoff"),
    ({"backoff": math.nan}, ValueError, "backoff"),
    ({"backoff": math.inf}, ValueError, "backoff"),
    ({"timeout": "5"}, TypeError, None),
    ({"poll_interval": None}, TypeError, None),
]


@pytest.mark.parametrize(("options", "error", "said"), BAD)
@pytest.mark.parametrize("resource", ["extractions", "classifications"])
def test_bad_options_are_refused_before_anything_is_sent(
    options: dict[str, Any],
    error: type[Exception],
    said: str | None,
    resource: str,
    face: Any,
    extracta_emulator: Emulator,
) -> None:
    token = json.dumps({"v": 1, "kind": resource[:-1], "id": "-x", "batchId": "-b"})
    batch = face.client.resume(token)
    with pytest.raises(error, match=said):
        face(f"{resource}.wait", "-x", "-b", **options)
    with pytest.raises(error, match=said):
        face.run(batch.wait, **options)
    with pytest.raises(error, match=said):
        face(f"{resource}.wait_many", [batch], **options)
    with pytest.raises(error, match=said):  # An upload would be paid and its batch's id be lost.
        face(f"{resource}.run", "-x", ("a.pdf", b"%PDF"), **options)
    assert extracta_emulator.requests() == []
